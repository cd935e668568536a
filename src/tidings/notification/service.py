"""What the notification service is made of, in the order it starts."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from tidings.notification import post
from tidings.notification.collect import Collector
from tidings.notification.deliver import Deliverer, WebQueue
from tidings.notification.events import Events
from tidings.notification.people import Participants, People
from tidings.notification.provider import DevProvider, Provider
from tidings.notification.push import Pusher
from tidings.notification.settings import Settings
from tidings.notification.store import Store
from tidings.notification.webpush import Tokens
from tidings.platform import bus, lifecycle, redis, vapid
from tidings.platform.rpc import Peers
from tidings.rpc.v1.chat_pb2_grpc import ChatServiceStub
from tidings.rpc.v1.message_pb2_grpc import MessageServiceStub
from tidings.rpc.v1.user_pb2_grpc import UserServiceStub

if TYPE_CHECKING:
    from tidings.rpc.v1.chat_pb2_grpc import ChatServiceAsyncStub
    from tidings.rpc.v1.message_pb2_grpc import MessageServiceAsyncStub
    from tidings.rpc.v1.user_pb2_grpc import UserServiceAsyncStub


@asynccontextmanager
async def build(settings: Settings) -> AsyncIterator[lifecycle.Servers]:
    """Stores, parts, servers."""
    token = lifecycle.internal_token(settings)
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(redis.connect(settings.redis_url))
        users: Peers[UserServiceAsyncStub] = Peers("user", settings.user_grpc, UserServiceStub, token)
        chats: Peers[ChatServiceAsyncStub] = Peers("chat", settings.chat_grpc, ChatServiceStub, token)
        messages: Peers[MessageServiceAsyncStub] = Peers("message", settings.message_grpc, MessageServiceStub, token)
        for peers in (users, chats, messages):
            stack.push_async_callback(peers.close)
        events_bus = await stack.enter_async_context(
            bus.connect(settings.nats_url, settings.namespace, lifecycle.instance("notification", settings))
        )
        pool = await stack.enter_async_context(post.connections(settings.inner_push_origins))
        tokens = Tokens(vapid.load_key(settings.data_dir), _contact(settings))
        poster = post.Poster(
            pool, tokens, settings.inner_push_origins, settings.push_ttl_s, wait_most_s=settings.try_for_s
        )

        async def bury(subject: str, body: bytes, error: Exception) -> None:
            await events_bus.bury("push", subject, body, error)

        participants = Participants(chats, settings.participants_age_s, settings.participants_kept)
        people = People(users, chats, messages)
        store = Store(client, settings.namespace, settings.pushed_for_s)
        providers: list[Provider] = [WebQueue(events_bus.publish)]
        if settings.provider == "dev":
            providers.append(DevProvider(settings.data_dir / "push.jsonl"))
        pusher = Pusher(
            participants,
            people,
            store,
            providers,
            bury,
            settings.people_at_once,
            settings.partitions,
        )
        new = Collector(pusher.messages, settings.collect_s, settings.settle_s)
        reads = Collector(pusher.reads, settings.collect_s, settings.settle_s)
        # Before the bus waits for its consumers at the end, they are let go.
        stack.callback(reads.hurry)
        stack.callback(new.hurry)
        await Deliverer(people, store, poster, events_bus.publish, settings).start(events_bus)
        await Events(new, reads, participants).start(events_bus, settings)
        yield lifecycle.Servers(
            routes=[],
            checks={"redis": lambda: redis.ping(client), "nats": events_bus.ping},
        )


def _contact(settings: Settings) -> str:
    """RFC 8292, section 2.1: `mailto:` or `https:`."""
    if settings.push_contact:
        return settings.push_contact
    return settings.public_url if settings.public_url.startswith("https://") else "mailto:admin@localhost"
