"""message-service as a process of its own kind: real MongoDB and NATS, gRPC in front, killed and taken over.

chat-service and user-service stand behind it as small gRPC servers of the test, which answer who is a member.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import nats
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tidings.contracts.events import LogBatch
from tidings.contracts.ids import new_chat_id, new_id
from tidings.message.service import build
from tidings.message.settings import Settings
from tidings.platform import http, rpc, tracing
from tidings.platform.lifecycle import Servers, internal_token
from tidings.platform.rpc import Peers
from tidings.platform.settings import load
from tidings.rpc.v1 import chat_pb2, user_pb2
from tidings.rpc.v1 import message_pb2 as pb
from tidings.rpc.v1.chat_pb2_grpc import ChatServiceServicer, add_ChatServiceServicer_to_server
from tidings.rpc.v1.message_pb2_grpc import MessageServiceStub
from tidings.rpc.v1.user_pb2_grpc import UserServiceServicer, add_UserServiceServicer_to_server

ANN, BEN, EVE = new_id(), new_id(), new_id()


class Rooms(ChatServiceServicer):
    """Who is in which chat, as the test says."""

    def __init__(self) -> None:
        self.seats: dict[str, dict[str, tuple[int, int]]] = {}
        self.kind = "group"

    async def GetChatParticipants(self, request: Any, context: Any) -> Any:
        return chat_pb2.GetChatParticipantsResponse(
            chats=[
                chat_pb2.ChatParticipants(
                    chat_id=c,
                    type=self.kind,
                    send="all",
                    participants=[
                        chat_pb2.Participant(user_id=u, role="member", joined_seq=j, left_seq=left)
                        for u, (j, left) in self.seats[c].items()
                    ],
                )
                for c in request.chat_ids
                if c in self.seats
            ]
        )

    async def GetUserChats(self, request: Any, context: Any) -> Any:
        return chat_pb2.GetUserChatsResponse(
            chats=[
                chat_pb2.UserChat(chat_id=c, joined_seq=seats[request.user_id][0], left_seq=seats[request.user_id][1])
                for c, seats in self.seats.items()
                if request.user_id in seats
            ]
        )


class People(UserServiceServicer):
    """Everyone sends read receipts."""

    async def GetReceiptSettings(self, request: Any, context: Any) -> Any:
        return user_pb2.GetReceiptSettingsResponse()


class World:
    """The stores' settings, the fake neighbours, and how to start instances."""

    def __init__(self, environ: Mapping[str, str], namespace: str, rooms: Rooms, data_dir: Path) -> None:
        self.environ = {
            **environ,
            "TIDINGS_NAMESPACE": namespace,
            "TIDINGS_DATA_DIR": str(data_dir),
        }
        self.rooms = rooms

    def room(self, *people: str) -> str:
        chat_id = new_chat_id()
        self.rooms.seats[chat_id] = dict.fromkeys(people, (1, 0))
        return chat_id

    @asynccontextmanager
    async def instance(self, name: str = "message-1", **more: str) -> AsyncIterator["Instance"]:
        settings = load(Settings, "message", {**self.environ, "TIDINGS_INSTANCE": name, **more})
        async with build(settings) as servers:
            server = rpc.server(internal_token(settings), servers.grpc)
            port = server.add_insecure_port("127.0.0.1:0")
            await server.start()
            peers = Peers("message", [f"127.0.0.1:{port}"], MessageServiceStub, internal_token(settings))
            try:
                yield Instance(peers, servers, settings)
            finally:
                await peers.close()
                await server.stop(0)


