"""The sockets of this instance, by person and by session, and who watches whose presence."""

import asyncio
import random
from collections.abc import Iterable, Iterator
from typing import Final

from prometheus_client import Counter, Gauge

from tidings.contracts import frames
from tidings.platform import logging
from tidings.websocket.socket import Socket

_log = logging.get(__name__)

RESYNCS: Final = Counter("tidings_resyncs_total", "Sockets told to sync, since they may have missed frames", ["reason"])
SOCKETS: Final = Gauge("tidings_sockets", "Open sockets of this instance")


class Hub:
    """Owner of the maps; everything in it is called from the event loop and never waits."""

    def __init__(self, resync_spread_s: float) -> None:
        self._spread_s = resync_spread_s
        self._told: set[Socket] = set()  # who is about to be told to sync
        self._people: dict[str, dict[str, Socket]] = {}
        self._watched: dict[str, set[Socket]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Socket]:
        return iter([socket for own in self._people.values() for socket in own.values()])

    def add(self, socket: Socket) -> bool:
        """Take a socket in. True when it is the first of its person here."""
        own = self._people.setdefault(socket.user_id, {})
        own[socket.id] = socket
        self._count += 1
        SOCKETS.set(self._count)
        return len(own) == 1

    def drop(self, socket: Socket) -> bool:
        """Forget a socket. True when it was the last of its person here."""
        for user_id in list(socket.watching):
            self.unwatch(socket, user_id)
        own = self._people.get(socket.user_id, {})
        if own.pop(socket.id, None) is None:
            return False
        self._count -= 1
        SOCKETS.set(self._count)
        if own:
            return False
        del self._people[socket.user_id]
        return True

    def of(self, user_id: str) -> list[Socket]:
        """The sockets of a person."""
        return list(self._people.get(user_id, {}).values())

    def people(self) -> list[str]:
        """Everyone with a socket here."""
        return list(self._people)

    def here(self, user_ids: Iterable[str]) -> list[str]:
        """Those of these people who have a socket here."""
        return [user_id for user_id in user_ids if user_id in self._people]

    def watch(self, socket: Socket, user_id: str) -> None:
        """This socket wants to know of this person's presence."""
        socket.watching.setdefault(user_id, None)
        self._watched.setdefault(user_id, set()).add(socket)

    def unwatch(self, socket: Socket, user_id: str) -> None:
        """No longer."""
        socket.watching.pop(user_id, None)
        watchers = self._watched.get(user_id)
        if watchers is not None:
            watchers.discard(socket)
            if not watchers:
                del self._watched[user_id]

    def watchers(self, user_id: str) -> list[Socket]:
        """The sockets that watch a person."""
        return list(self._watched.get(user_id, ()))

    def deliver(self, user_ids: Iterable[str], frame: bytes, origin: str | None = None, *, light: bool = False) -> None:
        """Send a frame to every socket of these people but `origin`. A `light` one is dropped where a reader lags."""
        people = self._people
        for user_id in user_ids:
            own = people.get(user_id)
            if own is not None:
                for socket in list(own.values()):
                    if socket.id != origin:
                        socket.send(frame, light=light)

    def resync(self, reason: str, user_ids: Iterable[str] | None = None) -> None:
        """Tell the sockets of these people, or all, that they may have missed something; spread, since each syncs. Who
        is about to be told already syncs after this, too: one outage is noticed in several ways."""
        found = self if user_ids is None else (socket for user_id in user_ids for socket in self.of(user_id))
        sockets = [socket for socket in found if socket not in self._told]
        if not sockets:
            return
        RESYNCS.labels(reason).inc(len(sockets))
        _log.warning("frames may be missing: sockets sync", reason=reason, sockets=len(sockets))
        frame, loop = frames.encode_frame(frames.Resync(reason=reason)), asyncio.get_running_loop()
        for socket in sockets:
            self._told.add(socket)
            loop.call_later(random.uniform(0, self._spread_s), self._tell, socket, frame)  # noqa: S311

    def _tell(self, socket: Socket, frame: bytes) -> None:
        self._told.discard(socket)
        socket.send(frame)
