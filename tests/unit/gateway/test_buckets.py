"""A hanging Redis: who asks it, how long a request waits, what is said of it."""

import asyncio
import random
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from structlog.testing import capture_logs
from tests.support.virtual_loop import VirtualLoop, play

from tidings.gateway.buckets import A_CALL, FAIL_OPEN, SKIP_S, TAKE_S, Bucket, Buckets

ONE = [Bucket("user", "user:ann", 1, 1)]


class Redis:
    """Answers as it is told: an empty bucket, or never."""

    def __init__(self) -> None:
        self.hangs, self.asked, self.asking, self.most = False, 0, 0, 0

    def register_script(self, _: str) -> Callable[..., Coroutine[Any, Any, list[int]]]:
        return self.take

    async def take(self, keys: list[str], _: list[str]) -> list[int]:
        self.asked += 1
        self.asking += 1
        self.most = max(self.most, self.asking)
        try:
            await asyncio.sleep(3600 if self.hangs else 0.001)
        finally:
            self.asking -= 1
        return [1, 0, 500] * len(keys)


def made() -> tuple[Redis, Buckets]:
    redis: Any = Redis()
    return redis, Buckets(redis, "t")


@pytest.mark.parametrize("seed", range(5))
def test_while_redis_hangs_one_request_a_second_waits_a_moment(seed: int) -> None:
    async def scene(loop: VirtualLoop, _: random.Random) -> None:
        redis, buckets = made()
        assert await buckets.take(ONE) is not None
        redis.hangs, redis.asked = True, 0
        open_before = FAIL_OPEN._value.get()
        with capture_logs() as said:
            began = loop.time()
            together = await asyncio.gather(*(buckets.take(ONE) for _ in range(10 * A_CALL)))
            assert (set(together), redis.asked) == ({None}, 1)
            assert loop.time() - began < TAKE_S * 1.1
            for _ in range(100):  # five seconds of requests
                await asyncio.sleep(0.05)
                assert await buckets.take(ONE) is None
        took = loop.time() - began
        tried = took / (SKIP_S + TAKE_S)
        assert tried - 2 < redis.asked - 1 <= tried + 1
        assert len(said) <= took / SKIP_S + 1, [entry["event"] for entry in said]
        assert FAIL_OPEN._value.get() - open_before == 10 * A_CALL + 100
        redis.hangs = False
        await asyncio.sleep(SKIP_S)
        assert await buckets.take(ONE) is not None, "limits are kept again"
        assert await buckets.take(ONE) is not None

    play(seed, scene)


def test_while_one_finds_out_the_others_pass_at_once() -> None:
    async def scene(loop: VirtualLoop, _: random.Random) -> None:
        redis, buckets = made()
        redis.hangs = True
        await buckets.take(ONE)
        await asyncio.sleep(SKIP_S)
        redis.asked = 0
        finding = asyncio.ensure_future(buckets.take(ONE))
        await asyncio.sleep(TAKE_S / 2)
        began = loop.time()
        assert await buckets.take(ONE) is None
        assert (loop.time(), redis.asked, finding.done()) == (began, 1, False)
        await finding

    play(1, scene)


def test_a_burst_takes_few_calls() -> None:
    async def scene(_: VirtualLoop, __: random.Random) -> None:
        redis, buckets = made()
        assert None not in await asyncio.gather(*(buckets.take(ONE) for _ in range(10 * A_CALL)))
        assert redis.most == 1
        assert 10 <= redis.asked <= 11  # the first may begin before all have asked

    play(1, scene)
