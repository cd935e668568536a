"""A change that was stored, and whose message could not be changed then: it is applied later, whoever was answered."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from pymongo.errors import AutoReconnect
from tests.support.waiting import eventually

from tidings.contracts.errors import ApiError
from tidings.message import log, writer
from tidings.message.lanes import Lanes
from tidings.message.log import Chat, Document, Entry, Seat
from tidings.message.settings import Settings
from tidings.message.writer import Writer

KEY = ("x", "a", "r")


class Log:
    """Stores everything at once; applying changes fails so many times."""

    def __init__(self, failures: int) -> None:
        self.entries: list[Document] = []
        self.applied: list[int] = []
        self.failures = failures

    async def insert(self, documents: list[Document]) -> None:
        self.entries += [dict(d) for d in documents]

    async def apply(self, updates: list[tuple[Document, Document]]) -> None:
        if updates and self.failures:
            self.failures -= 1
            raise AutoReconnect("the outcome is unknown")
        self.applied += [update["$set"]["reactions.a"]["seq"] for _, update in updates]

    async def find_keys(self, keys: Any) -> dict[tuple[str, str, str], Document]:
        wanted = set(keys)
        return {k: dict(d) for d in self.entries if (k := (d["chatId"], d["senderId"], d["clientMsgId"])) in wanted}

    async def heads(self, chat_ids: Any) -> dict[str, int]:
        return dict.fromkeys(chat_ids, len(self.entries))

    async def open_writer(self, *_: Any) -> None: ...

    async def written_after(self, _: str, after: str) -> AsyncIterator[Document]:
        for document in self.entries:
            if document["_id"] > after:
                yield document


class Known:
    """One chat, read anew after each drop."""

    def __init__(self, stored: Log) -> None:
        self._log = stored

    def known(self, _: str) -> Chat:
        return Chat(
            chat_id="x", type="group", seats={"a": Seat(role="member", joined_seq=1, left_seq=0)}, send="all",
            edit_info="all", blocked=False, disappearing_s=0, head=len(self._log.entries), until=0, members_at=0,
            unsettled=False,
        )  # fmt: skip

    async def get_many(self, chat_ids: Any, **_: Any) -> dict[str, Chat]:
        return {chat_id: self.known(chat_id) for chat_id in chat_ids}

    def drop(self, _: str) -> None: ...


class Told:
    """NATS takes everything."""

    reachable = True

    def __init__(self) -> None:
        self.ids: list[str] = []

    async def batches(self, documents: list[Document], _: Any) -> list[Document]:
        return documents

    async def start(self, batches: list[Document]) -> list[Any]:
        return []

    async def finish(self, batches: list[Document], _: Any) -> None:
        self.ids += [d["_id"] for d in batches]

    async def publish(self, documents: list[Document], _: Any) -> None:
        self.ids += [d["_id"] for d in documents]


def reaction() -> Entry:
    document = dict(zip(("chatId", "senderId", "clientMsgId"), KEY, strict=True))
    document |= {"kind": "change", "change": log.REACTION, "emoji": "x", "targetId": "m", "targetSeq": 1}
    return Entry(document=document, size=100, check=lambda now: now.member("a"))


@pytest.mark.parametrize(("failures", "answered"), [(1, True), (9, False)])
async def test_it_is_applied_in_the_end_and_the_checkpoint_waits_for_it_and_no_longer(
    monkeypatch: pytest.MonkeyPatch, failures: int, answered: bool
) -> None:
    monkeypatch.setattr(writer, "CATCH_UP_S", 0.01)
    stored, told, options = Log(failures), Told(), Settings(lanes=1)
    store: Any = stored
    publisher: Any = told
    known: Any = Known(stored)
    pen = Writer(store, publisher, options, "message-1")
    await pen.start()
    lanes = Lanes(store, known, pen, publisher, options)
    working = asyncio.create_task(lanes.run())
    if answered:
        assert (await lanes.append(reaction()))["seq"] == 1
        assert stored.applied, "answered, and its message is as it was"
    else:
        with pytest.raises(ApiError, match="unavailable"):
            await lanes.append(reaction())
    (entry,) = stored.entries
    assert pen.in_flight.through() < entry["_id"], "the checkpoint passed what was not published"
    catching_up = asyncio.create_task(pen.catch_up())
    await eventually(lambda: pen.in_flight.through() >= entry["_id"], "the checkpoint goes on", 5)
    assert 1 in stored.applied
    assert entry["_id"] in told.ids
    catching_up.cancel()
    working.cancel()
