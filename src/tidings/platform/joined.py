"""Lookups joined: what is asked for while a query is under way waits, and is asked together as the next one.

One caller alone waits for nothing. Under load the queries grow instead of their number, and a query costs the same
for one key or fifty, nearly. Nobody is answered by a query that began before they asked.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Hashable
from contextvars import Context
from typing import Final, Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
KEYS_AT_ONCE: Final = 1_000


class Joined(Generic[K, V]):
    """Owner of the keys that wait. `load` answers those of its keys for which there is something, `most` of them.
    `at_once`: how many loads may be under way, so that a slow one is not waited for by all."""

    def __init__(
        self, load: Callable[[Collection[K]], Awaitable[dict[K, V]]], most: int = KEYS_AT_ONCE, at_once: int = 1
    ) -> None:
        self._load, self._most, self._at_once = load, most, at_once
        self._waiting: dict[K, asyncio.Future[dict[K, V]]] = {}
        self._open: asyncio.Future[dict[K, V]] | None = None  # the answer that new keys wait for
        self._room = 0
        self._under_way: set[asyncio.Task[None]] = set()
        self._starting = False  # one of them has not taken its keys yet

    async def get(self, keys: Collection[K]) -> dict[K, V]:
        """What there is of these keys. Raises what `load` raises, for all who asked with it."""
        answers = {self._waiting.get(key) or self._join(key) for key in keys}
        self._begin()
        found: dict[K, V] = {}
        for answer in answers:
            found.update(await asyncio.shield(answer))
        return {key: found[key] for key in keys if key in found}

    def _join(self, key: K) -> "asyncio.Future[dict[K, V]]":
        if self._open is None or self._room == 0:
            self._open, self._room = asyncio.get_running_loop().create_future(), self._most
        self._waiting[key] = self._open
        self._room -= 1
        return self._open

    def _begin(self) -> None:
        if not self._waiting or self._starting or len(self._under_way) >= self._at_once:
            return
        self._starting = True
        # With no one caller's deadline or span: `load` has its own. It begins in the next turn of the loop, so that
        # who asks in this one is answered together.
        task = asyncio.get_running_loop().create_task(self._answer(), context=Context())
        self._under_way.add(task)
        task.add_done_callback(self._ended)

    async def _answer(self) -> None:
        answer = next(iter(self._waiting.values()))
        keys = [key for key, waits_for in self._waiting.items() if waits_for is answer]
        for key in keys:
            del self._waiting[key]
        if answer is self._open:
            self._open = None
        self._starting = False
        self._begin()
        try:
            answer.set_result(await self._load(keys))
        except asyncio.CancelledError:
            answer.cancel()
            raise
        except Exception as error:  # of all who asked, who may all have gone
            answer.set_exception(error)
            answer.exception()

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._under_way.discard(task)
        self._begin()
