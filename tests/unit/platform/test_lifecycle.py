"""A service that is told to stop ends, also when one of its parts does not."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tidings.devstack.plan import SERVICES

PROGRAM = """
import asyncio
from contextlib import asynccontextmanager
from tidings.platform import http, lifecycle
from tidings.platform.settings import Common

class Settings(Common, kw_only=True, frozen=True):
    pass

@asynccontextmanager
async def build(settings):
    print("building", flush=True)
    if BUILDS:
        await asyncio.Event().wait()  # a store that never answers
    yield lifecycle.Servers(routes=None, checks={})
    await asyncio.Event().wait()  # a part that never ends

lifecycle.run("auth", Settings, build)
"""


def run_until(word: str, program: str, data_dir: Path) -> "tuple[subprocess.Popen[str], str]":
    """Start it, tell it to stop once it has said `word`, and wait for its end. Answers it and the rest of what it
    said."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("TIDINGS_")}
    env |= {"TIDINGS_DATA_DIR": str(data_dir), "TIDINGS_DRAIN_TIMEOUT_S": "0.2"}
    child = subprocess.Popen([sys.executable, "-c", program], env=env, stdout=subprocess.PIPE, text=True, bufsize=1)
    assert child.stdout is not None
    lines = [child.stdout.readline()]
    while word not in lines[-1]:
        assert lines[-1], f"it ended too early: {lines}"
        lines.append(child.stdout.readline())
    child.send_signal(signal.SIGTERM)
    return child, child.communicate(timeout=20)[0]


def test_a_part_that_hangs_does_not_keep_the_process(tmp_path: Path) -> None:
    child, rest = run_until('"ready"', PROGRAM.replace("BUILDS", "False"), tmp_path)
    assert child.returncode == 1
    assert "did not stop in time" in rest


def test_one_that_waits_for_a_store_at_its_start_can_be_stopped(tmp_path: Path) -> None:
    child, rest = run_until("building", PROGRAM.replace("BUILDS", "True"), tmp_path)
    assert child.returncode == 0, rest
    assert "error" not in rest


WRONG = """
from contextlib import asynccontextmanager
from tidings.contracts.limits import Limits
from tidings.platform import lifecycle
from tidings.platform.settings import Common, load

class Settings(Common, kw_only=True, frozen=True):
    pass

@asynccontextmanager
async def build(settings):
    load(Limits, "limits")
    yield lifecycle.Servers(routes=None, checks={})

lifecycle.run("auth", Settings, build)
"""


@pytest.mark.parametrize("variable", ["TIDINGS_PARTITIONS", "TIDINGS_LIMITS_EDIT_WINDOW_S"])
def test_wrong_settings_end_it_with_2_and_one_line_wherever_they_are_found(tmp_path: Path, variable: str) -> None:
    env = {name: value for name, value in os.environ.items() if not name.startswith("TIDINGS_")}
    env |= {"TIDINGS_DATA_DIR": str(tmp_path), variable: "abc"}
    ended = subprocess.run([sys.executable, "-c", WRONG], env=env, capture_output=True, text=True, timeout=20)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == f"tidings auth: {variable}: Expected `int`, got `str` (given: 'abc')\n"


@pytest.mark.parametrize("service", [service.name for service in SERVICES if service.name != "notification"])
def test_a_service_refuses_wrong_limits_before_it_waits_for_a_store(tmp_path: Path, service: str) -> None:
    env = {name: value for name, value in os.environ.items() if not name.startswith("TIDINGS_")}
    env |= {"TIDINGS_DATA_DIR": str(tmp_path), "TIDINGS_LIMITS_SESSIONS": "abc"}
    command = [sys.executable, "-m", f"tidings.{service}"]
    ended = subprocess.run(command, env=env, capture_output=True, text=True, timeout=20)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith(f"tidings {service}: TIDINGS_LIMITS_SESSIONS: ")
