"""`tidings run SERVICE`: one service in the foreground, in its supervised place, against the running rest."""

import asyncio
import contextlib
import os
import signal
from pathlib import Path
from typing import Annotated

import typer

import tidings
from tidings.cli.options import DEFAULT_DATA_DIR, DataDir, fail
from tidings.devstack import control
from tidings.devstack.process import die_with_parent

SCAN_INTERVAL_S = 0.3
STOP_TIMEOUT_S = 20.0
SOURCES = Path(tidings.__file__).parent


def run(
    service: Annotated[str, typer.Argument(help="A service (message), or one of its instances (message-2).")],
    data_dir: DataDir = DEFAULT_DATA_DIR,
    reload: Annotated[bool, typer.Option("--reload", help="Start it again whenever a source file changes.")] = False,
    debug: Annotated[bool, typer.Option("--pdb", help="Run it under pdb.")] = False,
) -> None:
    """Run one service here, with its output on this terminal, until Ctrl-C; then the supervisor takes it back."""
    name = service if service.rpartition("-")[2].isdigit() else f"{service}-1"
    try:
        asyncio.run(_run(data_dir.absolute(), name, reload, debug))
    except (control.NotRunningError, LookupError) as problem:
        fail(problem)


async def _run(data_dir: Path, name: str, reload: bool, debug: bool) -> None:
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    async with control.borrow(data_dir, name) as loan:
        argv = [loan.argv[0], "-m", "pdb", *loan.argv[1:]] if debug else loan.argv
        print(f"{name} runs here now; Ctrl-C gives it back.", flush=True)
        while not ended.is_set():
            stamp = _newest_source()
            child = await asyncio.create_subprocess_exec(
                *argv, env={**os.environ, **loan.env}, start_new_session=not debug, preexec_fn=die_with_parent()
            )
            exited = asyncio.create_task(child.wait())
            while not exited.done() and not ended.is_set() and (not reload or _newest_source() == stamp):
                await asyncio.wait({exited}, timeout=SCAN_INTERVAL_S)
            if exited.done() and not ended.is_set():
                print(f"{name} ended with code {child.returncode}.", flush=True)
                if not reload:
                    return
                await _source_change(stamp, ended)  # a mistake: wait for its mending
                continue
            await _stop(child)
            if not ended.is_set():
                print(f"A source file changed; {name} starts again.", flush=True)


async def _source_change(since: float, ended: asyncio.Event) -> None:
    while not ended.is_set() and _newest_source() == since:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(ended.wait(), SCAN_INTERVAL_S)


async def _stop(child: asyncio.subprocess.Process) -> None:
    child.terminate()
    try:
        await asyncio.wait_for(child.wait(), STOP_TIMEOUT_S)
    except TimeoutError:
        child.kill()
        await child.wait()


def _newest_source() -> float:
    return max(path.stat().st_mtime for path in SOURCES.rglob("*.py"))
