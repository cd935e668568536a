"""A whole system on one data directory, from `tidings up` to its end: plan, processes, control socket, state."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from tidings.devstack import control
from tidings.devstack.plan import Plan, Request, make_plan
from tidings.devstack.ports import Ports
from tidings.devstack.state import ProcessState, SystemState, load_state, owned, save_state
from tidings.devstack.stores import private_folder
from tidings.devstack.supervisor import Report, Supervisor

LEFT_OVER_TIMEOUT_S = 10.0

# Of the environment, only what is Tidings' own is written down.
PREFIX = "TIDINGS_"


async def run_system(request: Request, report: Report, announce: Callable[[Plan, bool, float], None]) -> None:
    """Run until SIGTERM, SIGINT or `tidings down`. `announce` is called once all have started (or were given up).

    Raises AlreadyRunningError, PortTakenError, PlanError, SettingsError, BinaryMissingError, PostgresUnavailableError.
    """
    began = time.monotonic()
    with owned(request.data_dir):
        private_folder(request.data_dir / "logs")
        before = load_state(request.data_dir)
        if before:
            await _end_left_overs(before)
        ports = Ports(before.ports if before else None)
        plan = make_plan(request, ports)
        supervisor = Supervisor(plan.processes, plan.environ, request.data_dir, report, used_before=before is not None)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, supervisor.stopping.set)

        def describe(with_memory: bool) -> SystemState:
            return _describe(request, plan, supervisor, with_memory)

        def started() -> None:
            save_state(request.data_dir, describe(False))
            announce(plan, supervisor.ready, time.monotonic() - began)

        # Written before the first child: whoever comes after a crash finds the ports, and the pids it may look for.
        save_state(request.data_dir, describe(False))
        try:
            async with control.serve(request.data_dir, supervisor, describe, dict(plan.environ)):
                await supervisor.run(started)
        finally:
            save_state(request.data_dir, describe(False))
            ports.release()


def _describe(request: Request, plan: Plan, supervisor: Supervisor, with_memory: bool) -> SystemState:
    own = psutil.Process()
    processes = [slot.describe(with_memory) for slot in supervisor.slots.values()]
    processes.append(
        ProcessState(
            name="supervisor",
            group="supervisor",
            state="ready",
            pid=own.pid,
            memory_bytes=_own_memory() if with_memory else None,
        )
    )
    return SystemState(
        pid=own.pid,
        started_at=own.create_time(),
        url=plan.url,
        data_dir=str(request.data_dir),
        ports=dict(plan.ports),
        environ={name: value for name, value in plan.environ.items() if name.startswith(PREFIX)},
        ready=supervisor.ready and not supervisor.stopping.is_set(),
        processes=processes,
    )


def _own_memory() -> int:
    text = Path("/proc/self/smaps_rollup").read_text(encoding="ascii")
    return next((int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("Pss:")), 0)


async def _end_left_overs(before: SystemState) -> None:
    """Children of a killed supervisor die with it; wait until the kernel has done so before touching their data."""
    deadline = time.monotonic() + LEFT_OVER_TIMEOUT_S
    while time.monotonic() < deadline:
        left = [state.pid for state in before.processes if state.pid and _was_child(state.pid, before)]
        if not left:
            return
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        await asyncio.sleep(0.02)


def _was_child(pid: int, before: SystemState) -> bool:
    """Whether `pid` is still that process: it carries the system's data directory in its environment."""
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE or pid in (before.pid, os.getpid()):
            return False
        return process.environ().get("TIDINGS_DATA_DIR") == before.data_dir
    except psutil.Error:
        return False
