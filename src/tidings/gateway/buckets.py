"""Token buckets in Redis: one Lua call takes from all buckets of a request, or from none.

Without Redis there is no rate limit, and no request waits for one: a hanging Redis must not use up the time that the
policy has for an answer.
"""

import asyncio
from typing import Final, cast

import msgspec
from prometheus_client import Counter

from tidings.contracts.times import now_ms
from tidings.platform import logging, metrics
from tidings.platform.redis import UNREACHABLE, Client

_log = logging.get(__name__)

TAKE_S: Final = 0.2  # that a request waits for its buckets; Redis takes about a millisecond
SKIP_S: Final = 1.0  # after a failure until one request asks again
CALLS: Final = 32  # at once, half of the connections: one call more than those fails, as if Redis were away

FAIL_OPEN = Counter("tidings_gateway_rate_limit_open_total", "Requests let through because Redis did not answer")
REFUSED = Counter("tidings_gateway_rate_limited_total", "Requests refused by a rate limit", ["bucket"])

# KEYS: buckets. ARGV: now in ms, then rate per second and size of each. Answers the index of the empty bucket (0:
# none), what it has left, and how many ms until it has one token.
_TAKE: Final = """
local now = tonumber(ARGV[1])
local levels = {}
for i, key in ipairs(KEYS) do
  local rate, size = tonumber(ARGV[i * 2]), tonumber(ARGV[i * 2 + 1])
  local found = redis.call('HMGET', key, 'level', 'at')
  local level = size
  if found[1] then
    level = math.min(size, tonumber(found[1]) + math.max(0, now - tonumber(found[2])) * rate / 1000)
  end
  if level < 1 then return {i, math.floor(level), math.ceil((1 - level) * 1000 / rate)} end
  levels[i] = level - 1
end
for i, key in ipairs(KEYS) do
  local rate, size = tonumber(ARGV[i * 2]), tonumber(ARGV[i * 2 + 1])
  redis.call('HSET', key, 'level', tostring(levels[i]), 'at', ARGV[1])
  redis.call('PEXPIRE', key, math.ceil(size * 1000 / rate) + 1000)
end
return {0, 0, 0}
"""


class Bucket(msgspec.Struct, frozen=True):
    """What a request takes a token from."""

    name: str
    key: str
    per_second: int
    size: int


class Empty(msgspec.Struct):
    """The bucket that had no token left."""

    bucket: Bucket
    remaining: int
    retry_ms: int


class Buckets:
    """The buckets of one system. Owner of whether Redis is asked: while it hangs, one request a second finds out."""

    def __init__(self, redis: Client, namespace: str) -> None:
        self._script = redis.register_script(_TAKE)
        self._prefix = f"{namespace}:rate:"
        self._calls = asyncio.Semaphore(CALLS)
        self._heard_at = -1.0  # when Redis last answered, or was last found not to
        self._skip_until = 0.0  # 0: it answers

    async def take(self, buckets: list[Bucket]) -> Empty | None:
        """Take one token from each. None: the request may pass. Without Redis all pass, and a metric tells."""
        if not buckets:
            return None
        arguments = [str(now_ms())]
        for bucket in buckets:
            arguments += [str(bucket.per_second), str(bucket.size)]
        async with self._calls:
            found = await self._ask([self._prefix + b.key for b in buckets], arguments)
        if found is None:
            FAIL_OPEN.inc()
            return None
        index, remaining, retry_ms = found
        if index == 0:
            return None
        REFUSED.labels(buckets[index - 1].name).inc()
        return Empty(buckets[index - 1], remaining, max(1, retry_ms))

    async def _ask(self, keys: list[str], arguments: list[str]) -> list[int] | None:
        """What the script answers; None where Redis does not, or did not just now."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        if began < self._skip_until:
            return None
        if self._skip_until:
            self._skip_until = began + SKIP_S  # this one finds out, the others go on passing
        try:
            async with asyncio.timeout(TAKE_S):
                found = cast("list[int]", await self._script(keys, arguments))
        except UNREACHABLE as error:
            if self._heard_at <= began:  # else another told it already, or had an answer: then only this one passes
                self._heard_at = loop.time()
                self._skip_until = self._heard_at + SKIP_S
                metrics.DEPENDENCY.labels("redis").inc()
                _log.warning("rate limits are not kept", error=repr(error), seconds=SKIP_S)
            return None
        self._heard_at, self._skip_until = loop.time(), 0.0
        return found
