"""What the chat service is made of, in the order it starts."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from tidings.chat import api
from tidings.chat.blocks import Blocks
from tidings.chat.changes import Changes
from tidings.chat.outbox import Outbox
from tidings.chat.rpc import ChatRpc
from tidings.chat.settings import Settings
from tidings.chat.store import Store
from tidings.chat.sync import Sync
from tidings.chat.views import Views
from tidings.contracts.events import BLOCKS_CHANGED, USER_DELETED, USERS, BlocksChanged, UserDeleted
from tidings.contracts.limits import Limits
from tidings.platform import bus, lifecycle, postgres
from tidings.platform.cursors import Cursors
from tidings.platform.rpc import Peers
from tidings.platform.secrets import secret
from tidings.platform.settings import load
from tidings.rpc.v1.chat_pb2_grpc import add_ChatServiceServicer_to_server
from tidings.rpc.v1.media_pb2_grpc import MediaServiceStub
from tidings.rpc.v1.message_pb2_grpc import MessageServiceStub
from tidings.rpc.v1.user_pb2_grpc import UserServiceStub

if TYPE_CHECKING:
    from tidings.rpc.v1.media_pb2_grpc import MediaServiceAsyncStub
    from tidings.rpc.v1.message_pb2_grpc import MessageServiceAsyncStub
    from tidings.rpc.v1.user_pb2_grpc import UserServiceAsyncStub


@asynccontextmanager
async def build(settings: Settings) -> AsyncIterator[lifecycle.Servers]:
    """Stores, parts, servers."""
    limits = load(Limits, "limits")
    token = lifecycle.internal_token(settings)
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(
            postgres.connect(
                settings.postgres_url, "chat", Path(__file__).parent / "migrations", size=settings.pool_size
            )
        )
        events = await stack.enter_async_context(
            bus.connect(settings.nats_url, settings.namespace, lifecycle.instance("chat", settings))
        )
        messages: Peers[MessageServiceAsyncStub] = Peers("message", settings.message_grpc, MessageServiceStub, token)
        users: Peers[UserServiceAsyncStub] = Peers("user", settings.user_grpc, UserServiceStub, token)
        media: Peers[MediaServiceAsyncStub] = Peers("media", settings.media_grpc, MediaServiceStub, token)
        for peers in (messages, users, media):
            stack.push_async_callback(peers.close)

        store = Store(pool)
        outbox = Outbox(store, events, messages, settings, lifecycle.instance("chat", settings))
        stack.push_async_callback(outbox.close)
        views = Views(messages, users, media)
        changes = Changes(store, outbox, views, limits)
        cursors = Cursors(secret(settings.data_dir, "cursor_key"))
        sync = Sync(store, outbox, views, cursors, settings)
        blocks = Blocks(users, settings.block_cache_s)
        rpc = ChatRpc(store, outbox, views, changes, blocks)

        async def on_blocks(event: BlocksChanged) -> None:
            blocks.forget(event.user_id, event.other_id)

        await events.listen(BLOCKS_CHANGED, BlocksChanged, on_blocks)

        async def on_user_deleted(body: bytes) -> None:
            await changes.leave_all(msgspec.json.decode(body, type=UserDeleted).user_id)

        await events.consume(USERS, "chat-user-deleted", [USER_DELETED], on_user_deleted)
        stack.push_async_callback(_end, lifecycle.background("relay", outbox.relay()))
        yield lifecycle.Servers(
            routes=api.routes(store, outbox, changes, views, sync, cursors, settings),
            grpc=[lambda server: add_ChatServiceServicer_to_server(rpc, server)],
            checks={"postgres": lambda: postgres.ping(pool), "nats": events.ping},
        )


async def _end(task: "asyncio.Task[None]") -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
