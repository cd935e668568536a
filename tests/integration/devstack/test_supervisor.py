"""The supervisor with processes of the test's own: restarts, giving up, loans, and nothing left behind."""

import asyncio
import dataclasses
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest
from tests.support.waiting import eventually

from tidings.devstack import supervisor as supervisor_module
from tidings.devstack.process import Group, Process
from tidings.devstack.supervisor import Supervisor

LIVES = "import signal; signal.pause()"
DIES = "print('the reason of my death', flush=True); raise SystemExit(3)"
DIES_IN_JSON = (
    "import json; traceback = 'Traceback (most recent call last):\\n' + 'x' * 5000 + '\\nValueError: the reason';"
    "print(json.dumps({'level': 'error', 'event': 'ended', 'exception': traceback}), flush=True); raise SystemExit(1)"
)


async def at_once() -> bool:
    return True


async def never() -> bool:
    return False


def script(name: str, code: str, group: Group = Group.SERVICE, **more: object) -> Process:
    return Process(name=name, group=group, argv=[sys.executable, "-c", code], probe=at_once, **more)  # type: ignore[arg-type]


@asynccontextmanager
async def supervised(tmp_path: Path, *processes: Process) -> AsyncIterator[tuple[Supervisor, list[tuple[str, str]]]]:
    """A supervisor that has started all of `processes`, and what it reported."""
    (tmp_path / "logs").mkdir()
    reports: list[tuple[str, str]] = []
    started = asyncio.Event()
    supervisor = Supervisor(processes, dict(os.environ), tmp_path, lambda name, what: reports.append((name, what)))
    running = asyncio.create_task(supervisor.run(started.set))
    await asyncio.wait_for(started.wait(), 30)
    try:
        yield supervisor, reports
    finally:
        supervisor.stopping.set()
        await asyncio.wait_for(running, 30)


async def test_what_a_child_leaves_is_removed_once_it_has_ended(tmp_path: Path) -> None:
    left, taken = tmp_path / "left.sock", tmp_path / "taken.sock"

    async def made() -> bool:
        return left.exists() and taken.exists()

    leaver = Process(
        name="a", group=Group.SERVICE, probe=made, leaves=[tmp_path / "never-made", tmp_path, left, taken],
        argv=[sys.executable, "-c", f"[open(path, 'w').close() for path in {[str(left), str(taken)]}]; {LIVES}"],
    )  # fmt: skip
    async with supervised(tmp_path, leaver):
        another = tmp_path / "another's"
        another.touch()
        another.replace(taken)
    assert not left.exists()
    assert taken.exists(), "another's file at the same path is not its own"


async def test_killed_child_is_restarted_and_told(tmp_path: Path) -> None:
    async with supervised(tmp_path, script("a", LIVES)) as (supervisor, reports):
        slot = supervisor.slots["a"]
        assert slot.child is not None
        old = slot.child.pid
        os.kill(old, signal.SIGKILL)
        await eventually(lambda: slot.state == "ready" and slot.child and slot.child.pid != old, "a new incarnation")
        assert slot.restarts == 1
        assert any("killed by SIGKILL; starting it again" in what for _, what in reports)


async def test_restarted_child_knows_that_its_predecessor_is_dead(tmp_path: Path) -> None:
    tell = "import os; print('restarted', os.environ.get('TIDINGS_SLOT_RESTARTED'), flush=True);" + LIVES
    async with supervised(tmp_path, script("a", tell)) as (supervisor, _):
        slot = supervisor.slots["a"]
        log = tmp_path / "logs" / "a.log"
        await eventually(lambda: "restarted None" in log.read_text(), "the first start")
        assert slot.child is not None
        os.kill(slot.child.pid, signal.SIGKILL)
        await eventually(lambda: "restarted 1" in log.read_text(), "the second start")


async def test_one_that_keeps_dying_is_given_up_with_its_last_words_and_the_rest_goes_on(tmp_path: Path) -> None:
    async with supervised(tmp_path, script("bad", DIES), script("good", LIVES)) as (supervisor, reports):
        bad = supervisor.slots["bad"]
        await eventually(lambda: bad.state == "given up", "giving up", 60)
        said = [what for name, what in reports if name == "bad"]
        assert any("given up, it keeps dying: " in what and "exit code 3" in what for what in said)
        assert any("the reason of my death" in what for what in said)
        assert supervisor.slots["good"].state == "ready"
        assert not supervisor.ready


async def test_the_reason_of_one_that_was_given_up_holds_its_last_error(tmp_path: Path) -> None:
    async with supervised(tmp_path, script("bad", DIES_IN_JSON)) as (supervisor, reports):
        bad = supervisor.slots["bad"]
        await eventually(lambda: bad.state == "given up", "giving up", 60)
        assert (bad.describe(False).reason or "").endswith("exit code 1: error: ended: ValueError: the reason")
        assert ("bad", "  | error: ended: ValueError: the reason") in reports


