"""Redis protocol (Valkey): ephemeral state only. Everything kept here may vanish at any moment."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialWithJitterBackoff
from redis.exceptions import RedisError

from tidings.platform import retry

Client = Redis
UNREACHABLE = (RedisError, OSError, TimeoutError)


@asynccontextmanager
async def connect(url: str, *, timeout_s: float = 1.0) -> AsyncIterator[Redis]:
    """A pooled client answering bytes; one quick retry hides a restarted server, more would multiply waits."""
    client = Redis.from_url(
        url,
        socket_timeout=timeout_s,
        socket_connect_timeout=timeout_s,
        socket_keepalive=True,
        health_check_interval=15,
        max_connections=64,
        retry=Retry(ExponentialWithJitterBackoff(base=0.05, cap=0.2), 1),
    )
    try:
        await retry.until("redis", lambda: ping(client), timeout_s=30, errors=UNREACHABLE)
        yield client
    finally:
        await client.aclose()


async def ping(client: Redis) -> None:
    """Raises when the server does not answer."""
    await client.execute_command("PING")  # type: ignore[no-untyped-call]
