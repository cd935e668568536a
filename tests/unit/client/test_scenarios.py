"""Every file of tests/scenarios holds for the Python core."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tidings.client import model as m
from tidings.client.core import Core
from tidings.client.store import Store

SCENARIOS = sorted((Path(__file__).parents[2] / "scenarios").glob("*.json"))


@pytest.mark.parametrize("path", SCENARIOS, ids=[path.stem for path in SCENARIOS])
def test_scenario(path: Path) -> None:
    scenario: dict[str, Any] = json.loads(path.read_text())
    core = Core(msgspec.convert(scenario["start"], m.State))
    for number, step in enumerate(scenario["steps"]):
        found = core.handle(msgspec.convert(step["given"], m.Input), step["at"])
        assert msgspec.to_builtins(found.ops) == step["ops"], f"step {number}"
        assert msgspec.to_builtins(found.effects) == step["effects"], f"step {number}"


@pytest.mark.parametrize("path", SCENARIOS, ids=[path.stem for path in SCENARIOS])
def test_the_store_takes_the_operations_of_a_scenario(path: Path) -> None:
    scenario: dict[str, Any] = json.loads(path.read_text())
    store = Store(None)
    store.begin("me")
    for step in scenario["steps"]:
        ops: list[m.Op] = [op for op in msgspec.convert(step["ops"], list[m.Op]) if not isinstance(op, m.PutChat)]
        store.apply(ops)
        store.apply(ops)  # a step is idempotent: it may be told again
        by_client = [row.client_msg_id for row in store.messages("c") if row.client_msg_id]
        assert len(by_client) == len(set(by_client))
    store.close()


def test_there_are_scenarios() -> None:
    assert len(SCENARIOS) >= 20
