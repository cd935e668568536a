"""Presence is told when it is known and when it is new: while user-service is away nobody is said to be offline, and
who hides comes and goes without a frame."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tidings.contracts.errors import ApiError
from tidings.contracts.frames import PresenceSubscribe
from tidings.rpc.v1 import user_pb2 as pb
from tidings.websocket import people
from tidings.websocket.hub import Hub
from tidings.websocket.people import People
from tidings.websocket.settings import Settings


class Users:
    """user-service: what may be seen of each, offline at first. Away for so many calls."""

    def __init__(self, away: int = 0) -> None:
        self.away = away
        self.seen: dict[str, pb.PresenceResult] = {}

    def stub(self) -> Any:
        return self

    CheckPresence = None

    async def call(self, _: Any, request: pb.CheckPresenceRequest) -> pb.CheckPresenceResponse:
        self.away -= 1
        if self.away >= 0:
            raise ApiError("unavailable")
        return pb.CheckPresenceResponse(
            results=[self.seen.get(q.user_id, pb.PresenceResult()) for q in request.queries]
        )


class Watcher:
    """A socket of `a`."""

    def __init__(self) -> None:
        self.id, self.user_id = "1", "a"
        self.watching: dict[str, Any] = {}
        self.got: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    def send(self, frame: bytes, *, light: bool) -> None:
        self.got.put_nowait(json.loads(frame))

    def ack(self, _: Any) -> None:
        pass

    async def told(self) -> tuple[str, str, str | None]:
        frame = await asyncio.wait_for(self.got.get(), 10)
        return frame["userId"], frame["status"], frame["lastSeen"]


@asynccontextmanager
async def telling(users: Any) -> AsyncIterator[tuple[People, Any]]:
    nothing: Any = None
    made = People(Hub(0), nothing, users, nothing, nothing, nothing, "ws-1", Settings(), str, lambda: False)
    task = asyncio.create_task(made.tell())
    yield made, Watcher()
    task.cancel()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(people, "AGAIN_S", 0.001)
    monkeypatch.setattr(people, "COALESCE_S", 0.001)


ONLINE = pb.PresenceResult(online=True)


async def test_watchers_are_told_once_user_service_is_back() -> None:
    users = Users(away=3)
    users.seen = {"b": ONLINE, "c": ONLINE}
    async with telling(users) as (made, watcher):
        made.subscribe(watcher, PresenceSubscribe(user_ids=["c", "b"]), 10)
        while users.away > 1:  # once is not known
            await asyncio.sleep(0)
        made._hub.unwatch(watcher, "c")
        assert await watcher.told() == ("b", "online", None)
        assert watcher.got.empty()  # of `c`, who is watched no longer, nothing


async def test_what_looks_as_before_is_not_told_again() -> None:
    users = Users()
    async with telling(users) as (made, watcher):
        made.subscribe(watcher, PresenceSubscribe(user_ids=["b", "c"]), 10)
        assert {await watcher.told(), await watcher.told()} == {("b", "offline", None), ("c", "offline", None)}
        for way in (True, False) * 2:
            made.changed("b")  # who hides: came, went
            users.seen["c"] = ONLINE if way else pb.PresenceResult(last_seen_ms=1000)
            made.changed("c")
            assert await watcher.told() == (
                "c",
                *(("online", None) if way else ("offline", "1970-01-01T00:00:01.000Z")),
            )
        users.seen["c"] = pb.PresenceResult(last_seen_ms=2000)  # still offline, seen again
        made.changed("c")
        assert (await watcher.told())[2] == "1970-01-01T00:00:02.000Z"
        users.seen["b"] = ONLINE  # hides no more
        made.changed("b")
        assert await watcher.told() == ("b", "online", None)
        assert watcher.got.empty()


async def test_a_subscription_is_answered_also_when_nothing_is_new() -> None:
    async with telling(Users()) as (made, watcher):
        for _ in range(3):
            made.subscribe(watcher, PresenceSubscribe(user_id="b"), 1)
            made.changed("b")  # at the same moment
            assert await watcher.told() == ("b", "offline", None)
            assert watcher.got.empty()
        made.unsubscribe(watcher, people.frames.PresenceUnsubscribe(user_id="b"))
        assert watcher.watching == {}


async def test_who_came_while_user_service_was_away_is_no_answer_to_a_question() -> None:
    users = Users()
    async with telling(users) as (made, watcher):
        made.subscribe(watcher, PresenceSubscribe(user_ids=["b", "c"]), 10)
        assert {(await watcher.told())[0], (await watcher.told())[0]} == {"b", "c"}
        users.away = 3
        made.changed("b")  # who hides
        while users.away > 1:
            await asyncio.sleep(0)
        users.seen["c"] = ONLINE
        made.changed("c")
        assert await watcher.told() == ("c", "online", None)
        assert watcher.got.empty()
