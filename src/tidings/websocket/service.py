"""What websocket-service is made of, in the order it starts."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from picows import ws_create_server

from tidings.contracts import frames
from tidings.contracts.errors import ApiError
from tidings.contracts.events import (
    BLOCKS_CHANGED,
    CHATS,
    MEDIA_UPDATED,
    MEMBERSHIP_CHANGED,
    MESSAGES,
    PRESENCE_CHANGED,
    PRIVACY_CHANGED,
    SESSION_REVOKED,
    USER_DELETED,
    BlocksChanged,
    ChatEvent,
    MediaUpdatedEvent,
    MembershipChanged,
    PresenceChanged,
    PrivacyChanged,
    SessionRevoked,
    UserDeleted,
)
from tidings.contracts.ids import new_id
from tidings.contracts.limits import Limits, Rates
from tidings.platform import bus, http, lifecycle, redis, retry
from tidings.platform.consumer import Consumer, Handler
from tidings.platform.lifecycle import background, end
from tidings.platform.presence import Presence
from tidings.platform.rpc import Peers
from tidings.platform.settings import load
from tidings.rpc.v1 import message_pb2
from tidings.rpc.v1.auth_pb2_grpc import AuthServiceStub
from tidings.rpc.v1.chat_pb2_grpc import ChatServiceStub
from tidings.rpc.v1.message_pb2_grpc import MessageServiceStub
from tidings.rpc.v1.user_pb2_grpc import UserServiceStub
from tidings.websocket.actions import Actions
from tidings.websocket.api import Api
from tidings.websocket.bundles import Bundles
from tidings.websocket.fanout import Fanout
from tidings.websocket.hub import Hub
from tidings.websocket.participants import Participants
from tidings.websocket.people import People
from tidings.websocket.requests import Requests
from tidings.websocket.sessions import Sessions
from tidings.websocket.settings import Settings
from tidings.websocket.socket import Identity, Socket, Turn

if TYPE_CHECKING:
    from tidings.rpc.v1.auth_pb2_grpc import AuthServiceAsyncStub
    from tidings.rpc.v1.chat_pb2_grpc import ChatServiceAsyncStub
    from tidings.rpc.v1.message_pb2_grpc import MessageServiceAsyncStub
    from tidings.rpc.v1.user_pb2_grpc import UserServiceAsyncStub

HANDSHAKE_S = 5.0


@asynccontextmanager
async def build(settings: Settings) -> AsyncIterator[lifecycle.Servers]:
    """Everything, started; at the end events stop first, then what is asked is answered, then sockets close."""
    limits, rates = load(Limits, "limits"), load(Rates, "rates")
    token = lifecycle.internal_token(settings)
    me = lifecycle.instance("websocket", settings)
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(redis.connect(settings.redis_url))
        # Its own client: a subscription holds its connection.
        listener = await stack.enter_async_context(redis.connect(settings.redis_url, timeout_s=10))
        events = await stack.enter_async_context(bus.connect(settings.nats_url, settings.namespace, me))
        auth: Peers[AuthServiceAsyncStub] = Peers("auth", settings.auth_grpc, AuthServiceStub, token)
        users: Peers[UserServiceAsyncStub] = Peers("user", settings.user_grpc, UserServiceStub, token)
        chats: Peers[ChatServiceAsyncStub] = Peers("chat", settings.chat_grpc, ChatServiceStub, token)
        messages: Peers[MessageServiceAsyncStub] = Peers("message", settings.message_grpc, MessageServiceStub, token)
        for peers in (auth, users, chats, messages):
            stack.push_async_callback(peers.close)

        epoch = ""
        hub = Hub(settings.resync_spread_s)
        presence = Presence(client, settings.namespace)
        await presence.forget(me)  # the people of the process before this one
        await presence.beat(me)
        await presence.register(me, [])

        participants = Participants(chats, settings.participants_age_s, settings.participants_kept)
        bundles = Bundles(client, presence, hub, me, new_id(), settings.namespace)
        requests = Requests(messages, me, settings)
        people = People(
            hub, presence, users, participants, bundles, events, me, settings, lambda: epoch, lambda: requests.pressed
        )
        sessions = Sessions(auth, hub, settings)
        actions = Actions(requests, people, sessions, limits)

        async def tell_membership(chat_id: str) -> None:
            if bundles.others:
                await events.broadcast(MEMBERSHIP_CHANGED, MembershipChanged(chat_id))

        fanout = Fanout(participants, bundles, hub, presence, chats, tell_membership)
        made, turn = 0, Turn()

        def make(identity: Identity) -> Socket:
            nonlocal made
            made += 1
            return Socket(
                f"{me}/{made}", identity, settings, limits, rates, turn, people.arrive, actions.act, people.leave
            )

        health = http.Health({"redis": lambda: redis.ping(client), "nats": events.ping})
        api = Api(health, hub, token, settings, make)
        await _listen(events, hub, participants, people, sessions)
        await bundles.look()
        # message-service may still be starting: what does not need it is done meanwhile.
        epoch, consumers = await asyncio.gather(_epoch(messages), _consume(events, fanout, settings))
        tasks = [
            background("welcome", people.welcome()),
            background("farewell", people.farewell()),
            background("beat", people.beat()),
            background("presence", people.tell()),
            background("sessions", sessions.watch()),
            background("bundles", bundles.beat()),
            background("receive", bundles.receive(listener)),
            background("readiness", api.look()),
            *(background("requests", batcher.run()) for batcher in requests.loops()),
        ]
        server = await ws_create_server(
            api,
            settings.host,
            lifecycle.http_port("websocket", settings),
            websocket_handshake_timeout=HANDSHAKE_S,
            max_frame_size=limits.frame_bytes,
            enable_auto_pong=False,
            logger_name="tidings",
            backlog=4096,
            read_buffer_init_size=4096,
        )
        try:
            yield lifecycle.Servers(routes=None, health=health)
        finally:
            server.close()
            await asyncio.gather(*(consumer.stop() for consumer in consumers))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(requests.drain(), settings.drain_timeout_s / 3)
            await people.close_all()
            await end(tasks)


async def _epoch(messages: "Peers[MessageServiceAsyncStub]") -> str:
    """The log's epoch; message-service may still be starting."""

    async def ask() -> str:
        answer = await messages.call(messages.stub().GetHeads, message_pb2.GetHeadsRequest())
        return answer.log_epoch

    return await retry.until("message", ask, timeout_s=60, errors=(ApiError,))


