"""What travels with a request through a process: its id and its deadline."""

import asyncio
import contextlib
from collections.abc import Iterator
from contextvars import ContextVar

request_id: ContextVar[str] = ContextVar("request_id", default="")
_deadline: ContextVar[float | None] = ContextVar("deadline", default=None)


def remaining_s(most_s: float) -> float:
    """How long a call may still take: `most_s`, or less when the caller waits less. At least 1 ms, so that a
    lapsed deadline fails at the callee's edge and not by a negative timeout."""
    deadline = _deadline.get()
    if deadline is None:
        return most_s
    return max(0.001, min(most_s, deadline - asyncio.get_running_loop().time()))


@contextlib.contextmanager
def within(timeout_s: float | None) -> Iterator[None]:
    """Hand a deadline on to every call made inside."""
    if timeout_s is None:
        yield
        return
    token = _deadline.set(asyncio.get_running_loop().time() + timeout_s)
    try:
        yield
    finally:
        _deadline.reset(token)
