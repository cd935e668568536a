"""Who is connected where, in Redis: written by websocket instances, read by user, notification and websocket.

`routes:<instance>` is the set of people with a socket on that instance. It lives as long as the instance's
heartbeat, so a killed instance takes all its people with it, and one lookup per instance answers for any
number of people. `lingering` holds who closed the last socket less than 10 s ago: they still count as online.
"""

import time
from collections.abc import Awaitable, Iterator, Sequence
from typing import Any, Final, cast

from tidings.platform.redis import Client

HEARTBEAT_S: Final = 3.0
TTL_S: Final = 10  # an instance silent for this long is gone
EVERYONE: Final = "*"  # a member of the set that says: all people of the instance are in it
A_CALL: Final = 1000  # people
CLOCK_AGE_S: Final = 10.0  # how long it is trusted that two clocks go alike
LINGER_S: Final = 10.0  # contract: offline comes 10 s after the last socket closed


class Presence:
    """The presence keys of one system."""

    def __init__(self, redis: Client, namespace: str) -> None:
        self._redis = redis
        self._instances = f"{namespace}:instances"
        self._lingering = f"{namespace}:lingering"
        self._routes = f"{namespace}:routes:"
        self._ahead_ms, self._compared_at = 0, -CLOCK_AGE_S

    async def _now_ms(self) -> int:
        """The time by the clock of Redis, which all instances share: a wrong one of theirs makes nobody look gone."""
        now = time.monotonic()
        if now - self._compared_at >= CLOCK_AGE_S:
            seconds, micros = await self._redis.time()
            self._ahead_ms, self._compared_at = seconds * 1000 + micros // 1000 - int(now * 1000), now
        return int(now * 1000) + self._ahead_ms

    async def beat(self, instance: str) -> bool:
        """Keep an instance's people alive for another TTL. False: Redis has forgotten them, register everyone anew.
        That there is a set says nothing: it could be of those alone who came after the others were forgotten."""
        now_ms = await self._now_ms()
        pipe = self._redis.pipeline(transaction=False)
        pipe.zadd(self._instances, {instance: now_ms + TTL_S * 1000})
        pipe.zremrangebyscore(self._instances, 0, now_ms - 60_000)
        pipe.expire(self._routes + instance, TTL_S)
        pipe.sismember(self._routes + instance, EVERYONE)
        results = await pipe.execute()
        return bool(results[3])

    async def register(self, instance: str, user_ids: Sequence[str]) -> None:
        """Register everyone of an instance; `beat` is content from then on, unless they were forgotten meanwhile."""
        await self.add(instance, user_ids)
        pipe = self._redis.pipeline(transaction=False)
        pipe.sadd(self._routes + instance, EVERYONE)
        pipe.scard(self._routes + instance)
        pipe.expire(self._routes + instance, TTL_S)
        _, count, _ = await pipe.execute()
        if count <= len(user_ids):
            await self._redis.srem(self._routes + instance, EVERYONE)

    async def add(self, instance: str, user_ids: Sequence[str]) -> None:
        """Register people on an instance (before they get `ready`)."""
        for some in _batched(user_ids):
            pipe = self._redis.pipeline(transaction=False)
            pipe.sadd(self._routes + instance, *some)
            pipe.expire(self._routes + instance, TTL_S)
            pipe.zrem(self._lingering, *some)
            await pipe.execute()

    async def remove(self, instance: str, user_ids: Sequence[str]) -> None:
        """The last sockets of these people on this instance closed."""
        for some in _batched(user_ids):
            now_ms = await self._now_ms()
            pipe = self._redis.pipeline(transaction=False)
            pipe.srem(self._routes + instance, *some)
            pipe.zadd(self._lingering, dict.fromkeys(some, now_ms))
            await pipe.execute()

    async def forget(self, instance: str) -> None:
        """Drop an instance and all its people: it stopped, or nobody heard a publish to it."""
        pipe = self._redis.pipeline(transaction=False)
        pipe.delete(self._routes + instance)
        pipe.zrem(self._instances, instance)
        await pipe.execute()

    async def instances(self) -> list[str]:
        """The instances whose heartbeat is not too old."""
        found = cast("list[bytes]", await self._redis.zrangebyscore(self._instances, await self._now_ms(), "+inf"))
        return [name.decode() for name in found]

    async def located(self, instances: Sequence[str], user_ids: Sequence[str]) -> list[list[bool]]:
        """Per instance, for each of these people: have they a socket there?"""
        if not instances or not user_ids:
            return [[False] * len(user_ids) for _ in instances]
        pipe = self._redis.pipeline(transaction=False)
        for instance in instances:
            pipe.execute_command("SMISMEMBER", self._routes + instance, *user_ids)
        return [[bool(flag) for flag in row] for row in await pipe.execute()]

    async def online(self, user_ids: Sequence[str], *, lingering: bool = True) -> list[bool]:
        """Who is online, in the order asked. Without `lingering`: who has a socket at this moment."""
        if not user_ids:
            return []
        rows = await self.located(await self.instances(), user_ids)
        found = [any(column) for column in zip(*rows, strict=True)] if rows else [False] * len(user_ids)
        if lingering and not all(found):
            since = await self._now_ms() - int(LINGER_S * 1000)
            scores = await cast(
                "Awaitable[list[Any]]",
                self._redis.execute_command("ZMSCORE", self._lingering, *user_ids),  # type: ignore[no-untyped-call]
            )
            found = [seen or (s is not None and float(s) > since) for seen, s in zip(found, scores, strict=True)]
        return found

    async def lapse(self) -> list[str]:
        """Take the people whose linger time is over; each is told to exactly one caller."""
        until = await self._now_ms() - int(LINGER_S * 1000)
        script = (
            "local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, 1000) "
            "if #due > 0 then redis.call('ZREM', KEYS[1], unpack(due)) end return due"
        )
        due = await cast("Awaitable[list[bytes]]", self._redis.eval(script, 1, self._lingering, str(until)))
        return [user_id.decode() for user_id in due]


def _batched(user_ids: Sequence[str]) -> Iterator[Sequence[str]]:
    """As many as one call may name."""
    return (user_ids[start : start + A_CALL] for start in range(0, len(user_ids), A_CALL))
