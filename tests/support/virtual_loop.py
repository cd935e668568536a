"""An event loop whose time is virtual and whose order is drawn: a seed is a schedule, and hours take milliseconds.

What is ready runs in any order, as it may on other machines. Callbacks carry the instance they belong to in their
context: an instance can be frozen for a while, as by SIGSTOP, or for ever, as by `kill -9`, while time goes on. No I/O
and no threads.
"""

import asyncio
import heapq
import math
import os
import random
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar
from typing import Any, TypeVar

T = TypeVar("T")
SCHEDULES = int(os.environ.get("TIDINGS_SCHEDULES", "100"))  # that a test plays
INSTANCE: ContextVar[str] = ContextVar("INSTANCE", default="")


class VirtualLoop(asyncio.SelectorEventLoop):
    """Runs one drawn callback at a time; time moves when nothing can run."""

    _ready: deque[asyncio.Handle]  # of asyncio's own loop, which fills them
    _scheduled: list[asyncio.TimerHandle]

    def __init__(self, dice: random.Random) -> None:
        self._dice, self._now, self._thaws = dice, 0.0, dict[str, float]()
        self.started: list[asyncio.Task[Any]] = []  # nobody else holds what waits for ever
        super().__init__()

    def time(self) -> float:
        return self._now

    def freeze(self, instance: str, seconds: float = math.inf) -> None:
        """Nothing of this instance runs for so long."""
        self._thaws[instance] = self._now + seconds

    def _run_once(self) -> None:
        while not (able := self._able()):
            self._go_on()
        handle = self._ready[chosen := self._dice.choice(able)]
        del self._ready[chosen]
        if not handle.cancelled():
            handle._run()

    def _able(self) -> list[int]:
        while self._scheduled and self._scheduled[0].when() <= self._now:
            self._ready.append(heapq.heappop(self._scheduled))
        return [n for n, handle in enumerate(self._ready) if self._thaws.get(_owner(handle), 0.0) <= self._now]

    def _go_on(self) -> None:
        """To the next moment at which something is due or thaws."""
        moments = [at for at in self._thaws.values() if at > self._now]
        moments += [self._scheduled[0].when()] if self._scheduled else []
        if (next_ := min(moments, default=math.inf)) == math.inf:
            raise AssertionError("everything waits for something that nobody will do")
        self._now = next_


def _owner(handle: asyncio.Handle) -> str:
    context: Context | None = getattr(handle, "_context", None)
    return str(context.get(INSTANCE, "")) if context is not None else ""


def start(loop: VirtualLoop, instance: str, work: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
    """A task of this instance, as are all that it makes."""
    mark = INSTANCE.set(instance)
    try:
        loop.started.append(task := loop.create_task(work))
        return task
    finally:
        INSTANCE.reset(mark)


def play(seed: int, scene: Callable[[VirtualLoop, random.Random], Coroutine[Any, Any, T]]) -> T:
    """One schedule. What a seed draws is the same each time, also the jitter of what is played."""
    dice = random.Random(seed)
    random.seed(seed)
    loop = VirtualLoop(dice)
    main = loop.create_task(scene(loop, dice))
    try:
        return loop.run_until_complete(main)
    finally:
        loop._thaws.clear()
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        loop.run_until_complete(asyncio.wait(left) if left else asyncio.sleep(0))
        loop.close()