async def _listen(events: bus.Bus, hub: Hub, participants: Participants, people: People, sessions: Sessions) -> None:
    async def on_membership(event: MembershipChanged | ChatEvent) -> None:
        participants.drop(event.chat_id)

    async def on_presence(event: PresenceChanged) -> None:
        people.changed(event.user_id)

    async def on_privacy(event: PrivacyChanged) -> None:
        people.changed(event.user_id)

    async def on_blocks(event: BlocksChanged) -> None:
        participants.forget_pair(event.user_id, event.other_id)
        people.changed(event.user_id)
        people.changed(event.other_id)

    async def on_media(event: MediaUpdatedEvent) -> None:
        hub.deliver([event.owner_id], frames.encode_frame(frames.MediaUpdated(media=event.media)))

    await events.listen(MEMBERSHIP_CHANGED, MembershipChanged, on_membership)
    for subject in ("chat.updated", "group.member.added", "group.member.removed"):
        await events.listen(subject, ChatEvent, on_membership)
    await events.listen(PRESENCE_CHANGED, PresenceChanged, on_presence)
    await events.listen(PRIVACY_CHANGED, PrivacyChanged, on_privacy)
    await events.listen(BLOCKS_CHANGED, BlocksChanged, on_blocks)
    await events.listen(MEDIA_UPDATED, MediaUpdatedEvent, on_media)
    await events.listen(SESSION_REVOKED, SessionRevoked, sessions.on_revoked)
    await events.listen(USER_DELETED, UserDeleted, sessions.on_user_deleted)


async def _consume(events: bus.Bus, fanout: Fanout, settings: Settings) -> list[Consumer]:
    """One in flight per partition keeps each chat's order with any number of instances."""

    async def begin(stream: str, name: str, subjects: list[str], handler: Handler) -> Consumer:
        return await events.consume(stream, name, subjects, handler, skip_older_s=float(settings.skip_older_s))

    started = [
        begin(CHATS, "chat-created", ["chat.created"], fanout.on_chat_created),
        begin(CHATS, "chat-updated", ["chat.updated"], fanout.on_chat_updated),
        begin(CHATS, "member-added", ["group.member.added"], fanout.on_member_added),
        begin(CHATS, "member-removed", ["group.member.removed"], fanout.on_member_removed),
    ]
    for p in range(settings.partitions):
        log = [f"msg.new.{p}", f"msg.edited.{p}", f"msg.deleted.{p}", f"msg.reaction.{p}"]
        started.append(begin(MESSAGES, f"fanout-{p}", log, fanout.on_log))
        started.append(begin(MESSAGES, f"status-{p}", [f"msg.status.updated.{p}"], fanout.on_status))
    return list(await asyncio.gather(*started))
