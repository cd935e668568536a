"""notification-service as a process of its own, on real NATS and Redis; the services it asks are one small gRPC
server of the test. `tidings dlq` is tried on what it gives up."""

import asyncio
import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from msgspec import Raw
from tests.support.running import Stores, free_port
from tests.support.waiting import eventually
from typer.testing import CliRunner

from tidings.cli.dlq import app as dlq
from tidings.contracts.events import LogBatch, LogEvent, StatusBatch, StatusEvent, partition
from tidings.contracts.ids import new_chat_id, new_id
from tidings.devstack.process import die_with_parent
from tidings.platform import bus, redis, rpc
from tidings.platform.presence import Presence
from tidings.platform.secrets import secret
from tidings.rpc.v1 import chat_pb2, message_pb2, user_pb2
from tidings.rpc.v1 import chat_pb2_grpc as chat_grpc
from tidings.rpc.v1 import message_pb2_grpc as message_grpc
from tidings.rpc.v1 import user_pb2_grpc as user_grpc

COLLECT_S = 0.3


class World(chat_grpc.ChatServiceServicer, message_grpc.MessageServiceServicer, user_grpc.UserServiceServicer):
    """Chats, people, targets and marks, as the test says."""

    def __init__(self) -> None:
        self.seats: dict[str, dict[str, tuple[int, int]]] = {}
        self.muted: set[tuple[str, str]] = set()
        self.direct: set[str] = set()
        self.targets: dict[str, list[str]] = {}
        self.marks: dict[tuple[str, str], tuple[int, int, int]] = {}  # unread, readSeq, deliveredSeq
        self.broken: set[str] = set()  # people whom asking about is a bug somewhere

    async def GetChatParticipants(self, request: Any, context: Any) -> Any:
        return chat_pb2.GetChatParticipantsResponse(
            chats=[
                chat_pb2.ChatParticipants(
                    chat_id=c,
                    type="direct" if c in self.direct else "group",
                    name="" if c in self.direct else "Hikers",
                    participants=[
                        chat_pb2.Participant(user_id=u, joined_seq=j, left_seq=left, muted=(c, u) in self.muted)
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

    async def GetUnreadCounts(self, request: Any, context: Any) -> Any:
        if request.user_id in self.broken:
            raise RuntimeError("a bug")
        found = []
        for window in request.windows:
            unread, read, delivered = self.marks.get((window.chat_id, request.user_id), (1, 0, 0))
            found.append(
                message_pb2.UnreadCount(
                    chat_id=window.chat_id, unread_count=unread, read_seq=read, delivered_seq=delivered
                )
            )
        return message_pb2.GetUnreadCountsResponse(chats=found)

    async def GetPushTargets(self, request: Any, context: Any) -> Any:
        return user_pb2.GetPushTargetsResponse(
            targets=[
                user_pb2.PushTarget(id=t, user_id=u, session_id=f"s-{t}", kind="fcm", address="SECRET-TOKEN")
                for u in request.user_ids
                for t in self.targets.get(u, [])
            ]
        )

    async def GetUsers(self, request: Any, context: Any) -> Any:
        users = [
            user_pb2.UserEntry(user_id=u, user_json=json.dumps({"name": f"N-{u[-4:]}"}).encode())
            for u in request.user_ids
        ]
        return user_pb2.GetUsersResponse(users=users)

    CheckChatPermission = GetChatViews = SetPinnedMessage = GetUserChats
    SendMessages = ChangeMessages = UpdateMessageStatus = GetLastMessages = GetUnreadCounts
    AppendNotice = GetHeads = GetEntries = GetHidden = GetUnreadCounts
    GetUser = CheckPresence = DropPushTarget = GetRelations = GetReceiptSettings = EnsureUser = EndSession = GetUsers


class Notification:
    """The running service and what stands around it."""

    def __init__(self, world: World, events: bus.Bus, presence: Presence, environ: dict[str, str], log: Path) -> None:
        self.world = world
        self.events = events
        self.presence = presence
        self.environ = environ
        self.log = log
        self.process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        self.process = subprocess.Popen(  # noqa: ASYNC220
            [sys.executable, "-m", "tidings.notification"],
            env={**os.environ, **self.environ},
            preexec_fn=die_with_parent(),
        )
        url = f"http://127.0.0.1:{self.environ['TIDINGS_NOTIFICATION_HTTP_PORT']}/ready"

        async def ready() -> bool:
            try:
                async with httpx.AsyncClient() as client:
                    return (await client.get(url)).status_code == 200
            except httpx.HTTPError:
                return False

        await eventually(ready, "notification-service is ready", 30)

    async def stop(self, number: int = signal.SIGTERM) -> None:
        if self.process is not None:
            self.process.send_signal(number)
            await asyncio.to_thread(self.process.wait, 20)

    def chat(self, *people: str, direct: bool = False) -> str:
        chat_id = new_chat_id()
        self.world.seats[chat_id] = dict.fromkeys(people, (1, 0))
        if direct:
            self.world.direct.add(chat_id)
        return chat_id

    def person(self, targets: int = 1) -> str:
        user_id = new_id()
        self.world.targets[user_id] = [new_id() for _ in range(targets)]
        return user_id

    async def say(self, *events: LogEvent) -> None:
        await self.events.publish("msg.new.0", msgspec.json.encode(LogBatch(list(events))))

    async def read(self, chat_id: str, user_id: str, seq: int) -> None:
        event = StatusEvent(chat_id=chat_id, user_id=user_id, status="read", seq=seq, at="", to=[])
        await self.events.publish("msg.status.updated.0", msgspec.json.encode(StatusBatch([event])))

    def pushes(self, user_id: str) -> list[dict[str, Any]]:
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [line for line in map(json.loads, lines) if line["userId"] == user_id]

    async def quiet(self) -> None:
        """Long enough for a push that should not be."""
        await asyncio.sleep(COLLECT_S * 2 + 0.7)


def message(chat_id: str, seq: int, sender: str, text: str = "hello", **more: Any) -> LogEvent:
    frame = {"type": "message.new", "chatId": chat_id, "seq": seq, "content": {"kind": "text", "text": text}}
    return LogEvent(
        chat_id=chat_id,
        seq=seq,
        kind=more.pop("kind", "message"),
        sender_id=sender,
        message_id=new_id(),
        frame=Raw(json.dumps(frame).encode()),
        **more,
    )


@asynccontextmanager
async def running(stores: Stores, namespace: str) -> AsyncIterator[Notification]:
    world = World()
    token = secret(stores.data_dir, "internal_token")
    server = rpc.server(
        token,
        [
            lambda s: chat_grpc.add_ChatServiceServicer_to_server(world, s),
            lambda s: message_grpc.add_MessageServiceServicer_to_server(world, s),
            lambda s: user_grpc.add_UserServiceServicer_to_server(world, s),
        ],
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    target = f"127.0.0.1:{port}"
    data_dir = stores.data_dir / f"data-{namespace}"
    data_dir.mkdir()
    environ = {
        **stores.environ,
        "TIDINGS_DATA_DIR": str(data_dir),
        "TIDINGS_SECRET_INTERNAL_TOKEN": token,
        "TIDINGS_NAMESPACE": namespace,
        "TIDINGS_CHAT_GRPC": target,
        "TIDINGS_USER_GRPC": target,
        "TIDINGS_MESSAGE_GRPC": target,
        "TIDINGS_NOTIFICATION_HTTP_PORT": str(free_port()),
        "TIDINGS_NOTIFICATION_COLLECT_S": str(COLLECT_S),
        "TIDINGS_NOTIFICATION_SETTLE_S": str(COLLECT_S),
    }
    async with AsyncExitStack() as stack:
        stack.push_async_callback(server.stop, 0)
        client = await stack.enter_async_context(redis.connect(stores.redis_url))
        events = await stack.enter_async_context(bus.connect(stores.nats_url, namespace, "test"))
        found = Notification(world, events, Presence(client, namespace), environ, data_dir / "push.jsonl")
        stack.push_async_callback(found.stop)
        await found.start()
        yield found


@pytest.fixture(scope="module")
async def service(stores: Stores) -> AsyncIterator[Notification]:
    async with running(stores, f"tpush{os.getpid()}") as found:
        yield found


async def test_one_push_per_person_and_chat(service: Notification) -> None:
    ann, ben = service.person(), service.person(targets=2)
    chat_id = service.chat(ann, ben)
    service.world.marks[(chat_id, ben)] = (3, 0, 0)
    await service.say(message(chat_id, 5, ann, "one"), message(chat_id, 6, ann, "two"))
    last = message(chat_id, 7, ann, "three")
    await service.say(last)
    await eventually(lambda: len(service.pushes(ben)) == 2, "both targets of Ben got it")
    await service.quiet()
    found = service.pushes(ben)
    assert {line["targetId"] for line in found} == set(service.world.targets[ben])
    assert found[0]["payload"] == {
        "type": "message",
        "messageId": last.message_id,
        "chatId": chat_id,
        "seq": 7,
        "senderName": f"N-{ann[-4:]}",
        "chatName": "Hikers",
        "text": "three",
        "badge": 3,
    }
    assert service.pushes(ann) == []


async def test_the_log_is_private_and_has_no_addresses(service: Notification) -> None:
    ann, ben = service.person(), service.person()
    await service.say(message(service.chat(ann, ben, direct=True), 1, ann))
    await eventually(lambda: service.pushes(ben), "Ben got it")
    assert service.pushes(ben)[0]["payload"]["chatName"] == f"N-{ann[-4:]}"
    assert stat.S_IMODE(service.log.stat().st_mode) == 0o600
    assert "SECRET-TOKEN" not in service.log.read_text()


async def test_the_same_batch_three_times_is_one_push(service: Notification) -> None:
    ann, ben = service.person(), service.person()
    event = message(service.chat(ann, ben), 4, ann)
    for _ in range(3):
        await service.say(event)
        await service.quiet()
    assert len(service.pushes(ben)) == 1


async def test_who_has_seen_it_is_left_alone(service: Notification) -> None:
    ann, reader, online, asleep, silent, deleted = (service.person() for _ in range(6))
    chat_id = service.chat(ann, reader, online, asleep, silent, deleted)
    marks = {reader: (1, 9, 9), online: (1, 0, 9), asleep: (1, 0, 9), silent: (1, 0, 0), deleted: (0, 0, 0)}
    for user_id, mark in marks.items():
        service.world.marks[(chat_id, user_id)] = mark
    await service.presence.beat("websocket-1")
    await service.presence.add("websocket-1", [online, silent])
    await service.say(message(chat_id, 9, ann))
    await eventually(lambda: service.pushes(asleep) and service.pushes(silent), "who has not seen it hears of it")
    await service.quiet()
    assert [len(service.pushes(user_id)) for user_id in (reader, online, deleted)] == [0, 0, 0]


async def test_outside_the_window_and_muted_hear_nothing(service: Notification) -> None:
    ann, left, muted, mentioned, here = (service.person() for _ in range(5))
    chat_id = service.chat(ann, left, muted, mentioned, here)
    service.world.seats[chat_id][left] = (1, 3)
    service.world.muted |= {(chat_id, muted), (chat_id, mentioned)}
    await service.say(message(chat_id, 4, ann, mentions=[mentioned]), message(chat_id, 5, ann, kind="notice"))
    await eventually(lambda: service.pushes(here) and service.pushes(mentioned), "they hear of it")
    await service.quiet()
    assert service.pushes(left) == service.pushes(muted) == []
    assert service.pushes(here)[0]["payload"]["seq"] == 4


async def test_a_removed_member_hears_nothing_at_once(service: Notification) -> None:
    ann, ben = service.person(), service.person()
    chat_id = service.chat(ann, ben)
    await service.say(message(chat_id, 2, ann))
    await eventually(lambda: service.pushes(ben), "Ben is a member")
    service.world.seats[chat_id][ben] = (1, 3)
    await service.say(message(chat_id, 3, ann, kind="notice", membership=True), message(chat_id, 4, ann, "secret"))
    await service.quiet()
    assert [line["payload"]["seq"] for line in service.pushes(ben)] == [2]


async def test_reading_takes_a_push_away_once(service: Notification) -> None:
    ann, ben = service.person(), service.person()
    chat_id = service.chat(ann, ben)
    await service.read(chat_id, ben, 4)
    await service.quiet()
    assert service.pushes(ben) == []  # nothing was pushed: nothing to take away
    await service.say(message(chat_id, 5, ann))
    await eventually(lambda: service.pushes(ben), "pushed")
    service.world.marks[(chat_id, ben)] = (0, 5, 5)
    for _ in range(2):
        await service.read(chat_id, ben, 5)
        await service.quiet()
    assert [line["payload"] for line in service.pushes(ben)][1:] == [
        {"type": "read", "chatId": chat_id, "seq": 5, "badge": 0}
    ]


async def test_what_was_said_while_it_was_down_comes_when_it_is_back(service: Notification) -> None:
    ann, ben = service.person(), service.person()
    chat_id = service.chat(ann, ben)
    await service.say(message(chat_id, 1, ann))
    await service.stop(signal.SIGKILL)
    await service.say(message(chat_id, 2, ann))
    await service.start()
    await eventually(lambda: [p for p in service.pushes(ben) if p["payload"]["seq"] == 2], "it comes", 20)
    await service.quiet()
    assert len(service.pushes(ben)) <= 2


async def test_an_orderly_stop_finishes_what_it_holds(service: Notification) -> None:
    ann, ben = service.person(), service.person()
    await service.say(message(service.chat(ann, ben), 1, ann))
    await asyncio.sleep(0.1)
    await service.stop()
    assert len(service.pushes(ben)) == 1
    await service.start()
    await service.quiet()
    assert len(service.pushes(ben)) == 1


async def test_a_bad_entry_is_kept_and_replayed(service: Notification) -> None:
    ann, ben, eve = service.person(), service.person(), service.person()
    chat_id = service.chat(ann, ben, eve)
    service.world.broken.add(eve)
    await service.say(message(chat_id, 5, ann, "very private"))
    await eventually(lambda: service.pushes(ben), "the others are served")
    assert service.pushes(eve) == []
    await service.events.publish("msg.new.0", b"not an event")

    async def command(*words: str) -> str:
        result = await asyncio.to_thread(CliRunner(env=service.environ).invoke, dlq, list(words))
        assert result.exit_code == 0, result.output
        return str(result.output)

    async def listed() -> list[dict[str, Any]]:
        return [json.loads(line) for line in (await command("list", "--json")).splitlines()]

    async def both() -> bool:
        return len(await listed()) == 2

    await eventually(both, "both are kept", 20)
    letters = await listed()
    assert [letter["consumer"] for letter in letters] == ["push", "push"]
    assert letters[0]["subject"] == f"msg.new.{partition(chat_id, 4)}"
    shown = await command("show", str(letters[0]["number"]))
    assert chat_id in shown
    assert "very private" not in shown
    assert "not JSON" in await command("show", str(letters[1]["number"]))
    assert "push" in await command("list")

    service.world.broken.clear()
    await command("replay", str(letters[0]["number"]))
    await eventually(lambda: service.pushes(eve), "after the mend it is served")
    assert len(await listed()) == 1
    assert len(service.pushes(ben)) == 1
