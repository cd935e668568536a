"""What message-service is made of, in the order it starts."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pymongo.errors import PyMongoError

from tidings.contracts.events import BLOCKS_CHANGED, PRIVACY_CHANGED, BlocksChanged, ChatEvent, PrivacyChanged
from tidings.contracts.limits import Limits
from tidings.contracts.times import now_ms
from tidings.message.api import routes
from tidings.message.changes import Changer
from tidings.message.chats import Chats
from tidings.message.history import History
from tidings.message.lanes import Lanes
from tidings.message.lookups import Lookups
from tidings.message.publish import Publisher
from tidings.message.receipts import Privacy, Receipts
from tidings.message.rpc import MessageRpc
from tidings.message.send import Sender
from tidings.message.settings import Settings
from tidings.message.store import Store
from tidings.message.writer import Writer
from tidings.platform import bus, logging, metrics, mongo, retry
from tidings.platform.consumer import REPLAY_S
from tidings.platform.cursors import Cursors
from tidings.platform.lifecycle import Servers, background, end, instance, internal_token
from tidings.platform.rpc import Peers
from tidings.platform.secrets import secret
from tidings.platform.settings import load
from tidings.rpc.v1.chat_pb2_grpc import ChatServiceStub
from tidings.rpc.v1.media_pb2_grpc import MediaServiceStub
from tidings.rpc.v1.message_pb2_grpc import add_MessageServiceServicer_to_server
from tidings.rpc.v1.user_pb2_grpc import UserServiceStub

EXPIRY_PAUSE_S = 5.0
_log = logging.get(__name__)


@asynccontextmanager
async def build(settings: Settings) -> AsyncIterator[Servers]:
    """Everything, started; stopped in the opposite order."""
    limits = load(Limits, "limits")
    token = internal_token(settings)
    me = instance("message", settings)
    async with (
        mongo.connect(
            settings.mongo_url, f"{settings.namespace}_message", timeout_s=settings.store_timeout_s
        ) as database,
        bus.connect(settings.nats_url, settings.namespace, me) as events,
    ):
        chat_peers = Peers("chat", settings.chat_grpc, ChatServiceStub, token)
        user_peers = Peers("user", settings.user_grpc, UserServiceStub, token)
        media_peers = Peers("media", settings.media_grpc, MediaServiceStub, token)
        store, lookups = Store(database), Lookups(database)
        epoch = await store.prepare()
        chats = Chats(store, chat_peers, settings.chat_cache_s, settings.chat_cache_size)
        publisher = Publisher(events, store, settings.partitions)
        writer = Writer(store, publisher, settings, me)
        await writer.start()
        lanes = Lanes(store, chats, writer, publisher, settings)
        privacy = Privacy(user_peers)
        receipts = Receipts(store, lookups, chats, publisher, privacy, settings)
        sender = Sender(store, chats, lanes, media_peers, limits)
        changer = Changer(store, chats, lanes, publisher, chat_peers, limits)
        history = History(store, lookups, chats, privacy, settings.unread_most)

        async def on_chat_event(event: ChatEvent) -> None:
            chats.drop(event.chat_id)

        for subject in ("chat.updated", "group.member.added", "group.member.removed"):
            await events.listen(subject, ChatEvent, on_chat_event)
        await events.listen(BLOCKS_CHANGED, BlocksChanged, chats.on_blocks_changed)
        await events.listen(PRIVACY_CHANGED, PrivacyChanged, privacy.on_changed)

        async def publish_again() -> None:
            await writer.republish(int(REPLAY_S * 1000))
            await store.know_bus(me, events.server_id)

        async def on_new_nats() -> None:
            await retry.until("mongo", publish_again, timeout_s=60, errors=(PyMongoError,))

        events.on_server_start(on_new_nats)

        keeping = background("checkpoint", writer.keep())
        tasks = [
            background("lanes", lanes.run()),
            background("catching up", writer.catch_up()),
            background("receipts", receipts.run()),
            background("receipts of groups", receipts.tell()),
            background("expiry", _expire(store)),
            background("recovery", writer.watch(slot_is_ours=settings.slot_restarted)),
        ]
        # It may have been started anew while nobody of this slot was there to see it.
        if await store.known_bus(me) != events.server_id:
            tasks.append(background("republish", on_new_nats()))
        try:
            yield Servers(
                routes=routes(
                    store=store,
                    lookups=lookups,
                    chats=chats,
                    sender=sender,
                    changer=changer,
                    receipts=receipts,
                    history=history,
                    peers=chat_peers,
                    cursors=Cursors(secret(settings.data_dir, "cursor_key")),
                    limits=limits,
                    search_timeout_ms=settings.search_timeout_ms,
                ),
                grpc=[
                    lambda server: add_MessageServiceServicer_to_server(
                        MessageRpc(
                            store=store,
                            lookups=lookups,
                            chats=chats,
                            lanes=lanes,
                            sender=sender,
                            changer=changer,
                            receipts=receipts,
                            history=history,
                            epoch=epoch,
                        ),
                        server,
                    )
                ],
                away=(PyMongoError,),
                checks={"mongo": lambda: mongo.ping(database), "nats": events.ping},
                max_body=limits.body_bytes,
            )
        finally:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(lanes.drain(), settings.drain_timeout_s / 3)
            await receipts.flush()
            await receipts.tell_held()
            await end([keeping])
            await writer.stop()
            await end(tasks)
            for peers in (chat_peers, user_peers, media_peers):
                await peers.close()


async def _expire(store: Store) -> None:
    """Empty disappearing messages whose time is over. Reading hides them to the second; this removes them."""
    while True:
        await asyncio.sleep(EXPIRY_PAUSE_S)
        try:
            await store.empty_expired(now_ms())
        except PyMongoError as error:  # they stay hidden, and the next round removes them
            metrics.DEPENDENCY.labels("mongo").inc()
            _log.warning("expired messages wait for the next round", error=repr(error)[:200])
