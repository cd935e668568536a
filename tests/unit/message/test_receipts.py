"""Watermarks: each that moved is stored and told, whatever fails on the way and whenever."""

import asyncio
import random
from typing import Any

import pytest
from pymongo.errors import AutoReconnect

from tidings.contracts.errors import ApiError
from tidings.contracts.events import PrivacyChanged, StatusEvent
from tidings.message import receipts
from tidings.message.log import Chat, Document, Seat
from tidings.message.receipts import Mark, Privacy, Receipts
from tidings.message.settings import Settings
from tidings.rpc.v1 import user_pb2


class World:
    """MongoDB, chat-service, user-service and NATS, each of which fails now and then, before or after its work."""

    def __init__(self, dice: random.Random, trouble: float) -> None:
        self.dice, self.trouble = dice, trouble
        self.stored: dict[tuple[str, str, str], int] = {}
        self.told: dict[tuple[str, str, str], int] = {}
        self.events: list[StatusEvent] = []
        self.hiding: set[str] = set()  # who send no read receipts
        self.asked: list[set[str]] = []
        self.away = False  # user-service alone
        self.chats = {
            name: Chat(
                chat_id=name, type=kind, seats={u: Seat(role="member", joined_seq=1, left_seq=0) for u in "abc"},
                send="all", edit_info="all", blocked=False, disappearing_s=0, head=100, until=0,
            )
            for name, kind in (("d", "direct"), ("g", "group"))
        }  # fmt: skip

    async def _maybe(self, error: Exception) -> None:
        await asyncio.sleep(0)
        if self.dice.random() < self.trouble:
            raise error

    async def watermarks(self, chat_ids: Any) -> list[Document]:
        await self._maybe(AutoReconnect("away"))
        return [
            {"_id": f"{c}:{u}", "chatId": c, "userId": u, f"{status}Seq": seq}
            for (c, u, status), seq in self.stored.items()
            if c in chat_ids
        ]

    async def advance(self, marks: Any) -> None:
        await self._maybe(AutoReconnect("not sent"))
        for chat_id, user_id, status, seq, _ in marks:
            key = chat_id, user_id, status
            self.stored[key] = max(seq, self.stored.get(key, 0))
        await self._maybe(AutoReconnect("the answer was lost"))

    async def authors(self, chat_id: str, low: int, high: int) -> set[str]:
        await self._maybe(AutoReconnect("away"))
        return {"a"}

    async def get(self, chat_id: str) -> Chat:
        await self._maybe(ApiError("unavailable"))
        return self.chats[chat_id]

    async def get_many(self, chat_ids: Any) -> dict[str, Chat]:
        await self._maybe(ApiError("unavailable"))
        return {c: self.chats[c] for c in chat_ids}

    async def silent(self, user_ids: Any) -> set[str]:
        await self._maybe(ApiError("unavailable"))
        if self.away and user_ids:
            raise ApiError("unavailable")
        self.asked.append(set(user_ids))
        return self.hiding & set(user_ids)

    async def statuses(self, events: list[StatusEvent]) -> None:
        await self._maybe(ApiError("unavailable"))
        self.events += events
        for event in events:
            key = event.chat_id, event.user_id, event.status
            self.told[key] = max(event.seq, self.told.get(key, 0))


@pytest.mark.parametrize("seed", range(20))
async def test_what_is_stored_is_told_whatever_fails(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receipts, "RETRY_S", 0.001)
    monkeypatch.setattr(receipts, "GROUP_EVERY_S", 0.001)
    dice = random.Random(seed)
    world = World(dice, 0.3)
    service: Any = world
    made = Receipts(service, service, service, service, service, Settings(receipts_ms=1, delivered_every_ms=1))
    tasks = [asyncio.create_task(made.run()), asyncio.create_task(made.tell())]
    highest: dict[tuple[str, str, str], int] = {}
    for _ in range(30):
        await asyncio.sleep(0.002)  # so that marks are written in many batches, with trouble in each
        mark = Mark(dice.choice("dg"), dice.choice("abc"), "delivered", dice.randrange(1, 100))
        (refusal,) = await made.mark([mark])
        if refusal is None:
            key = mark.chat_id, mark.user_id, mark.status
            highest[key] = max(mark.seq, highest.get(key, 0))
    await asyncio.sleep(0.02)
    world.trouble = 0.0
    async with asyncio.timeout(10):
        while world.told != highest or world.stored != highest:
            await asyncio.sleep(0.001)
    for task in tasks:
        task.cancel()


