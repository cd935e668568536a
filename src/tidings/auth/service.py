"""What auth-service is made of, in the order it starts."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from tidings.auth import api
from tidings.auth.events import Events
from tidings.auth.keys import Keys
from tidings.auth.otp import Codes
from tidings.auth.rpc import AuthRpc
from tidings.auth.sessions import Sessions
from tidings.auth.settings import Settings, check
from tidings.auth.sms import DevSms, HttpSms, Sms
from tidings.auth.store import Store
from tidings.auth.tokens import Tokens
from tidings.auth.validate import Validator
from tidings.contracts.errors import ApiError
from tidings.contracts.limits import Limits, Rates
from tidings.platform import bus, lifecycle, logging, postgres, redis
from tidings.platform.rpc import Peers
from tidings.platform.secrets import secret
from tidings.platform.settings import load
from tidings.rpc.v1.auth_pb2_grpc import add_AuthServiceServicer_to_server
from tidings.rpc.v1.user_pb2_grpc import UserServiceStub

if TYPE_CHECKING:
    from tidings.rpc.v1.user_pb2_grpc import UserServiceAsyncStub

_log = logging.get(__name__)
UNTOLD_S = 15.0
PURGE_S = 3600.0


@asynccontextmanager
async def build(settings: Settings) -> AsyncIterator[lifecycle.Servers]:
    """Stores, parts, servers."""
    check(settings)
    limits, rates = load(Limits, "limits"), load(Rates, "rates")
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(
            postgres.connect(
                settings.postgres_url, "auth", Path(__file__).parent / "migrations", timeout_s=settings.store_timeout_s
            )
        )
        cache = await stack.enter_async_context(redis.connect(settings.redis_url))
        events_bus = await stack.enter_async_context(
            bus.connect(settings.nats_url, settings.namespace, lifecycle.instance("auth", settings))
        )
        users: Peers[UserServiceAsyncStub] = Peers(
            "user", settings.user_grpc, UserServiceStub, lifecycle.internal_token(settings)
        )
        stack.push_async_callback(users.close)

        codes = Codes(
            cache,
            settings.namespace,
            secret(settings.data_dir, "otp_pepper"),
            rates,
            lifetime_s=settings.otp_lifetime_s,
            tries=settings.otp_tries,
            resend_s=settings.otp_resend_s,
            range_hour=settings.otp_range_hour,
        )
        sms: Sms = DevSms(cache, settings.namespace, settings.otp_lifetime_s)
        if settings.sms_provider == "http":
            sms = HttpSms(settings, await stack.enter_async_context(httpx.AsyncClient()))
        keys = Keys(settings.data_dir)
        tokens = Tokens(keys, settings.issuer, settings.access_token_s)
        store, events = Store(pool), Events(events_bus)
        sessions = Sessions(settings, limits.sessions, store, tokens, codes, users, events)
        validator = Validator(
            store, tokens, cache, settings.namespace, cache_s=settings.session_cache_s, ticket_s=settings.ticket_s
        )
        await events.on_session_revoked(validator.drop)
        for name, every_s, work in (
            ("touch", settings.touch_s, validator.flush),
            ("untold", UNTOLD_S, sessions.tell_untold),
            ("purge", PURGE_S, lambda: store.purge(settings.keep_ended_s)),
        ):
            stack.push_async_callback(_end, lifecycle.background(name, _every(every_s, work)))

        rpc = AuthRpc(validator, sessions)
        yield lifecycle.Servers(
            routes=api.routes(settings, sessions, codes, sms, validator, keys),
            grpc=[lambda server: add_AuthServiceServicer_to_server(rpc, server)],
            checks={
                "postgres": lambda: postgres.ping(pool),
                "redis": lambda: redis.ping(cache),
                "nats": events_bus.ping,
            },
        )


async def _every(seconds: float, work: Callable[[], Awaitable[None]]) -> None:
    while True:
        await asyncio.sleep(seconds)
        try:
            await work()
        except ApiError as error:  # a store or service is away; the next round does it
            _log.warning("put off", error=error.code)


async def _end(task: "asyncio.Task[None]") -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
