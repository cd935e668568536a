"""What the gateway's policy is made of, in the order it starts."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from envoy.service.auth.v3.external_auth_pb2_grpc import add_AuthorizationServicer_to_server

from tidings.contracts.events import SESSION_REVOKED, SessionRevoked
from tidings.contracts.limits import Limits, Rates
from tidings.gateway import web
from tidings.gateway.api import routes
from tidings.gateway.buckets import Buckets
from tidings.gateway.rpc import PolicyRpc
from tidings.gateway.services import Services
from tidings.gateway.settings import Settings
from tidings.gateway.tokens import Tokens
from tidings.platform import bus, redis, vapid
from tidings.platform.lifecycle import Servers, instance, internal_token
from tidings.platform.rpc import Peers
from tidings.platform.settings import load
from tidings.rpc.v1.auth_pb2_grpc import AuthServiceStub


@asynccontextmanager
async def build(settings: Settings) -> AsyncIterator[Servers]:
    """Everything, started; stopped in the opposite order."""
    limits, rates = load(Limits, "limits"), load(Rates, "rates")
    async with (
        redis.connect(settings.redis_url) as cache,
        bus.connect(settings.nats_url, settings.namespace, instance("gateway", settings)) as events,
        httpx.AsyncClient() as client,
    ):
        auth = Peers("auth", settings.auth_grpc, AuthServiceStub, internal_token(settings))
        tokens = Tokens(auth, settings)
        await events.listen(SESSION_REVOKED, SessionRevoked, tokens.on_revoked)
        services = Services(settings.services, client)
        policy = PolicyRpc(tokens, Buckets(cache, settings.namespace), rates, settings.public_url)
        try:
            yield Servers(
                routes=routes(
                    limits,
                    rates,
                    web.found(settings.web_dir),
                    vapid.public_key(vapid.load_key(settings.data_dir)),
                    settings.android_apps,
                ),
                grpc=[lambda server: add_AuthorizationServicer_to_server(policy, server)],
                checks=services.checks(),
                openapi=services.openapi,
            )
        finally:
            await auth.close()
