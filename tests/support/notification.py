"""notification-service as a process of its own, on real NATS and Redis; the services it asks are one small gRPC
server of the test."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
from msgspec import Raw
from tests.support.push_service import Subscriber
from tests.support.running import Stores, free_port
from tests.support.waiting import eventually

from tidings.contracts.events import LogBatch, LogEvent, StatusBatch, StatusEvent
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
        self.subscribers: dict[str, Subscriber] = {}  # target -> where it is for Web Push; others are `fcm`
        self.dropped: list[str] = []
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
                user_pb2.PushTarget(id=t, user_id=u, session_id=f"s-{t}", kind=kind, address=address)
                for u in request.user_ids
                for t in self.targets.get(u, [])
                for kind, address in [self._address(t)]
            ]
        )

    def _address(self, target_id: str) -> tuple[str, str]:
        found = self.subscribers.get(target_id)
        return ("fcm", "SECRET-TOKEN") if found is None else ("webpush", json.dumps(found.subscription))

    async def DropPushTarget(self, request: Any, context: Any) -> Any:
        self.dropped.append(request.id)
        for targets in self.targets.values():
            if request.id in targets:
                targets.remove(request.id)
        return user_pb2.DropPushTargetResponse()

    async def GetUsers(self, request: Any, context: Any) -> Any:
        def entry(user_id: str) -> Any:
            return user_pb2.UserEntry(user_id=user_id, user_json=json.dumps({"name": f"N-{user_id[-4:]}"}).encode())

        answers = [user_pb2.Users(users=[entry(u) for u in ask.user_ids]) for ask in request.asks]
        return user_pb2.GetUsersResponse(answers=answers)

    CheckChatPermission = GetChatViews = SetPinnedMessage = GetUserChats
    SendMessages = ChangeMessages = UpdateMessageStatus = GetLastMessages = GetUnreadCounts
    AppendNotice = GetHeads = GetEntries = GetHidden = GetUnreadCounts
    GetUser = CheckPresence = GetRelations = GetReceiptSettings = EnsureUser = EndSession = GetBlocks = GetUsers


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

    def reachable(self, *subscribers: Subscriber) -> str:
        """Somebody with these browsers."""
        user_id = self.person(len(subscribers))
        self.world.subscribers |= dict(zip(self.world.targets[user_id], subscribers, strict=True))
        return user_id

    async def metric(self, name: str, **labels: str) -> float:
        """A value of the running process."""
        async with httpx.AsyncClient() as client:
            url = f"http://127.0.0.1:{self.environ['TIDINGS_NOTIFICATION_HTTP_PORT']}/metrics"
            lines = (await client.get(url)).text.splitlines()
        wanted = [f'{key}="{value}"' for key, value in labels.items()]
        found = [line for line in lines if line.startswith(name + "{") and all(w in line for w in wanted)]
        return sum(float(line.rpartition(" ")[2]) for line in found)

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
async def running(stores: Stores, namespace: str, **more: str) -> AsyncIterator[Notification]:
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
        **more,
    }
    async with AsyncExitStack() as stack:
        stack.push_async_callback(server.stop, 0)
        client = await stack.enter_async_context(redis.connect(stores.redis_url))
        events = await stack.enter_async_context(bus.connect(stores.nats_url, namespace, "test"))
        found = Notification(world, events, Presence(client, namespace), environ, data_dir / "push.jsonl")
        stack.push_async_callback(found.stop)
        await found.start()
        yield found
