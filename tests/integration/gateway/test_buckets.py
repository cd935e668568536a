"""Rate limits as Redis keeps them."""

import asyncio

from tests.support.running import Stores

from tidings.gateway.buckets import Bucket, Buckets
from tidings.platform import redis


async def test_a_burst_wider_than_the_connections_is_limited_like_any(stores: Stores, namespace: str) -> None:
    """One call more than there are connections fails at once: such requests passed unlimited."""
    async with redis.connect(stores.redis_url) as client:
        buckets = Buckets(client, namespace)
        mine = [Bucket("user", "user:ann", per_second=1, size=10)]
        answers = await asyncio.gather(*(buckets.take(mine) for _ in range(300)))
    assert 10 <= sum(answer is None for answer in answers) <= 12  # two seconds on a busy machine
