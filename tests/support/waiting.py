"""Waiting for a condition with a deadline, and saying on failure what was seen instead."""

import asyncio
import inspect
import time
from collections.abc import Callable
from typing import Any

POLL_S = 0.05


def wait_until(condition: Callable[[], Any], what: str, timeout_s: float = 10.0) -> Any:
    """Wait until `condition()` is truthy and answer it."""
    deadline = time.monotonic() + timeout_s
    while True:
        seen = condition()
        if seen:
            return seen
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout_s:g} s: {what}; last seen: {seen!r}")
        time.sleep(POLL_S)


async def eventually(condition: Callable[[], Any], what: str, timeout_s: float = 10.0) -> Any:
    """The same in a running loop; `condition` may be asynchronous."""
    deadline = time.monotonic() + timeout_s
    while True:
        seen = condition()
        if inspect.isawaitable(seen):
            seen = await seen
        if seen:
            return seen
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout_s:g} s: {what}; last seen: {seen!r}")
        await asyncio.sleep(POLL_S)
