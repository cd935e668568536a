"""Token buckets in Redis: a request takes from all of its buckets, or from none. One Lua call takes for all requests
that came while the one before was under way.

Without Redis there is no rate limit, and no request waits for one: a hanging Redis must not use up the time that the
policy has for an answer.
"""

import asyncio
from collections.abc import Collection
from typing import Final, cast

import msgspec
from prometheus_client import Counter

from tidings.contracts.times import now_ms
from tidings.platform import logging, metrics
from tidings.platform.joined import Joined
from tidings.platform.redis import UNREACHABLE, Client

_log = logging.get(__name__)

TAKE_S: Final = 0.2  # that a request waits for its buckets; Redis takes about a millisecond
SKIP_S: Final = 1.0  # after a failure until one request asks again
A_CALL: Final = 100  # requests

FAIL_OPEN = Counter("tidings_gateway_rate_limit_open_total", "Requests let through because Redis did not answer")
REFUSED = Counter("tidings_gateway_rate_limited_total", "Requests refused by a rate limit", ["bucket"])

# KEYS: buckets. ARGV: now in ms; then for each request how many of the buckets are its, and rate per second and size of
# each. Answers for each request the index of its empty bucket (0: none), what that has left, and how many ms until it
# has one token.
_TAKE: Final = """
local now = tonumber(ARGV[1])
local key, arg, answers = 0, 2, {}
while arg <= #ARGV do
  local count = tonumber(ARGV[arg])
  local levels, empty = {}, nil
  for i = 1, count do
    local rate, size = tonumber(ARGV[arg + i * 2 - 1]), tonumber(ARGV[arg + i * 2])
    local found = redis.call('HMGET', KEYS[key + i], 'level', 'at')
    local level = size
    if found[1] then
      level = math.min(size, tonumber(found[1]) + math.max(0, now - tonumber(found[2])) * rate / 1000)
    end
    if level < 1 then
      empty = {i, math.floor(level), math.ceil((1 - level) * 1000 / rate)}
      break
    end
    levels[i] = level - 1
  end
  if not empty then
    for i = 1, count do
      local rate, size = tonumber(ARGV[arg + i * 2 - 1]), tonumber(ARGV[arg + i * 2])
      redis.call('HSET', KEYS[key + i], 'level', tostring(levels[i]), 'at', ARGV[1])
      redis.call('PEXPIRE', KEYS[key + i], math.ceil(size * 1000 / rate) + 1000)
    end
  end
  for _, number in ipairs(empty or {0, 0, 0}) do table.insert(answers, number) end
  key, arg = key + count, arg + 1 + count * 2
end
return answers
"""


class Bucket(msgspec.Struct, frozen=True):
    """What a request takes a token from."""

    name: str
    key: str
    per_second: int
    size: int


Request = tuple[int, tuple[Bucket, ...]]
"""A number of its own, and what it takes from."""


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
        self._requests = 0
        self._asked = Joined(self._take, A_CALL)
        self._skip_until = 0.0  # 0: it answers

    async def take(self, buckets: list[Bucket]) -> Empty | None:
        """Take one token from each. None: the request may pass. Without Redis all pass, and a metric tells."""
        if not buckets:
            return None
        self._requests += 1  # each takes for itself
        request = (self._requests, tuple(buckets))
        found = None
        if asyncio.get_running_loop().time() >= self._skip_until:
            found = (await self._asked.get([request])).get(request)
        if found is None:
            FAIL_OPEN.inc()
            return None
        index, remaining, retry_ms = found
        if index == 0:
            return None
        REFUSED.labels(buckets[index - 1].name).inc()
        return Empty(buckets[index - 1], remaining, max(1, retry_ms))

    async def _take(self, requests: Collection[Request]) -> dict[Request, tuple[int, int, int]]:
        keys: list[str] = []
        arguments = [str(now_ms())]
        for _, buckets in requests:
            keys += [self._prefix + bucket.key for bucket in buckets]
            arguments.append(str(len(buckets)))
            for bucket in buckets:
                arguments += [str(bucket.per_second), str(bucket.size)]
        found = iter(await self._ask(keys, arguments) or ())
        return dict(zip(requests, zip(found, found, found, strict=True), strict=False))

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
            self._skip_until = loop.time() + SKIP_S
            metrics.DEPENDENCY.labels("redis").inc()
            _log.warning("rate limits are not kept", error=repr(error), seconds=SKIP_S)
            return None
        self._skip_until = 0.0
        return found
