"""Bounded retry with full jitter, at one layer only: where a dependency is called, never around a retry. And jitter for
what is remembered."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from tidings.platform import logging, metrics

T = TypeVar("T")
_log = logging.get(__name__)


def backoff_s(attempt: int, first_s: float = 0.05, most_s: float = 2.0) -> float:
    """Full jitter: anything between 0 and `first_s * 2**attempt`, at most `most_s`."""
    return random.uniform(0, min(most_s, first_s * 2 ** min(attempt, 16)))  # noqa: S311


def lifetime_s(most_s: float) -> float:
    """For what is cached: half of it or more. What came in the same moment is not asked for in the same one again."""
    return random.uniform(most_s / 2, most_s)  # noqa: S311


async def until(
    name: str, attempt: Callable[[], Awaitable[T]], *, timeout_s: float, errors: tuple[type[Exception], ...]
) -> T:
    """Repeat `attempt` until it works; after `timeout_s` its last error is raised."""
    deadline = asyncio.get_running_loop().time() + timeout_s
    tries = 0
    while True:
        try:
            return await attempt()
        except errors as error:
            metrics.DEPENDENCY.labels(name).inc()
            pause = backoff_s(tries)
            if asyncio.get_running_loop().time() + pause > deadline:
                raise
            if tries == 0:
                _log.warning("waiting for a dependency", dependency=name, error=repr(error))
            tries += 1
            await asyncio.sleep(pause)