class Instance:
    """One running message-service and a client for it."""

    def __init__(self, peers: Any, servers: Servers, settings: Settings) -> None:
        self.peers, self.servers, self.settings = peers, servers, settings
        self.stub = peers.stub()

    async def send(self, chat_id: str, sender: str, *ids: str, content: object = "hi", **more: Any) -> list[Any]:
        body = json.dumps(content).encode()
        answer = await self.peers.call(
            self.stub.SendMessages,
            pb.SendMessagesRequest(
                messages=[
                    pb.NewMessage(chat_id=chat_id, sender_id=sender, client_msg_id=i, content_json=body, **more)
                    for i in ids
                ]
            ),
        )
        return list(answer.results)

    async def change(self, user_id: str, message_id: str, **what: Any) -> Any:
        ask = pb.MessageChange(user_id=user_id, message_id=message_id, **what)
        return (await self.peers.call(self.stub.ChangeMessages, pb.ChangeMessagesRequest(changes=[ask]))).results[0]

    async def entries(self, user_id: str, chat_id: str, after: int = 0, joined: int = 1, left: int = 0) -> Any:
        window = pb.Window(chat_id=chat_id, joined_seq=joined, left_seq=left)
        ask = pb.EntriesAsk(user_id=user_id, ranges=[pb.EntryRange(window=window, after=after)], limit=500)
        answer = await self.peers.call(self.stub.GetEntries, pb.GetEntriesRequest(asks=[ask]))
        return json.loads(answer.answers[0].pages[0].page_json)

    async def mark(self, user_id: str, chat_id: str, status: str, seq: int) -> Any:
        mark = pb.StatusMark(chat_id=chat_id, user_id=user_id, status=status, seq=seq)
        request = pb.UpdateMessageStatusRequest(marks=[mark])
        return (await self.peers.call(self.stub.UpdateMessageStatus, request)).refusals[0]

    async def until_delivered(self, user_id: str, chat_id: str, seq: int) -> None:
        async with asyncio.timeout(10):
            while (await self.counts(user_id, chat_id)).delivered_seq < seq:
                await asyncio.sleep(0.01)

    async def counts(self, user_id: str, chat_id: str) -> Any:
        answer = await self.peers.call(
            self.stub.GetUnreadCounts,
            pb.GetUnreadCountsRequest(user_id=user_id, windows=[pb.Window(chat_id=chat_id, joined_seq=1)]),
        )
        return answer.chats[0]


