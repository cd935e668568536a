"""How each thing is broken and healed. Knows nothing of when, nor of the load."""

import asyncio
import contextlib
import shutil
import signal
import tempfile
import time
from pathlib import Path
from typing import Final, NamedTuple

import redis.asyncio
from tests.chaos.place import Place
from tests.support.running import System

from tidings.devstack import control

HOUR_S: Final = 3600
COPY_EVERY_S: Final = 15.0
COPIES_KEPT: Final = 5  # the oldest is some 60 s old
CHUNK: Final = bytes(1 << 20)
LINK_MODES: Final = ("refuse", "blackhole", "deaf", "mute", "slow", "thin")


class Fault(NamedTuple):
    """One thing that breaks: a process or its clock or disk, `link:<store or instance>`, or what a store keeps."""

    kind: str
    target: str
    seconds: float = 0.0


async def inflict(place: Place, fault: Fault) -> None:
    """Break it, hold it, heal it; returns when the process runs again, the link passes, the disk has room."""
    if fault.target.startswith("link:"):
        await _spoil_link(place, fault)
    elif fault.kind == "flush":
        await _flush(place)
    elif fault.kind == "full":
        await _fill_disk(place, fault)
    elif fault.kind in ("early", "late"):
        await _set_clock(place, fault)
    elif fault.kind in ("rollback", "rollback-keep"):
        await _roll_back(place, keep_consumers=fault.kind == "rollback-keep")
    elif fault.kind == "freeze":
        await _freeze(place.system_of(fault.target), fault)
    else:
        await _end(place.system_of(fault.target), fault)


async def remove_for_ever(place: Place, fault: Fault) -> "contextlib.AsyncExitStack":
    """Take an instance out that never comes back: killed and not started again, or frozen. Close what this answers
    only when the run is over."""
    stack = contextlib.AsyncExitStack()
    pid = await asyncio.to_thread(
        place.services.kill, fault.target, signal.SIGSTOP if fault.kind == "frozen" else signal.SIGKILL
    )
    if fault.kind == "frozen":
        stack.callback(_end_stopped, pid)
    else:
        await stack.enter_async_context(control.borrow(place.services.data_dir, fault.target))
    return stack


def _end_stopped(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        import os

        os.kill(pid, signal.SIGKILL)


async def _spoil_link(place: Place, fault: Fault) -> None:
    link = place.links[fault.target.removeprefix("link:")]
    link.set(fault.kind)  # type: ignore[arg-type]
    await asyncio.sleep(fault.seconds)
    link.set("pass")


async def _flush(place: Place) -> None:
    client = redis.asyncio.from_url(place.redis_url)
    await client.flushall()
    await client.aclose()


async def _set_clock(place: Place, fault: Fault) -> None:
    """An hour too early or too late, then right again."""
    path = place.folder / "clocks" / fault.target
    path.write_text(str(HOUR_S if fault.kind == "early" else -HOUR_S))
    await asyncio.sleep(fault.seconds)
    path.unlink()


async def _fill_disk(place: Place, fault: Fault) -> None:
    """Until nothing fits, and then free it; what died of it comes back."""
    filler = place.disk_of(fault.target) / "filler"
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(CHUNK)
            await asyncio.sleep(0)
    await asyncio.sleep(fault.seconds)
    filler.unlink()
    await asyncio.to_thread(_wait_ready, place.stores, fault.target)


def _wait_ready(system: System, name: str) -> None:
    from tests.support.waiting import wait_until

    def ready() -> bool:
        return any(process.name == name and process.state == "ready" for process in system.state().processes)

    wait_until(ready, f"{name} is ready again", 60)


async def _freeze(system: System, fault: Fault) -> None:
    pid = await asyncio.to_thread(system.kill, fault.target, signal.SIGSTOP)
    await asyncio.sleep(fault.seconds)
    if await asyncio.to_thread(system.pid, fault.target) == pid:
        await asyncio.to_thread(system.kill, fault.target, signal.SIGCONT)


async def _end(system: System, fault: Fault) -> None:
    # PostgreSQL takes SIGTERM as "when the last client has left": SIGINT is its word for now.
    polite = signal.SIGINT if fault.target == "postgres" else signal.SIGTERM
    old = await asyncio.to_thread(system.kill, fault.target, signal.SIGKILL if fault.kind == "kill" else polite)
    await asyncio.to_thread(system.wait_replaced, fault.target, old, 60)


# -- the store of NATS, put back ------------------------------------------------------------------


async def keep_copies(place: Place) -> None:
    """Copy the store of NATS now and then, as a disk would hold it that was not told to sync since."""
    while True:
        target = place.folder / "copies" / f"{time.monotonic():012.3f}"
        await asyncio.to_thread(_copy, place.disk_of("nats") / "store", target)
        for old in sorted(target.parent.iterdir())[:-COPIES_KEPT]:
            shutil.rmtree(old)
        await asyncio.sleep(COPY_EVERY_S)


def _copy(source: Path, target: Path) -> None:
    with contextlib.suppress(shutil.Error, FileNotFoundError):  # files that come and go meanwhile
        shutil.copytree(source, target)


async def _roll_back(place: Place, *, keep_consumers: bool) -> None:
    """Stop NATS and put the oldest copy in the place of its store, or of all of it but what consumers remember."""
    oldest = sorted((place.folder / "copies").iterdir())[0]
    copy = oldest.rename(place.folder / "put-back")  # out of the way of `keep_copies`, which drops old ones
    store = place.disk_of("nats") / "store"
    old = await asyncio.to_thread(place.stores.pid, "nats")
    async with control.borrow(place.stores.data_dir, "nats"):
        await asyncio.to_thread(_put_back, copy, store, keep_consumers)
    shutil.rmtree(copy)
    await asyncio.to_thread(place.stores.wait_replaced, "nats", old, 60)


def _put_back(copy: Path, store: Path, keep_consumers: bool) -> None:
    with tempfile.TemporaryDirectory(dir=copy.parent) as aside:  # not on the small disk, which holds one store
        kept = [path.relative_to(store) for path in store.glob("**/obs")] if keep_consumers else []
        for relative in kept:
            shutil.copytree(store / relative, Path(aside) / relative)
        shutil.rmtree(store)
        shutil.copytree(copy, store)
        for relative in kept:
            shutil.rmtree(store / relative, ignore_errors=True)
            if (store / relative).parent.exists():
                shutil.copytree(Path(aside) / relative, store / relative)
