"""What auth-service is made of, in the order it starts."""

import ipaddress
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tidings.auth.api import routes
from tidings.auth.keys import Keys
from tidings.auth.otp import Otp
from tidings.auth.rpc import AuthRpc
from tidings.auth.sessions import Sessions
from tidings.auth.settings import Settings
from tidings.auth.sms import DevSms, HttpSms
from tidings.auth.store import Store
from tidings.contracts.events import SESSION_REVOKED, SessionRevoked
from tidings.contracts.limits import Limits, Rates
from tidings.platform import bus, postgres, redis
from tidings.platform.lifecycle import Servers, instance, internal_token
from tidings.platform.rpc import Peers
from tidings.platform.secrets import secret
from tidings.platform.settings import SettingsError, load
from tidings.rpc.v1.auth_pb2_grpc import add_AuthServiceServicer_to_server
from tidings.rpc.v1.user_pb2_grpc import UserServiceStub


@asynccontextmanager
async def build(settings: Settings) -> AsyncIterator[Servers]:
    """Everything, started; stopped in the opposite order."""
    _check(settings)
    limits, rates = load(Limits, "limits"), load(Rates, "rates")
    async with (
        postgres.connect(settings.postgres_url, "auth", Path(__file__).parent / "migrations") as pool,
        redis.connect(settings.redis_url) as cache,
        bus.connect(settings.nats_url, settings.namespace, instance("auth", settings)) as events,
    ):
        users = Peers("user", settings.user_grpc, UserServiceStub, internal_token(settings))
        store = Store(pool)
        keys = Keys(settings.data_dir)
        sessions = Sessions(store, keys, cache, events, users, settings)
        await events.listen(SESSION_REVOKED, SessionRevoked, sessions.on_revoked)
        otp = Otp(cache, settings, rates, secret(settings.data_dir, "otp_pepper"))
        sms = DevSms(otp) if settings.sms_provider == "dev" else HttpSms(settings)
        try:
            yield Servers(
                routes=routes(
                    store=store,
                    sessions=sessions,
                    otp=otp,
                    sms=sms,
                    keys=keys,
                    users=users,
                    settings=settings,
                    limits=limits,
                ),
                grpc=[lambda server: add_AuthServiceServicer_to_server(AuthRpc(sessions, store), server)],
                checks={
                    "postgres": lambda: postgres.ping(pool),
                    "redis": lambda: redis.ping(cache),
                    "nats": events.ping,
                },
                max_body=limits.body_bytes,
            )
        finally:
            await users.close()


def _check(settings: Settings) -> None:
    """Raises SettingsError for combinations that would be unsafe or cannot work."""
    if settings.sms_provider == "http" and not settings.sms_url:
        raise SettingsError("TIDINGS_AUTH_SMS_URL: the http SMS provider needs an address")
    try:
        local = ipaddress.ip_address(settings.host).is_loopback
    except ValueError:
        local = settings.host == "localhost"
    if settings.sms_provider == "dev" and not local and not settings.insecure_dev:
        raise SettingsError(
            "TIDINGS_AUTH_SMS_PROVIDER: `dev` shows codes to who asks; on a listener beyond loopback it needs"
            " --insecure-dev (TIDINGS_INSECURE_DEV=true)"
        )
