"""Collects events for a while, so that a person hears once of a lively chat, and who is connected has time to
acknowledge. Whoever gave an event waits until it was worked on, and so does its acknowledgement to NATS."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")


class Collector(Generic[T]):
    """Windows of `collect_s`, each worked on `settle_s` after its end. Owns a task per open window."""

    def __init__(self, work: Callable[[Sequence[T]], Awaitable[None]], collect_s: float, settle_s: float) -> None:
        self._work = work
        self._collect_s = collect_s
        self._settle_s = settle_s
        self._open: list[T] | None = None
        self._task: asyncio.Task[None] | None = None
        self._hurry = asyncio.Event()

    async def give(self, items: Sequence[T]) -> None:
        """Add to the open window; returns, or raises, when the window was worked on."""
        if not items:
            return
        if self._open is None or self._task is None:
            self._open = []
            self._task = asyncio.create_task(self._window(self._open))
        self._open.extend(items)
        # Shielded: one giver that is cancelled must not take the others' work along.
        await asyncio.shield(self._task)

    def hurry(self) -> None:
        """Stop waiting: the service ends."""
        self._hurry.set()

    async def _window(self, items: list[T]) -> None:
        await self._wait(self._collect_s)
        self._open = None
        await self._wait(self._settle_s)
        await self._work(items)

    async def _wait(self, time_s: float) -> None:
        try:
            await asyncio.wait_for(self._hurry.wait(), time_s)
        except TimeoutError:
            return
