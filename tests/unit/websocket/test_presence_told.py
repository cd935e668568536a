"""Presence is told when it is known: while user-service is away nobody is said to be offline."""

import asyncio
import json
from typing import Any

import pytest

from tidings.contracts.errors import ApiError
from tidings.rpc.v1 import user_pb2 as pb
from tidings.websocket import people
from tidings.websocket.people import People
from tidings.websocket.settings import Settings


class Users:
    """user-service, away for the first calls."""

    def __init__(self, away: int) -> None:
        self.away = away

    def stub(self) -> Any:
        return self

    CheckPresence = None

    async def call(self, _: Any, request: pb.CheckPresenceRequest) -> pb.CheckPresenceResponse:
        self.away -= 1
        if self.away >= 0:
            raise ApiError("unavailable")
        return pb.CheckPresenceResponse(results=[pb.PresenceResult(online=True) for _ in request.queries])


class Watcher:
    """A socket that watches `b` and nobody else any more."""

    def __init__(self) -> None:
        self.user_id, self.watching = "a", {"b"}
        self.got: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    def send(self, frame: bytes, *, light: bool) -> None:
        self.got.put_nowait(json.loads(frame))


async def test_watchers_are_told_once_user_service_is_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(people, "AGAIN_S", 0.001)
    nothing: Any = None
    users: Any = Users(away=3)
    made = People(nothing, nothing, users, nothing, nothing, nothing, "ws-1", Settings(), str, lambda: False)
    watcher: Any = Watcher()
    made._asked |= {(watcher, "b"): None, (watcher, "c"): None}
    made._wake.set()
    telling = asyncio.create_task(made.tell())
    told = await asyncio.wait_for(watcher.got.get(), 10)
    assert (told["userId"], told["status"]) == ("b", "online")
    assert watcher.got.empty()  # of `c`, who is watched no longer, nothing
    telling.cancel()
