"""Rate limits as Redis keeps them."""

import asyncio

from tests.support.running import Stores

from tidings.gateway.buckets import Bucket, Buckets
from tidings.platform import redis


async def test_a_burst_wider_than_the_connections_is_limited_like_any(stores: Stores, namespace: str) -> None:
    """A call for each was one more than there are connections, which failed at once: such requests passed unlimited."""
    async with redis.connect(stores.redis_url) as client:
        buckets = Buckets(client, namespace)
        mine = [Bucket("user", "user:ann", per_second=1, size=10)]
        answers = await asyncio.gather(*(buckets.take(mine) for _ in range(300)))
    assert 10 <= sum(answer is None for answer in answers) <= 12  # two seconds on a busy machine


async def test_requests_of_one_call_take_from_all_of_their_buckets_or_from_none(stores: Stores, namespace: str) -> None:
    async with redis.connect(stores.redis_url) as client:
        buckets = Buckets(client, namespace)
        small, large = Bucket("user", "user:ann", 1, 2), Bucket("ip", "ip:1", 1, 5)
        asked = [[large, small], [large, small], [large, small], [large], [large], [large], [large], [small]]
        answers = await asyncio.gather(*(buckets.take(each) for each in asked))
    # The third finds nothing left in the small one, and leaves the large one as it was.
    assert [answer and answer.bucket.name for answer in answers] == [None, None, "user", None, None, None, "ip", "user"]
    assert all(0 < answer.retry_ms <= 1000 for answer in answers if answer)
