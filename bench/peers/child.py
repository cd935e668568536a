"""A peer's server as a child process: from our own configuration, in a temporary directory, ended with the run."""

import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tidings.devstack.process import die_with_parent

STOP_S = 20.0
TOLD_CHARACTERS = 1500


class UnavailableError(Exception):
    """A peer that cannot be had or run here; the text says why."""


@contextmanager
def running(
    command: Sequence[str],
    env: Mapping[str, str],
    log: Path,
    ready: Callable[[], bool],
    timeout_s: float,
    stop: signal.Signals = signal.SIGTERM,
) -> Iterator["subprocess.Popen[bytes]"]:
    """The server, once `ready` says so. Raises UnavailableError with the end of what it said."""
    with log.open("wb") as output:
        child = subprocess.Popen(
            command, env=dict(env), stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=log.parent,
            start_new_session=True, preexec_fn=die_with_parent(),
        )  # fmt: skip
    try:
        end = time.monotonic() + timeout_s
        while not ready():
            if child.poll() is not None or time.monotonic() > end:
                said = log.read_text(errors="replace")[-TOLD_CHARACTERS:]
                raise UnavailableError(f"{Path(command[0]).name} did not start:\n{said}")
            time.sleep(0.1)
        yield child
    finally:
        child.send_signal(stop)
        try:
            child.wait(STOP_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