async def test_one_that_cannot_run_with_its_settings_is_given_up_at_once(tmp_path: Path) -> None:
    wrong = script("wrong", "print('mongo_url: is no URL', flush=True); raise SystemExit(2)")
    async with supervised(tmp_path, wrong, script("good", LIVES)) as (supervisor, reports):
        slot = supervisor.slots["wrong"]
        await eventually(lambda: slot.state == "given up", "giving up")
        assert slot.restarts == 0
        said = [what for name, what in reports if name == "wrong"]
        assert any("given up, " in what and "exit code 2" in what for what in said)
        assert any("mongo_url: is no URL" in what for what in said)


async def test_one_that_hangs_at_its_start_holds_up_nobody_and_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor_module, "HOLD_UP_S", 0.3)
    hangs = dataclasses.replace(script("hangs", LIVES, start_timeout_s=0.2), probe=never)
    async with supervised(tmp_path, hangs, script("good", LIVES, after=["hangs"])) as (supervisor, reports):
        slot = supervisor.slots["hangs"]
        assert supervisor.slots["good"].state == "ready"
        assert any("is not waited for any longer" in what for name, what in reports if name == "hangs")
        await eventually(lambda: slot.state == "given up", "giving up", 60)
        assert any("given up, it keeps dying: not ready after" in what for name, what in reports if name == "hangs")


async def test_each_starts_after_what_it_needs_and_groups_stop_in_the_opposite_order(tmp_path: Path) -> None:
    processes = [
        script("edge", LIVES, Group.EDGE, after=["service"]),
        script("service", LIVES, after=["store"]),
        script("store", LIVES, Group.STORE),
    ]
    async with supervised(tmp_path, *processes) as (_, reports):
        assert [name for name, _ in reports] == ["store", "service", "edge"]
        reports.clear()
    assert [name for name, what in reports if what == "stopped"] == ["edge", "service", "store"]


async def test_child_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    stubborn = "import signal; signal.signal(15, signal.SIG_IGN); print('deaf', flush=True); signal.pause()"
    process = script("deaf", stubborn, stop_timeout_s=0.3)
    async with supervised(tmp_path, process) as (supervisor, reports):
        child = supervisor.slots["deaf"].child
        assert child is not None
        await eventually(lambda: "deaf" in (tmp_path / "logs" / "deaf.log").read_text(), "it is deaf")
    assert not psutil.pid_exists(child.pid)
    assert any(what.startswith("killed after") for _, what in reports)


async def test_workers_of_a_killed_child_go_with_it(tmp_path: Path) -> None:
    parent = (
        "import subprocess, sys, signal;"
        f"p = subprocess.Popen([sys.executable, '-c', {LIVES!r}]); print(p.pid, flush=True); signal.pause()"
    )
    async with supervised(tmp_path, script("parent", parent)) as (supervisor, _):
        slot, log = supervisor.slots["parent"], tmp_path / "logs" / "parent.log"
        worker = int(await eventually(lambda: log.read_text().strip(), "the worker's pid"))
        assert slot.child is not None
        os.kill(slot.child.pid, signal.SIGKILL)
        await eventually(lambda: _ended(worker), "the worker is gone")


async def test_one_that_lives_and_does_not_work_is_restarted(tmp_path: Path) -> None:
    works = False

    async def watch() -> bool:
        return works

    async with supervised(tmp_path, script("a", LIVES, watch=watch)) as (supervisor, reports):
        slot = supervisor.slots["a"]
        await eventually(lambda: slot.restarts, "it is started again", 20)
        works = True
        assert any("lives and does not work" in what for _, what in reports)
        await eventually(lambda: slot.state == "ready", "it runs again")


async def test_one_that_cannot_be_asked_is_left_alone(tmp_path: Path) -> None:
    asked = 0

    async def watch() -> bool:
        nonlocal asked
        asked += 1
        raise TimeoutError

    async with supervised(tmp_path, script("a", LIVES, watch=watch)) as (supervisor, _):
        await eventually(lambda: asked > 4, "it was asked five times", 20)
        assert supervisor.slots["a"].restarts == 0


async def test_lent_place_stays_empty_until_given_back(tmp_path: Path) -> None:
    async with supervised(tmp_path, script("a", LIVES)) as (supervisor, _):
        slot = await supervisor.lend("a")
        assert slot.state == "lent"
        assert slot.child is not None
        assert not slot.child.alive
        supervisor.give_back("a")
        await eventually(lambda: slot.state == "ready" and slot.child and slot.child.alive, "it runs again")


def _ended(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
