"""Frames for people on other instances: one numbered Redis publish per instance and batch, so that a loss shows.

An instance that sees a number missing, hears nothing of a live publisher for 3 s, or had to subscribe again tells
its sockets to `resync`, spread over some seconds.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from tidings.platform import logging, metrics
from tidings.platform.presence import Presence
from tidings.platform.redis import UNREACHABLE, Client
from tidings.websocket.hub import Hub

_log = logging.get(__name__)

BEAT_S: Final = 1.0
SILENCE_S: Final = 3.0


class Item(msgspec.Struct, array_like=True):
    """A frame and the people it is for."""

    users: list[str]
    frame: bytes
    origin: str | None = None
    light: bool = False


class Bundle(msgspec.Struct, array_like=True):
    """What one instance tells another; `number` counts per pair, a heartbeat repeats the last one."""

    publisher: str
    number: int
    items: list[Item]


_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(Bundle)


class Tracker:
    """What was heard of each publisher. No I/O."""

    def __init__(self) -> None:
        self._last: dict[str, tuple[int, float]] = {}

    def heard(self, bundle: Bundle, now: float) -> bool:
        """Note a bundle. False: something before it was lost."""
        known = self._last.get(bundle.publisher)
        self._last[bundle.publisher] = (bundle.number, now)
        if known is None:
            return bundle.number <= (1 if bundle.items else 0)
        return bundle.number == known[0] + (1 if bundle.items else 0)

    def silent(self, live: Sequence[str], now: float) -> list[str]:
        """Live publishers that have been silent; each is told of once. Those that are gone are forgotten."""
        for name in [n for n in self._last if n.rpartition("/")[0] not in live]:
            del self._last[name]
        quiet = [name for name, (_, at) in self._last.items() if now - at > SILENCE_S]
        for name in quiet:
            self._last[name] = (self._last[name][0], now)
        return quiet


class Bundles:
    """Owner of the numbers and of the subscription of this instance."""

    def __init__(
        self,
        redis: Client,
        presence: Presence,
        hub: Hub,
        me: str,
        incarnation: str,
        namespace: str,
    ) -> None:
        self._redis, self._presence, self._hub = redis, presence, hub
        self._me, self._name = me, f"{me}/{incarnation}"
        self._channel = f"{namespace}:ws:"
        self._numbers: dict[str, int] = {}
        self._most = 0  # of all numbers ever used
        self._turn = asyncio.Lock()  # several connections to Redis: numbers would overtake one another
        self.others: list[str] = []
        self._looked = False
        self._tracker = Tracker()

    async def deliver(self, items: list[Item]) -> None:
        """Send frames to the sockets of these people, here and elsewhere."""
        for item in items:
            self._hub.deliver(item.users, item.frame, item.origin, light=item.light)
        if self.others and items:
            with contextlib.suppress(*UNREACHABLE):
                await self._elsewhere(items)

    async def _elsewhere(self, items: list[Item]) -> None:
        others = list(self.others)
        people = list(dict.fromkeys(user for item in items if len(item.users) <= 64 for user in item.users))
        rows: list[set[str] | None]
        try:
            located = await self._presence.located(others, people)
            rows = [{p for p, here in zip(people, row, strict=True) if here} for row in located]
        except UNREACHABLE:
            rows = [None] * len(others)  # ask nobody, tell everyone
        for other, here in zip(others, rows, strict=True):
            chosen = []
            for item in items:
                users = item.users if here is None or len(item.users) > 64 else [u for u in item.users if u in here]
                if users:
                    chosen.append(Item(users, item.frame, item.origin, item.light))
            if chosen:
                await self._publish(other, chosen)

    async def _publish(self, other: str, items: list[Item]) -> None:
        async with self._turn:
            await self._publish_next(other, items)

    async def _publish_next(self, other: str, items: list[Item]) -> None:
        # Counted before it is sent: what is lost on the way shows as a jump.
        number = self._numbers[other] = self._numbers.get(other, 0) + (1 if items else 0)
        self._most = max(self._most, number)
        body = _ENCODER.encode(Bundle(self._name, number, items))
        try:
            reached = await self._redis.publish(self._channel + other, body)
            if not reached and items:
                await self._presence.forget(other)
        except UNREACHABLE as error:
            metrics.DEPENDENCY.labels("redis").inc()
            _log.warning("frames for another instance were lost: it will resync", other=other, error=repr(error))

    async def look(self) -> None:
        """Learn which other instances live. Before the first event is consumed, and each second. One that is found
        later may have had sockets for which this instance published nothing: its numbers begin with a jump."""
        found = [name for name in await self._presence.instances() if name != self._me]
        if self._looked:
            for late in set(found) - set(self.others):
                self._numbers[late] = self._most = self._most + 1
        self.others, self._looked = found, True

    async def beat(self) -> None:
        """Look who is there, and let them know of this instance."""
        while True:
            with contextlib.suppress(*UNREACHABLE):
                await self.look()
                for gone in [name for name in self._numbers if name not in self.others]:
                    del self._numbers[gone]
                for other in self.others:
                    await self._publish(other, [])
                now = asyncio.get_running_loop().time()
                for name in self._tracker.silent(self.others, now):
                    _log.warning("another instance is silent", other=name)
                    self._hub.resync("silence")
            await asyncio.sleep(BEAT_S)

    async def receive(self, listener: Client) -> None:
        """Deliver what others send, for as long as the process lives. A subscription holds a connection of its own."""
        first = True
        while True:
            try:
                async with listener.pubsub(ignore_subscribe_messages=True) as channel:
                    await channel.subscribe(self._channel + self._me)
                    if not first:
                        self._hub.resync("subscribed again")
                    first = False
                    while True:
                        message: Any = await channel.get_message(timeout=5.0)
                        if message is not None:
                            self._take(_DECODER.decode(message["data"]))
            except UNREACHABLE as error:
                first = False
                metrics.DEPENDENCY.labels("redis").inc()
                _log.warning("subscription lost", error=repr(error))
                await asyncio.sleep(0.2)

    def _take(self, bundle: Bundle) -> None:
        if not self._tracker.heard(bundle, asyncio.get_running_loop().time()):
            self._hub.resync("lost frames")
        for item in bundle.items:
            self._hub.deliver(item.users, item.frame, item.origin, light=item.light)
