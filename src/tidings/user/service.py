"""What user-service is made of, in the order it starts."""

import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tidings.contracts.errors import ApiError
from tidings.contracts.events import PRESENCE_CHANGED, PresenceChanged
from tidings.contracts.limits import Limits
from tidings.platform import bus, postgres, redis
from tidings.platform.cursors import Cursors
from tidings.platform.lifecycle import Servers, background, end, instance, internal_token
from tidings.platform.presence import Presence
from tidings.platform.rpc import Peers
from tidings.platform.secrets import secret
from tidings.platform.settings import load
from tidings.rpc.v1.auth_pb2_grpc import AuthServiceStub
from tidings.rpc.v1.media_pb2_grpc import MediaServiceStub
from tidings.rpc.v1.user_pb2_grpc import add_UserServiceServicer_to_server
from tidings.user.api import routes
from tidings.user.erase import Erasure
from tidings.user.lastseen import LastSeen
from tidings.user.people import People
from tidings.user.rpc import UserRpc
from tidings.user.settings import Settings
from tidings.user.store import Store


@asynccontextmanager
async def build(settings: Settings) -> AsyncIterator[Servers]:
    """Everything, started; stopped in the opposite order."""
    limits = load(Limits, "limits")
    token = internal_token(settings)
    async with (
        postgres.connect(settings.postgres_url, "users", Path(__file__).parent / "migrations") as pool,
        redis.connect(settings.redis_url) as cache,
        bus.connect(settings.nats_url, settings.namespace, instance("user", settings)) as events,
    ):
        media = Peers("media", settings.media_grpc, MediaServiceStub, token)
        auth = Peers("auth", settings.auth_grpc, AuthServiceStub, token)
        store = Store(pool)
        erasure = Erasure(store, events, auth)
        people = People(store, Presence(cache, settings.namespace), media, settings.public_url)

        last_seen = LastSeen(store)
        await events.listen(PRESENCE_CHANGED, PresenceChanged, last_seen.on_presence)
        tasks = [
            background("erasure", erasure.run(settings.erase_interval_s)),
            background("last seen", last_seen.run()),
        ]
        try:
            yield Servers(
                routes=routes(
                    store=store,
                    people=people,
                    bus=events,
                    redis=cache,
                    namespace=settings.namespace,
                    cursors=Cursors(secret(settings.data_dir, "cursor_key")),
                    limits=limits,
                    media=media,
                    erasure=erasure,
                    inner_push_origins=settings.inner_push_origins,
                ),
                grpc=[lambda server: add_UserServiceServicer_to_server(UserRpc(store, people, erasure), server)],
                checks={
                    "postgres": lambda: postgres.ping(pool),
                    "redis": lambda: redis.ping(cache),
                    "nats": events.ping,
                },
                max_body=limits.body_bytes,
            )
        finally:
            await end(tasks)
            with contextlib.suppress(ApiError):
                await last_seen.flush()
            await media.close()
            await auth.close()