@pytest.fixture
async def world(stores: Any, namespace: str, tmp_path: Path) -> AsyncIterator[World]:
    rooms = Rooms()
    world = World(stores.environ, namespace, rooms, tmp_path)
    server = rpc.server(
        internal_token(load(Settings, "message", world.environ)),
        [
            lambda s: add_ChatServiceServicer_to_server(rooms, s),
            lambda s: add_UserServiceServicer_to_server(People(), s),
        ],
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    world.environ["TIDINGS_CHAT_GRPC"] = world.environ["TIDINGS_USER_GRPC"] = f"127.0.0.1:{port}"
    yield world
    await server.stop(0)


async def test_a_batch_is_numbered_in_order_and_a_resend_gets_the_first_answer(world: World) -> None:
    async with world.instance() as one:
        chat = world.room(ANN, BEN)
        first = await one.send(chat, ANN, *(f"m{i}" for i in range(50)))
        assert [r.seq for r in first] == list(range(1, 51))
        again = await one.send(chat, ANN, "m7", content="other text")
        assert (again[0].message_id, again[0].seq) == (first[7].message_id, 8)
        page = await one.entries(BEN, chat)
        assert [i["seq"] for i in page["items"]] == list(range(1, 51))
        assert page["items"][7]["content"] == {"kind": "text", "text": "hi"}
        assert (page["fromSeq"], page["toSeq"], page["hasMore"]) == (1, 50, False)


async def test_the_span_of_a_batch_is_linked_to_those_who_asked(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    spans = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    monkeypatch.setattr(tracing, "_TRACER", provider.get_tracer("test"))
    async with world.instance() as one:
        chat = world.room(ANN, BEN)
        with tracing.span("asking") as asking:
            await one.send(chat, ANN, "m1", "m2")
        async with asyncio.timeout(10):
            while not (found := {span.name: span for span in spans.get_finished_spans()}).get("append"):
                await asyncio.sleep(0.01)
    asked, append = found["rpc SendMessages"], found["append"]
    assert asked.context.trace_id == asking.get_span_context().trace_id
    assert [link.context.span_id for link in append.links] == [asked.context.span_id]
    assert append.attributes == {"entries": 2}


async def test_a_stranger_is_refused_but_a_removed_sender_still_gets_the_first_answer(world: World) -> None:
    async with world.instance() as one:
        chat = world.room(ANN, BEN)
        assert (await one.send(chat, EVE, "x"))[0].refusal.code == "not_found"
        stored = (await one.send(chat, BEN, "b1"))[0]
        world.rooms.seats[chat][BEN] = (1, 2)
        notice = pb.NoticeEntry(
            chat_id=chat, change_id="c1", actor_id=ANN, membership=True,
            notice_json=b'{"kind":"notice","event":"member.removed"}',
        )  # fmt: skip
        for _ in range(2):  # the outbox of chat-service may ask twice
            appended = await one.peers.call(one.stub.AppendNotice, pb.AppendNoticeRequest(notices=[notice]))
            assert appended.notices[0].seq == 2
        assert (await one.send(chat, BEN, "b2"))[0].refusal.code == "not_found"
        assert (await one.send(chat, BEN, "b1"))[0].message_id == stored.message_id


async def test_two_instances_write_one_chat_without_gap_or_double(world: World) -> None:
    async with world.instance("message-1") as one, world.instance("message-2") as two:
        chat = world.room(ANN, BEN)

        async def talk(instance: Instance, sender: str) -> None:
            for start in range(0, 60, 5):
                results = await instance.send(chat, sender, *(f"m{i:03d}" for i in range(start, start + 5)))
                assert not any(r.refusal.code for r in results), results

        await asyncio.gather(talk(one, ANN), talk(two, BEN))
        items = (await one.entries(ANN, chat))["items"]
        assert [i["seq"] for i in items] == list(range(1, 121))
        for person in (ANN, BEN):
            sent = [i["clientMsgId"] for i in items if i["senderId"] == person]
            assert sent == sorted(sent)
            assert len(sent) == 60


async def test_changes_are_entries_and_show_in_the_message(world: World) -> None:
    async with world.instance() as one:
        chat = world.room(ANN, BEN)
        message = (await one.send(chat, ANN, "m1"))[0].message_id
        frame = json.loads((await one.change(ANN, message, edit_content_json=b'"better"')).frame_json)
        assert (frame["type"], frame["seq"], frame["targetSeq"]) == ("message.edited", 2, 1)
        assert (await one.change(BEN, message, edit_content_json=b'"mine"')).refusal.code == "forbidden"
        assert (await one.change(EVE, message, reaction="\N{THUMBS UP SIGN}")).refusal.code == "not_found"
        for _ in range(2):  # one already in force adds nothing to the log
            frame = json.loads((await one.change(BEN, message, reaction="\N{THUMBS UP SIGN}")).frame_json)
            assert (frame["type"], frame["seq"]) == ("message.reaction", 3)
        shown = (await one.entries(BEN, chat))["items"]
        assert shown[0]["content"]["text"] == "better"
        assert shown[0]["reactions"] == [{"emoji": "\N{THUMBS UP SIGN}", "count": 1, "mine": True}]
        assert [c["change"] for c in shown[1:]] == ["edited", "reaction"]
        frame = json.loads((await one.change(ANN, message, delete_for="everyone")).frame_json)
        assert frame["type"] == "message.deleted"
        last = (await one.entries(BEN, chat))["items"]
        assert last[0]["content"] is None
        assert last[0]["deletedAt"] is not None
        assert (await one.counts(BEN, chat)).unread_count == 0


async def test_a_vote_is_counted_per_person(world: World) -> None:
    async with world.instance() as one:
        chat = world.room(ANN, BEN)
        poll = {"kind": "poll", "question": "?", "options": [{"id": "a", "text": "A"}, {"id": "b", "text": "B"}]}
        message = (await one.send(chat, ANN, "p", content=poll))[0].message_id
        for person, option in ((ANN, "a"), (BEN, "a"), (BEN, "b")):
            frame = json.loads((await one.change(person, message, ballot=pb.Ballot(option_ids=[option]))).frame_json)
        assert [(v["optionId"], v["count"], v["mine"]) for v in frame["votes"]] == [("a", 1, False), ("b", 1, True)]
        assert (
            await one.change(BEN, message, ballot=pb.Ballot(option_ids=["a", "b"]))
        ).refusal.code == "invalid_request"


async def test_unread_follows_the_read_mark_and_marks_never_fall(world: World) -> None:
    async with world.instance() as one:
        chat = world.room(ANN, BEN)
        await one.send(chat, ANN, *(f"m{i}" for i in range(10)))
        assert (await one.counts(BEN, chat)).unread_count == 10
        assert (await one.counts(ANN, chat)).unread_count == 0

        async def mark(seq: int) -> None:
            ask = pb.StatusMark(chat_id=chat, user_id=BEN, status="read", seq=seq)
            await one.peers.call(one.stub.UpdateMessageStatus, pb.UpdateMessageStatusRequest(marks=[ask]))

        async def read_seq(expected: int) -> Any:
            async with asyncio.timeout(5):
                while (counts := await one.counts(BEN, chat)).read_seq != expected:
                    await asyncio.sleep(0.01)
            return counts

        await mark(4)
        assert (await read_seq(4)).unread_count == 6
        await mark(2)
        await mark(99)  # above the head: clamped
        assert (await read_seq(10)).unread_count == 0
        assert (await one.counts(ANN, chat)).others_read_seq == 10


async def test_unread_is_counted_in_the_newest_numbers_of_a_chat(world: World) -> None:
    """Else each sync and each push would read all that somebody never opened."""
    async with world.instance(TIDINGS_MESSAGE_UNREAD_MOST="6") as one:
        chat = world.room(ANN, BEN)
        await one.send(chat, ANN, *(f"m{i}" for i in range(10)))
        await one.send(chat, BEN, "mine")
        assert (await one.counts(BEN, chat)).unread_count == 5
        assert not (await one.mark(BEN, chat, "read", 8)).code
        assert (await one.counts(BEN, chat)).unread_count == 2


async def test_a_mark_counts_whole_where_the_head_is_known_from_before(world: World) -> None:
    """An instance that did not store the newest messages itself takes marks up to them all the same."""
    async with world.instance("message-1") as one, world.instance("message-2") as two:
        chat = world.room(ANN, BEN)

        async def mark(seq: int) -> None:
            ask = pb.StatusMark(chat_id=chat, user_id=BEN, status="read", seq=seq)
            await two.peers.call(two.stub.UpdateMessageStatus, pb.UpdateMessageStatusRequest(marks=[ask]))

        async def read_seq(expected: int) -> None:
            async with asyncio.timeout(5):
                while (await one.counts(BEN, chat)).read_seq != expected:
                    await asyncio.sleep(0.01)

        await one.send(chat, ANN, "first")
        await mark(1)
        await read_seq(1)
        await one.send(chat, ANN, *(f"m{i}" for i in range(9)))
        await mark(10)
        await read_seq(10)


async def test_what_a_dead_writer_stored_is_published_by_the_next(world: World) -> None:
    chat = world.room(ANN, BEN)
    events: list[int] = []
    client = await nats.connect(world.environ["TIDINGS_NATS_URL"])

    async def receive(message: Any) -> None:
        events.extend(e.seq for e in msgspec.json.decode(message.data, type=LogBatch).events if e.chat_id == chat)

    await client.subscribe(f"{world.environ['TIDINGS_NAMESPACE']}.msg.new.*", cb=receive)
    async with world.instance() as dead:
        await dead.send(chat, ANN, *(f"m{i}" for i in range(5)))
        async with asyncio.timeout(5):
            while len(events) < 5:
                await asyncio.sleep(0.01)
        # As if it had been killed between the insert and the publish: the checkpoint knows of nothing.
        from pymongo import MongoClient

        database = MongoClient(world.environ["TIDINGS_MONGO_URL"])[f"{world.environ['TIDINGS_NAMESPACE']}_message"]
        writers = list(database["writers"].find({"closed": False}))
        assert len(writers) == 1
        copied = {**writers[0], "_id": new_id(), "publishedThrough": "", "leaseUntil": 1}
        database["entries"].update_many({"chatId": chat}, {"$set": {"writer": copied["_id"]}})
        database["writers"].insert_one(copied)
        events.clear()
        async with world.instance("message-2"), asyncio.timeout(20):
            while sorted(set(events)) != [1, 2, 3, 4, 5]:
                await asyncio.sleep(0.02)
            while not database["writers"].find_one({"_id": copied["_id"]})["closed"]:  # type: ignore[index]
                await asyncio.sleep(0.02)
    await client.close()


async def test_the_log_outlives_a_restart_and_an_epoch_stays(world: World) -> None:
    chat = world.room(ANN, BEN)
    async with world.instance() as one:
        await one.send(chat, ANN, "a")
        epoch = (await one.peers.call(one.stub.GetHeads, pb.GetHeadsRequest(chat_ids=[chat]))).log_epoch
    async with world.instance() as two:
        assert (await two.send(chat, ANN, "b"))[0].seq == 2
        heads = await two.peers.call(two.stub.GetHeads, pb.GetHeadsRequest(chat_ids=[chat]))
        assert (heads.log_epoch, heads.heads[0].seq) == (epoch, 2)


async def test_rpc_without_the_internal_token_is_refused(world: World) -> None:
    async with world.instance() as one:
        peers = Peers("message", ["127.0.0.1:1"], MessageServiceStub, "wrong")
        peers._channels, peers._stubs = one.peers._channels, one.peers._stubs
        with pytest.raises(Exception, match="unavailable"):
            await peers.call(peers.stub().GetHeads, pb.GetHeadsRequest(chat_ids=[]))


def test_health_of_a_process_that_takes_no_work_is_told() -> None:
    assert asyncio.run(http.Health({}).failures()) == {"process": "starting or stopping"}


async def test_delivered_marks_that_pour_in_are_few_writes_and_the_highest_stands(world: World) -> None:
    async with world.instance(TIDINGS_MESSAGE_DELIVERED_EVERY_MS="60000") as one:
        chat = world.room(ANN, BEN)
        await one.send(chat, ANN, *(f"m{i}" for i in range(20)))
        await one.mark(BEN, chat, "delivered", 1)
        await one.until_delivered(BEN, chat, 1)
        for seq in range(2, 19):
            await one.mark(BEN, chat, "delivered", seq)
        assert (await one.counts(BEN, chat)).delivered_seq == 1  # it was written a moment ago: these wait
        await one.mark(BEN, chat, "read", 7)
        counts = await one.counts(BEN, chat)
        assert (counts.read_seq, counts.delivered_seq) == (7, 18)  # a read mark takes what waits with it
        await one.mark(BEN, chat, "delivered", 20)
    async with world.instance() as one:  # what still waits is written at an orderly end
        assert (await one.counts(BEN, chat)).delivered_seq == 20


async def test_a_read_mark_is_stored_when_it_is_answered(world: World) -> None:
    async with world.instance() as one:
        chat = world.room(ANN, BEN)
        await one.send(chat, ANN, "m0", "m1", "m2")
        for seq, stands in ((1, 1), (3, 3), (2, 3)):
            assert not (await one.mark(BEN, chat, "read", seq)).code
            assert (await one.counts(BEN, chat)).read_seq == stands
        assert (await one.mark(EVE, chat, "read", 1)).code == "not_found"
