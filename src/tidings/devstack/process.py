"""One child process: what it is (`Process`) and how it is started, watched and stopped (`Child`).

Every child asks the kernel to be killed when the supervisor dies, however that happens. The parent-death signal
belongs to the *thread* that forked, so children are only ever spawned from the main thread.
"""

import asyncio
import contextlib
import ctypes
import os
import signal
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)  # loaded before any fork: the child must not load libraries


class Group(StrEnum):
    """Processes stop group by group, the last first. What one waits for at the start is its own `after`."""

    STORE = "store"
    SERVICE = "service"
    EDGE = "edge"


async def _nothing() -> None:
    return None


@dataclass(frozen=True)
class Process:
    """A process the supervisor keeps alive."""

    name: str  # unique: "postgres", "message-1"
    group: Group
    argv: Sequence[str]
    # Answers whether the process can do its work now. May raise OSError or TimeoutError while it cannot.
    probe: Callable[[], Awaitable[bool]]
    env: Mapping[str, str] = field(default_factory=dict)  # added to what the supervisor passes on
    cwd: Path | None = None
    after: Sequence[str] = ()  # names of processes whose first start has ended before this one begins
    ports: Mapping[str, int] = field(default_factory=dict)  # the first is the one shown to people
    prepare: Callable[[], Awaitable[None]] = _nothing  # before each start: directories, configuration files
    # Asked every few seconds while it runs. False: it lives and does not work, and only a new start will help.
    watch: Callable[[], Awaitable[bool]] | None = None
    settle: Callable[[], Awaitable[None]] = _nothing  # after each first readiness: roles, replica set, bucket
    start_timeout_s: float = 60.0  # recovery after a crash with much data takes its time
    stop_signal: signal.Signals = signal.SIGTERM
    stop_timeout_s: float = 20.0  # a service drains for up to 15 s
    may_be_killed: bool = False  # after that: it has written everything and would only wait
    leaves: Sequence[Path] = ()  # files it makes outside the data directory, needed by nobody once it has ended


class Child:
    """A running (or ended) incarnation of a Process. Owner: the supervisor's task for that process."""

    def __init__(self, running: asyncio.subprocess.Process) -> None:
        self._running = running
        self.pid = running.pid
        self.started_at = time.monotonic()

    @classmethod
    async def spawn(cls, process: Process, env: Mapping[str, str], log: Path) -> "Child":
        """Start it with its output appended to `log`. Raises OSError when it cannot be executed."""
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            running = await asyncio.create_subprocess_exec(
                *process.argv,
                env={**env, **process.env},
                cwd=process.cwd,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # the terminal's Ctrl-C goes to the supervisor alone
                preexec_fn=die_with_parent(),
            )
        finally:
            os.close(output)
        return cls(running)

    @property
    def alive(self) -> bool:
        return self._running.returncode is None

    @property
    def returncode(self) -> int | None:
        return self._running.returncode

    async def exited(self) -> int:
        return await self._running.wait()

    async def stop(self, with_signal: signal.Signals, timeout_s: float) -> bool:
        """Ask it to end, and kill its whole process group if it does not. True when it ended by itself."""
        if not self.alive:
            return True
        self._running.send_signal(with_signal)
        try:
            await asyncio.wait_for(self._running.wait(), timeout_s)
        except TimeoutError:
            self.kill()
            await self._running.wait()
            return False
        return True

    def kill(self) -> None:
        if self.alive:
            os.killpg(self.pid, signal.SIGKILL)

    def sweep(self) -> None:
        """Once it has ended: end what is left of its process group, such as workers of a killed service."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)


@dataclass(frozen=True)
class Left:
    """One very file that a process made: at the same path there may be another's later."""

    path: Path
    device: int
    inode: int


def find_left(process: Process) -> list[Left]:
    """Once it is ready: the files it has made outside the data directory."""
    found = []
    for path in process.leaves:
        with contextlib.suppress(OSError):  # not made, or in a folder of another user
            status = path.lstat()
            found.append(Left(path, status.st_dev, status.st_ino))
    return found


def clear_away(left: Sequence[Left]) -> None:
    """Once it has ended: remove what it left, and nothing that took its place."""
    for file in left:
        with contextlib.suppress(OSError):  # gone already, or of another user in a folder all share
            status = file.path.lstat()
            if (status.st_dev, status.st_ino) == (file.device, file.inode):
                file.path.unlink()


def die_with_parent() -> Callable[[], None]:
    """What a child runs between fork and exec so that it never outlives this process."""
    parent = os.getpid()

    def in_child() -> None:
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # the parent died before the call above
            os._exit(1)

    return in_child


def describe_exit(code: int) -> str:
    """A return code of `asyncio.subprocess` in words."""
    if code < 0:
        return f"killed by {signal.Signals(-code).name}"
    return f"exit code {code}"
