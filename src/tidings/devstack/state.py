"""What a running system writes down about itself: `state.json`, a lock, and the control socket, all in its data
directory. The lock is held for the supervisor's life, so "is it running" never depends on a stale file.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import psutil

from tidings.devstack.stores import private_folder, write_private


class AlreadyRunningError(Exception):
    """Another supervisor owns this data directory."""


class ProcessState(msgspec.Struct, kw_only=True, rename="camel"):
    """One process as `tidings status` shows it."""

    name: str
    group: str
    state: str  # waiting, starting, ready, backing off, given up, lent, stopped
    pid: int | None = None
    restarts: int = 0
    ports: dict[str, int] = {}
    memory_bytes: int | None = None  # PSS: shared pages are counted once over all processes
    reason: str | None = None  # why it is not running


class SystemState(msgspec.Struct, kw_only=True, rename="camel"):
    """The whole of `state.json` (mode 0600: `environ` carries credentials) and of `tidings status --json`."""

    pid: int
    started_at: float  # the pid's creation time: a reused pid is told apart
    url: str
    data_dir: str
    ports: dict[str, int]  # reused at the next start where they are free
    environ: dict[str, str]  # by which a child reaches the stores and the other services
    ready: bool = False
    processes: list[ProcessState] = []


def load_state(data_dir: Path) -> SystemState | None:
    try:
        return msgspec.json.decode((data_dir / "state.json").read_bytes(), type=SystemState)
    except (FileNotFoundError, ValueError):  # not there, no JSON, no text, or no state
        return None


def save_state(data_dir: Path, state: SystemState) -> None:
    write_private(data_dir / "state.json", msgspec.json.format(msgspec.json.encode(state), indent=2).decode())


@contextmanager
def owned(data_dir: Path) -> Iterator[None]:
    """Own the data directory. Raises AlreadyRunningError with the owner's pid and address."""
    private_folder(data_dir)
    descriptor = os.open(data_dir / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            state = load_state(data_dir)
            where = f" (pid {state.pid}, {state.url})" if state else ""
            raise AlreadyRunningError(f"Tidings is already running on {data_dir}{where}.") from None
        yield
    finally:
        os.close(descriptor)


def is_owned(data_dir: Path) -> bool:
    """Whether a supervisor runs on this data directory."""
    if not (data_dir / "lock").exists():
        return False
    with (data_dir / "lock").open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


@contextmanager
def control_socket(data_dir: Path) -> Iterator[str]:
    """The control socket's address. Through /proc, because a Unix socket's path may have only 107 characters."""
    folder = os.open(data_dir, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/control.sock"
    finally:
        os.close(folder)


def memory_of(pid: int) -> int:
    """Proportional set size in bytes of a process and all below it."""
    total = 0
    try:
        root = psutil.Process(pid)
        family = [root, *root.children(recursive=True)]
    except psutil.Error:
        return 0
    for member in family:
        try:
            text = Path(f"/proc/{member.pid}/smaps_rollup").read_text(encoding="ascii")
        except OSError:
            continue
        total += next((int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("Pss:")), 0)
    return total
