"""What the media service is made of, in the order it starts."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from pymongo.errors import PyMongoError

from tidings.contracts.limits import Limits
from tidings.media import api
from tidings.media.attach import Access
from tidings.media.events import Events
from tidings.media.objects import Objects
from tidings.media.parts import PartUploads
from tidings.media.process import Processing
from tidings.media.rpc import MediaRpc
from tidings.media.settings import Settings
from tidings.media.store import Store
from tidings.media.sweep import Sweeper
from tidings.media.upload import Uploads
from tidings.platform import bus, lifecycle, mongo
from tidings.platform.rpc import Peers
from tidings.platform.secrets import secret
from tidings.platform.settings import load
from tidings.rpc.v1.chat_pb2_grpc import ChatServiceStub
from tidings.rpc.v1.media_pb2_grpc import add_MediaServiceServicer_to_server

if TYPE_CHECKING:
    from tidings.rpc.v1.chat_pb2_grpc import ChatServiceAsyncStub

FILE_S = 120.0  # to store a file of the greatest size, also where the store of files is slow


@asynccontextmanager
async def build(settings: Settings) -> AsyncIterator[lifecycle.Servers]:
    """Stores, parts, servers."""
    limits = load(Limits, "limits")
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(
            mongo.connect(settings.mongo_url, f"{settings.namespace}_media", timeout_s=settings.store_timeout_s)
        )
        events_bus = await stack.enter_async_context(
            bus.connect(settings.nats_url, settings.namespace, lifecycle.instance("media", settings))
        )
        chats: Peers[ChatServiceAsyncStub] = Peers(
            "chat", settings.chat_grpc, ChatServiceStub, lifecycle.internal_token(settings)
        )
        stack.push_async_callback(chats.close)

        store = Store(database)
        await store.prepare()
        objects = Objects(
            settings.s3_url,
            settings.s3_bucket,
            settings.s3_region,
            secret(settings.data_dir, "s3_access_key"),
            secret(settings.data_dir, "s3_secret_key"),
            settings.namespace,
            settings.url_lifetime_s,
        )
        processing = Processing(settings, limits, store, objects, Events(events_bus, objects, settings.public_url))
        stack.push_async_callback(processing.drain, settings.drain_timeout_s / 3)
        uploads = Uploads(store, objects, processing, limits)
        parts = PartUploads(store, objects, processing, settings, limits)
        access = Access(store, chats)
        sweeping = asyncio.create_task(Sweeper(settings, store, objects, processing).run())
        stack.push_async_callback(_end, sweeping)

        rpc = MediaRpc(store, access, objects, settings.public_url)
        yield lifecycle.Servers(
            routes=api.routes(uploads, parts, access, objects, limits.upload_bytes),
            grpc=[lambda server: add_MediaServiceServicer_to_server(rpc, server)],
            away=(PyMongoError,),
            answer_s=FILE_S,
            checks={"mongo": lambda: mongo.ping(database), "nats": events_bus.ping, "s3": objects.ping},
        )


async def _end(task: "asyncio.Task[None]") -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
