"""Natural batching: one call in flight per target carries all that arrived while the last was under way."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from tidings.contracts.errors import ApiError
from tidings.platform import logging, metrics

_log = logging.get(__name__)

Item = TypeVar("Item")


class Batcher(Generic[Item]):
    """Owner of one queue. `work` is given items in the order they came and must answer each of them itself;
    what it raises is handed to `fail` for all of the batch. An idle system sends batches of one at once; `pause_s`
    is waited after a batch, for work that gets less the more of it comes together."""

    def __init__(
        self,
        name: str,
        work: Callable[[Sequence[Item]], Awaitable[None]],
        fail: Callable[[Item, ApiError], None],
        *,
        most: int,
        room: int,
        pause_s: float = 0.0,
    ) -> None:
        self._name, self._work, self._fail = name, work, fail
        self._most, self._room, self._pause_s = most, room, pause_s
        self._waiting: deque[Item] = deque()
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    def put(self, item: Item) -> bool:
        """Queue an item. False when there is no room: the caller refuses it as overloaded."""
        if len(self._waiting) >= self._room:
            return False
        self._waiting.append(item)
        self._idle.clear()
        self._wake.set()
        return True

    def __len__(self) -> int:
        return len(self._waiting)

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            if not self._waiting:
                self._idle.set()
                self._wake.clear()
                await self._wake.wait()
            taken = [self._waiting.popleft() for _ in range(min(self._most, len(self._waiting)))]
            try:
                await self._work(taken)
            except ApiError as error:
                for item in taken:
                    self._fail(item, error)
            except Exception:
                metrics.FAULTS.labels(self._name).inc()
                _log.exception("a batch failed", batcher=self._name)
                for item in taken:
                    self._fail(item, ApiError("internal"))
            if self._pause_s:
                await asyncio.sleep(self._pause_s)

    async def drain(self) -> None:
        """Wait until all that was taken is answered."""
        await self._idle.wait()
