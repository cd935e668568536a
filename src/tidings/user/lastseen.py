"""When people were last there, written together: a thousand who come or go in one second are few statements."""

import asyncio
from typing import Final

from tidings.contracts.errors import ApiError
from tidings.contracts.events import PresenceChanged
from tidings.contracts.ids import is_id
from tidings.user.store import Store

AGAIN_S: Final = 1.0
MOST: Final = 500  # people in one statement


class LastSeen:
    """Owner of what is not written yet: one moment a person."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: dict[str, int] = {}
        self._wake = asyncio.Event()

    async def on_presence(self, event: PresenceChanged) -> None:
        """Somebody came or went."""
        if is_id(event.user_id):  # else the statement would fail, for everyone in it
            self._waiting[event.user_id] = max(event.at_ms, self._waiting.get(event.user_id, 0))
            self._wake.set()

    async def run(self) -> None:
        """At once, what came while the last were being written; again as long as the database is away."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                try:
                    await self._write()
                except ApiError:  # logged and counted where it was found
                    await asyncio.sleep(AGAIN_S)

    async def _write(self) -> None:
        some = dict(list(self._waiting.items())[:MOST])
        await self._store.seen(some)
        for user_id, at_ms in some.items():
            if self._waiting[user_id] == at_ms:  # else they came or went meanwhile
                del self._waiting[user_id]

    async def flush(self) -> None:
        """What is left, when the service stops."""
        while self._waiting:
            await self._write()
