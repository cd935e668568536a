"""Keeps a set of processes alive: starts each when those it needs are ready, restarts the dead, gives up those that
keep dying, and stops all in the opposite order.

Each process has one task (`_keep`), which owns its `Slot`; everything else only reads it or asks through it.
"""

import asyncio
import contextlib
import random
import signal
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tidings.devstack.last_words import last_words, readable
from tidings.devstack.logfiles import last_lines, log_path, rotate, size_of
from tidings.devstack.policy import RestartPolicy
from tidings.devstack.process import Child, Group, Left, Process, clear_away, describe_exit, find_left
from tidings.devstack.state import ProcessState, memory_of
from tidings.platform.settings import WRONG_SETTINGS

PROBE_INTERVAL_S = 0.05
WATCH_INTERVAL_S = 2.0
REFUSALS_TO_RESTART = 3  # in a row
ROTATE_INTERVAL_S = 5.0
LINES_OF_A_FAILURE = 10
HOLD_UP_S = 20.0
ASKED_TO = (-signal.SIGKILL, -signal.SIGTERM)  # exit codes of those that somebody ended: their logs do not know why
STOP_ORDER = (Group.EDGE, Group.SERVICE, Group.STORE)

Report = Callable[[str, str], None]  # name of the process, what happened


@dataclass
class Slot:
    """The place of one process and what is in it now. Owner: its `_keep` task."""

    process: Process
    policy: RestartPolicy = field(default_factory=RestartPolicy)
    child: Child | None = None
    state: str = "waiting"
    restarts: int = 0
    reason: str | None = None
    was_ready: bool = False
    # Set once the first start has come to an end, good or bad, or takes long: those that wait for it may start.
    settled: asyncio.Event = field(default_factory=asyncio.Event)
    lent: asyncio.Event = field(default_factory=asyncio.Event)  # somebody runs it in the foreground
    returned: asyncio.Event = field(default_factory=asyncio.Event)

    def describe(self, with_memory: bool) -> ProcessState:
        pid = self.child.pid if self.child and self.child.alive else None
        return ProcessState(
            name=self.process.name,
            group=self.process.group,
            state=self.state,
            pid=pid,
            restarts=self.restarts,
            ports=dict(self.process.ports),
            memory_bytes=memory_of(pid) if with_memory and pid else None,
            reason=self.reason,
        )


