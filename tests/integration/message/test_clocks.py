"""Leases and lost tails on real stores: a wrong clock takes nobody's log, and what NATS lost is published again."""

import time
from typing import Any

import msgspec
import nats
import pytest
from nats.js.errors import NotFoundError
from tests.integration.message.test_service import ANN, BEN, World, world  # noqa: F401
from tests.support.waiting import eventually

from tidings.contracts.events import LogBatch
from tidings.message.store import Store
from tidings.platform import mongo

HOUR_NS = 3600 * 1_000_000_000


@pytest.mark.parametrize("off_ns", [HOUR_NS, -HOUR_NS])
async def test_row_17_a_wrong_clock_takes_no_living_writers_log(
    world: World, monkeypatch: pytest.MonkeyPatch, off_ns: int  # noqa: F811
) -> None:  # fmt: skip
    right = time.time_ns
    database = f"{world.environ['TIDINGS_NAMESPACE']}_message"
    async with mongo.connect(world.environ["TIDINGS_MONGO_URL"], database) as found:
        store = Store(found)
        monkeypatch.setattr(time, "time_ns", lambda: right() + off_ns)
        async with world.instance("message-1"):
            monkeypatch.undo()
            assert [d["instance"] for d in await found["writers"].find({"closed": False}).to_list()] == ["message-1"]
            assert await store.abandoned(None) == []
        async with world.instance("message-2"):
            monkeypatch.setattr(time, "time_ns", lambda: right() + off_ns)
            assert await store.abandoned(None) == []


async def test_row_4_what_nats_lost_while_nobody_looked_is_published_again(world: World) -> None:  # noqa: F811
    """As after a power cut: NATS comes back without its tail, and message-service is a new process too."""
    chat = world.room(ANN, BEN)
    async with world.instance("message-1") as one:
        await one.send(chat, ANN, *(f"m{i}" for i in range(5)))
    client = await nats.connect(world.environ["TIDINGS_NATS_URL"])
    stream = f"{world.environ['TIDINGS_NAMESPACE']}_MESSAGES"
    await client.jetstream().purge_stream(stream)
    database = f"{world.environ['TIDINGS_NAMESPACE']}_message"
    async with mongo.connect(world.environ["TIDINGS_MONGO_URL"], database) as found:
        await found["meta"].update_one({"_id": "nats:message-1"}, {"$set": {"value": "the process before"}})

        async def told() -> list[int]:
            return await _numbers(client, stream, chat)

        async with world.instance("message-1"):
            await eventually(lambda: _equals(told, [1, 2, 3, 4, 5]), "all five are in the stream again")
        await client.jetstream().purge_stream(stream)
        async with world.instance("message-1") as one:  # this NATS is known now: nothing is told twice
            await one.send(chat, ANN, "m5")
            await eventually(lambda: _equals(told, [6]), "only the new one is there")
    await client.close()


async def _equals(ask: Any, wanted: list[int]) -> bool:
    return bool(await ask() == wanted)


async def _numbers(client: Any, stream: str, chat: str) -> list[int]:
    """The numbers of a chat that a stream holds now."""
    js = client.jetstream()
    state = (await js.stream_info(stream)).state
    found = []
    for sequence in range(state.first_seq, state.last_seq + 1):
        try:
            message = await js.get_msg(stream, sequence)
        except NotFoundError:
            continue
        if ".msg.new." in message.subject:
            events = msgspec.json.decode(message.data, type=LogBatch).events
            found += [event.seq for event in events if event.chat_id == chat]
    return found
