"""What a client tells the program around it. Everything here can be missed: the store is the truth."""

import asyncio
from collections import deque
from typing import Final

import msgspec

from tidings.client.model import Json

EVENTS_KEPT: Final = 1_000  # of a listener that does not listen; the oldest go first, the store has it all


class Changed(msgspec.Struct, frozen=True):
    """Rows of these chats changed: read them again. Empty means only that the list of chats is to be read again."""

    chat_ids: frozenset[str]


class Connected(msgspec.Struct, frozen=True):
    """The connection came (`online`) or went; `reason` says why it went. `settled`: nothing known is missing."""

    online: bool
    settled: bool
    reason: str = ""


class Told(msgspec.Struct, frozen=True):
    """A frame that concerns nothing stored: typing, presence, media, or the refusal of a change."""

    frame: Json


class Missed(msgspec.Struct, frozen=True):
    """Events before this one were dropped, since nobody listened for too long: anything may have changed."""


class SignedOut(msgspec.Struct, frozen=True):
    """The session is over: it was ended from another device, or reused."""


Event = Changed | Connected | Told | Missed | SignedOut


class Listener:
    """Events for one reader. Bounded: the oldest go first, and that they did is told."""

    def __init__(self) -> None:
        self._kept: deque[Event] = deque(maxlen=EVENTS_KEPT)
        self._some = asyncio.Event()
        self._dropped = False

    def add(self, event: Event) -> None:
        self._dropped |= len(self._kept) == EVENTS_KEPT
        self._kept.append(event)
        self._some.set()

    async def next(self) -> Event:
        while not self._kept:
            self._some.clear()
            await self._some.wait()
        if self._dropped:
            self._dropped = False
            return Missed()
        return self._kept.popleft()