class Supervisor:
    """Runs `processes` until told to stop. Owner of every child process."""

    def __init__(
        self,
        processes: Sequence[Process],
        environ: Mapping[str, str],
        data_dir: Path,
        report: Report,
        used_before: bool = False,
    ) -> None:
        self.slots = {process.name: Slot(process) for process in processes}
        self.stopping = asyncio.Event()
        self._environ = environ
        self._data_dir = data_dir
        self._report = report
        # After a first life in this directory every holder of these names is surely dead.
        self._used_before = used_before

    @property
    def ready(self) -> bool:
        return all(slot.state in ("ready", "lent") for slot in self.slots.values())

    async def run(self, started: Callable[[], None]) -> None:
        """Start all, call `started` when every first start has ended, and keep them until `stopping` is set."""
        tasks: dict[str, asyncio.Task[None]] = {}
        rotation = asyncio.create_task(self._rotate())
        try:
            for name, slot in self.slots.items():
                tasks[name] = asyncio.create_task(self._keep(slot), name=name)
            await self._until_stopping(_all_settled(list(self.slots.values())))
            if self.stopping.is_set():
                return
            started()
            await self.stopping.wait()
        finally:
            rotation.cancel()
            await self._stop_all(tasks)

    async def lend(self, name: str) -> Slot:
        """Stop `name` and leave its place to the caller until `give_back`."""
        slot = self.slots[name]
        slot.returned.clear()
        slot.lent.set()
        if slot.child is not None:
            await slot.child.stop(slot.process.stop_signal, slot.process.stop_timeout_s)
        slot.state = "lent"
        self._report(name, "lent to `tidings run`")
        return slot

    def give_back(self, name: str) -> None:
        slot = self.slots[name]
        slot.lent.clear()
        slot.returned.set()

    async def _keep(self, slot: Slot) -> None:
        """The life of one place: start, watch, start again."""
        needed = [self.slots[name] for name in slot.process.after if name in self.slots]
        await self._until_stopping(_all_settled(needed))
        # What hangs at its start, or waits for what never comes, holds up neither the others nor what `up` has to say.
        asyncio.get_running_loop().call_later(HOLD_UP_S, self._hold_up_no_longer, slot)
        while not self.stopping.is_set():
            if slot.lent.is_set():
                await slot.returned.wait()
            reason, hopeless = await self._one_life(slot)
            if self.stopping.is_set() or slot.lent.is_set():
                continue
            was_ready = slot.state == "ready"
            delay_s = slot.policy.died(time.monotonic(), random.random(), was_ready=was_ready)  # noqa: S311
            slot.reason = reason
            if delay_s is None or hopeless:
                self._give_up(slot, reason if hopeless else f"it keeps dying: {reason}")
                slot.returned.clear()
                await slot.returned.wait()  # somebody ran it by hand and gave it back: a new chance
                slot.policy = RestartPolicy()
                continue
            slot.state = "backing off"
            slot.restarts += 1
            self._report(slot.process.name, f"{reason}; starting it again in {delay_s:.1f} s")
            await self._until_stopping(asyncio.sleep(delay_s))

    async def _one_life(self, slot: Slot) -> tuple[str, bool]:
        """Start the process and stay until it has ended. Answers why it ended, and whether another start is vain."""
        process = slot.process
        log = log_path(self._data_dir, process.name)
        began = time.monotonic()
        slot.state = "starting"
        try:
            await process.prepare()
            restarted = slot.restarts > 0 or self._used_before
            env = {**self._environ, "TIDINGS_SLOT_RESTARTED": "1"} if restarted else self._environ
            log_began = size_of(log)
            slot.child = child = await Child.spawn(process, env, log)
        except Exception as error:
            return f"cannot be started: {error}", False
        left: list[Left] = []
        try:
            reason = await self._wait_until_ready(slot, child)
            if reason is None:
                left = find_left(process)
                slot.state, slot.reason, slot.was_ready = "ready", None, True
                took_s = time.monotonic() - began
                port = next(iter(process.ports.values()), None)
                place = f"pid {child.pid}, port {port}" if port else f"pid {child.pid}"
                self._report(process.name, f"ready in {took_s:.1f} s ({place})")
                slot.settled.set()
                reason = await self._until_it_ends(process, child)
            reason = _with_last_words(reason, child, last_lines(log, LINES_OF_A_FAILURE, log_began))
            return reason, process.group == Group.SERVICE and child.returncode == WRONG_SETTINGS
        finally:
            await child.stop(process.stop_signal, process.stop_timeout_s)
            child.sweep()
            clear_away(left)

    async def _until_it_ends(self, process: Process, child: Child) -> str:
        """Watch it until it has ended, or does not work any more. Answers which."""
        exited = asyncio.create_task(child.exited())
        refusals = 0
        try:
            while refusals < REFUSALS_TO_RESTART:
                await asyncio.wait({exited}, timeout=WATCH_INTERVAL_S if process.watch else None)
                if exited.done():
                    return describe_exit(exited.result())
                refusals = refusals + 1 if await _refuses(process) else 0
        finally:
            exited.cancel()
        return "it lives and does not work"

    async def _wait_until_ready(self, slot: Slot, child: Child) -> str | None:
        """None once ready, else why not."""
        process = slot.process
        exited = asyncio.create_task(child.exited())
        last: Exception | None = None
        deadline = time.monotonic() + process.start_timeout_s
        try:
            while time.monotonic() < deadline:
                try:
                    if await process.probe():
                        await process.settle()
                        return None
                except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
                    last = error
                await asyncio.wait({exited}, timeout=PROBE_INTERVAL_S)
                if exited.done():
                    return f"ended before it was ready ({describe_exit(exited.result())})"
        except Exception as error:  # the set-up of a store failed: reported with the reason, and tried again
            return f"could not be set up: {type(error).__name__}: {error}"
        finally:
            exited.cancel()
        return f"not ready after {process.start_timeout_s:.0f} s" + (f" ({last})" if last else "")

    def _hold_up_no_longer(self, slot: Slot) -> None:
        if slot.settled.is_set() or self.stopping.is_set():
            return
        words = last_words(last_lines(log_path(self._data_dir, slot.process.name), 1)) if slot.child else ""
        slot.reason = f"still {slot.state} after {HOLD_UP_S:.0f} s" + (f": {words}" if words else "")
        self._report(slot.process.name, f"{slot.reason}. It is not waited for any longer.")
        slot.settled.set()

    def _give_up(self, slot: Slot, reason: str) -> None:
        name = slot.process.name
        slot.state = "given up"
        path = log_path(self._data_dir, name)
        self._report(name, f"given up, {reason}. The rest goes on. The end of {path}:")
        for line in last_lines(path, LINES_OF_A_FAILURE):
            self._report(name, f"  | {readable(line)}")
        slot.settled.set()

    async def _stop_all(self, tasks: dict[str, asyncio.Task[None]]) -> None:
        """In the opposite order of the start, each group at once, each child within its deadline."""
        self.stopping.set()
        for group in STOP_ORDER:
            members = [slot for slot in self.slots.values() if slot.process.group == group]
            await asyncio.gather(*(self._stop(slot) for slot in members))
            for slot in members:
                task = tasks.get(slot.process.name)
                if task is not None:
                    task.cancel()
                    with contextlib.suppress(asyncio.CancelledError):
                        await task
                if slot.child is not None:
                    slot.child.kill()

    async def _stop(self, slot: Slot) -> None:
        child, process = slot.child, slot.process
        if child is not None and child.alive:
            slot.state = "stopping"
            willing = await child.stop(process.stop_signal, process.stop_timeout_s)
            as_wanted = willing or process.may_be_killed
            self._report(process.name, "stopped" if as_wanted else f"killed after {process.stop_timeout_s:.0f} s")
        slot.state = "stopped"

    async def _until_stopping(self, work: Coroutine[Any, Any, None]) -> None:
        """Wait for `work`, but no longer than until the supervisor stops."""
        task = asyncio.create_task(work)
        stopping = asyncio.create_task(self.stopping.wait())
        await asyncio.wait({task, stopping}, return_when=asyncio.FIRST_COMPLETED)
        for left in (task, stopping):
            left.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await left

    async def _rotate(self) -> None:
        while True:
            for path in (self._data_dir / "logs").glob("*.log"):
                rotate(path)
            await asyncio.sleep(ROTATE_INTERVAL_S)


def _with_last_words(reason: str, child: Child, log: Sequence[str]) -> str:
    """Why it ended, with what this life of it wrote last."""
    if child.returncode in ASKED_TO:
        return reason
    words = last_words(log, errors_only=child.returncode == 0)
    return f"{reason}: {words}" if words else reason


async def _refuses(process: Process) -> bool:
    """Whether it says itself that it does not work. One that is only slow, or that nobody reaches, is left alone."""
    try:
        return process.watch is not None and not await process.watch()
    except (OSError, TimeoutError, asyncio.IncompleteReadError):
        return False


async def _all_settled(slots: Sequence[Slot]) -> None:
    for slot in slots:
        await slot.settled.wait()
