"""Watermarks of two instances under drawn schedules in virtual time: calls are slow or fail, instances freeze. A read
mark that was answered is stored, and in the end each mark that was taken is stored and told.

`TIDINGS_SCHEDULES=5000` plays more than the few of each run.
"""

import asyncio
import random
from typing import Any

import pytest
from tests.support.virtual_loop import SCHEDULES, VirtualLoop, play, start
from tests.unit.message.test_receipts import World

from tidings.message.receipts import READ_WAIT_S, Mark, Receipts
from tidings.message.settings import Settings

BUG_SCHEDULES = 100
OPTIONS = Settings()


class Slow(World):
    """The same behind a network that takes its time."""

    async def _maybe(self, error: Exception) -> None:
        await asyncio.sleep(self.dice.choice([0.0, 0.001, 0.3]))
        await super()._maybe(error)


async def scene(loop: VirtualLoop, dice: random.Random) -> list[str]:
    """What is wrong."""
    world = Slow(dice, 0.2)
    service: Any = world
    wrong: list[str] = []
    highest: dict[tuple[str, str, str], int] = {}
    instances = {name: Receipts(service, service, service, service, service, OPTIONS) for name in ("one", "two")}
    for name, made in instances.items():
        start(loop, name, made.run())
        start(loop, name, made.tell())

    async def device(name: str) -> None:
        for _ in range(8):
            await asyncio.sleep(dice.choice([0.0, 0.02, 0.4]))
            status = dice.choice(["delivered", "read"])
            mark = Mark(dice.choice("dg"), dice.choice("abc"), status, dice.randrange(1, 100))
            (refusal,) = await instances[name].mark([mark])
            if refusal is not None:
                continue
            for moved in ("delivered", "read") if status == "read" else ("delivered",):
                key = mark.chat_id, mark.user_id, moved
                highest[key] = max(mark.seq, highest.get(key, 0))
                if status == "read" and world.stored.get(key, 0) < mark.seq:
                    wrong.append(f"{key} answered at {mark.seq}, stored is {world.stored.get(key, 0)}")

    devices = [start(loop, name, device(name)) for name in ("one", "one", "two", "two")]
    for _ in range(3):
        await asyncio.sleep(dice.uniform(0.1, 2))
        loop.freeze(dice.choice(["one", "two"]), dice.uniform(0.5, READ_WAIT_S + 2))
    await asyncio.gather(*devices)
    world.trouble = 0.0
    await asyncio.sleep(30)
    behind = {key: (seq, world.stored.get(key, 0)) for key, seq in highest.items() if world.stored.get(key, 0) < seq}
    untold = {key: (seq, world.told.get(key, 0)) for key, seq in highest.items() if world.told.get(key, 0) < seq}
    return wrong + [f"not stored: {behind}"] * bool(behind) + [f"not told: {untold}"] * bool(untold)


def first_found() -> int | None:
    return next((seed for seed in range(BUG_SCHEDULES) if play(seed, scene)), None)


def test_what_was_answered_is_stored_and_what_was_taken_is_told() -> None:
    assert not {seed: wrong for seed in range(SCHEDULES) if (wrong := play(seed, scene))}, "by seed"


def test_read_marks_that_are_answered_before_they_are_stored_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    async def at_once(*_: Any) -> bool:
        return True

    monkeypatch.setattr(Receipts, "_stored", at_once)
    assert first_found() is not None


def test_marks_that_are_not_told_when_something_fails_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Receipts, "_hold", lambda *_: None)
    assert first_found() is not None