async def test_who_may_know_of_marks_is_asked_once_for_all_of_them() -> None:
    world = World(random.Random(1), 0.0)
    world.hiding = {"b"}
    service: Any = world
    made = Receipts(service, service, service, service, service, Settings(receipts_ms=1, delivered_every_ms=1))
    writing = asyncio.create_task(made.run())
    async with asyncio.timeout(10):
        assert await made.mark([Mark("d", user, "read", 5) for user in "abc"]) == [None] * 3
        while sum(event.status == "read" for event in world.events) < 3:
            await asyncio.sleep(0.001)
    writing.cancel()
    assert world.asked[0] == {"a", "b", "c"}
    assert not any(world.asked[1:])
    told = {(event.user_id, event.status): event.to for event in world.events}
    assert told == {
        ("a", "read"): ["a", "c"], ("b", "read"): ["b"], ("c", "read"): ["a", "c"],
        ("a", "delivered"): ["a", "b", "c"], ("b", "delivered"): ["a", "b", "c"], ("c", "delivered"): ["a", "b", "c"],
    }  # fmt: skip


async def test_who_sends_no_receipts_is_known_also_when_too_many_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is remembered is bounded: making room may not forget the answer that is just being given."""

    class Users:
        GetReceiptSettings = None

        def stub(self) -> "Users":
            return self

        async def call(self, _: Any, request: Any) -> Any:
            return user_pb2.GetReceiptSettingsResponse(silent_user_ids=[u for u in request.user_ids if u[0] == "s"])

    monkeypatch.setattr(receipts, "KNOWN_MARKS", 2)
    privacy = Privacy(Users())  # type: ignore[arg-type]
    assert await privacy.silent(["s1", "a", "b"]) == {"s1"}
    assert await privacy.silent(["s1", "c"]) == {"s1"}


async def test_a_change_that_is_told_while_others_are_asked_about_counts() -> None:
    class Users:
        GetReceiptSettings = None

        def stub(self) -> "Users":
            return self

        async def call(self, _: Any, request: Any) -> Any:
            await privacy.on_changed(PrivacyChanged(user_id="a", read_receipts=False))
            return user_pb2.GetReceiptSettingsResponse(silent_user_ids=[])

    privacy = Privacy(Users())  # type: ignore[arg-type]
    await privacy.on_changed(PrivacyChanged(user_id="a", read_receipts=True))
    assert await privacy.silent(["a", "b"]) == {"a"}
    assert await privacy.silent(["a", "b"]) == {"a"}


async def test_what_was_delivered_is_told_while_nobody_knows_who_hides() -> None:
    world = World(random.Random(1), 0.0)
    world.away = True
    service: Any = world
    made = Receipts(service, service, service, service, service, Settings(receipts_ms=1, delivered_every_ms=1))
    tasks = [asyncio.create_task(made.run()), asyncio.create_task(made.tell())]
    async with asyncio.timeout(10):
        assert await made.mark([Mark("d", "a", "read", 5), Mark("d", "b", "delivered", 5)]) == [None, None]
        while world.told.keys() != {("d", "a", "delivered"), ("d", "b", "delivered")}:
            await asyncio.sleep(0.001)
        world.away = False
        while ("d", "a", "read") not in world.told:
            await asyncio.sleep(0.001)
    for task in tasks:
        task.cancel()
