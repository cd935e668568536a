"""How many are served at once, how many wait for it, and when the others come again.

Who comes while all places are taken waits in a line, as long as their turn comes soon enough for who asked. Beyond that
each is told a time of their own, as far ahead as the work of all who were told before takes: a crowd comes back as fast
as it can be served, and is not refused again and again, which costs nearly as much as to be served.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, NoReturn

from prometheus_client import Counter, Gauge

from tidings.contracts.errors import ApiError

LEAST_S: Final = 1.0
MEASURED_S: Final = 1.0  # over this the pace is taken: they end in clumps, as they are served together
LINE_MOST: Final = 2_000
WAIT_S: Final = 6.0  # in the line at most: a client waits 10 s for its answer, and it is still to be made then
LONGEST_S: Final = 30.0  # nobody is told to come later than this
PACE_S: Final = 0.01  # between two, until it was measured

WAITING = Gauge("tidings_sync_waiting", "Syncs that wait for their turn")
REFUSED = Counter("tidings_sync_refused_total", "Syncs told to come again as there is too much to do")


class Admission:
    """Owner of the line. `most`: served at once."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._running = 0
        self._line: deque[asyncio.Future[None]] = deque()
        self._pace_s = PACE_S  # between two that were served, while others waited
        self._served, self._since = 0, 0.0  # in the time that is being measured; 0: it is not
        self._booked_until = 0.0

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """A place, when there is one. Raises ApiError `overloaded` with the time after which there is room."""
        if self._running >= self._most:
            await self._wait()  # the place comes from who had it
        else:
            self._running += 1
        try:
            yield
        finally:
            self._leave()

    async def _wait(self) -> None:
        if len(self._line) >= LINE_MOST or self._pace_s * (len(self._line) + 1) > WAIT_S:
            self._refuse()
        mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._line.append(mine)
        WAITING.inc()
        try:
            async with asyncio.timeout(WAIT_S):
                await mine
        except (asyncio.CancelledError, TimeoutError) as error:
            if mine.done() and not mine.cancelled():
                self._leave()  # the place was given in the moment of giving up
            if isinstance(error, TimeoutError):
                self._refuse()
            raise
        finally:
            WAITING.dec()

    def _refuse(self) -> NoReturn:
        REFUSED.inc()
        raise ApiError("overloaded", retry_after_ms=int(1000 * self._book()))

    def _leave(self) -> None:
        self._measure()
        while self._line:
            first = self._line.popleft()
            if not first.done():  # else they gave up
                first.set_result(None)
                return
        self._running -= 1

    def _book(self) -> float:
        now = asyncio.get_running_loop().time()
        # The line comes first. At twice the pace: it rises when all have connected, and idle is worse than a line.
        booked = max(self._booked_until, now + self._pace_s * len(self._line) / 2) + self._pace_s / 2
        self._booked_until = min(booked, now + LONGEST_S)  # who asks again and again books for nobody
        return max(LEAST_S, self._booked_until - now)

    def _measure(self) -> None:
        now = asyncio.get_running_loop().time()
        self._served += 1
        if not self._line:  # time also goes by until somebody comes
            self._since = 0.0
        elif self._since == 0.0:
            self._served, self._since = 0, now
        elif now - self._since >= MEASURED_S:
            # However slow it was, as many may wait as are served: nothing would be measured any more without a line.
            self._pace_s = min((now - self._since) / self._served, WAIT_S / self._most)
            self._served, self._since = 0, now
