"""Who is where, as Redis knows it, is what is so again after Redis was away; whoever was missing there syncs."""

import asyncio
import contextlib
import itertools
import random
from collections.abc import Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from redis.exceptions import RedisError

from tidings.contracts.events import PresenceChanged
from tidings.platform.presence import EVERYONE
from tidings.websocket.hub import Hub
from tidings.websocket.people import People
from tidings.websocket.settings import Settings


class Redis:
    """Presence in memory, each call on a connection of its own. While away, each fails; `late`: it is done all the
    same."""

    def __init__(self, seed: int) -> None:
        self.away, self.late, self.there = False, False, {EVERYONE}
        self._random = random.Random(seed)

    async def _call(self) -> bool:
        for _ in range(self._random.choice((0, 0, 1, 9))):
            await asyncio.sleep(0)
        if self.away and not self.late:
            raise RedisError
        return self.away

    def _answer(self, away: bool) -> None:
        if away:
            raise RedisError

    async def beat(self, _: str) -> bool:
        self._answer(await self._call())
        return EVERYONE in self.there

    async def register(self, _: str, user_ids: Sequence[str]) -> None:
        away = await self._call()
        self.there |= {EVERYONE, *user_ids}
        self._answer(away)

    async def add(self, _: str, user_ids: Sequence[str]) -> None:
        away = await self._call()
        self.there |= set(user_ids)
        self._answer(away)

    async def remove(self, _: str, user_ids: Sequence[str]) -> None:
        away = await self._call()
        self.there -= set(user_ids)
        self._answer(away)

    async def online(self, user_ids: Sequence[str]) -> list[bool]:
        self._answer(await self._call())
        return [user_id in self.there for user_id in user_ids]


class Socket:
    """One connection: when it was greeted, and whether it was told to sync."""

    def __init__(self, number: int, user_id: str) -> None:
        self.id, self.user_id, self.session_id = f"{number}", user_id, f"{number}"
        self.watching: dict[str, Any] = {}
        self.is_ready, self.missed = False, False

    def ready(self, _: bytes) -> None:
        self.is_ready = True

    def send(self, _: bytes) -> None:
        self.missed = False


class Bus:
    """Who was told to be there."""

    def __init__(self) -> None:
        self.told: list[str] = []

    async def broadcast(self, _: str, *events: PresenceChanged) -> None:
        self.told += [event.user_id for event in events]


def told_at_once(hub: Hub) -> Hub:
    """`resync` without its spreading."""

    def resync(_: str, user_ids: Sequence[str]) -> None:
        for socket in (socket for user_id in user_ids for socket in hub.of(user_id)):
            socket.send(b"")

    hub.resync = resync  # type: ignore[assignment, method-assign]
    return hub


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("arrive"), st.sampled_from("abc")),
        st.tuples(st.just("leave"), st.integers(0, 9)),
        st.tuples(st.sampled_from(["away", "late", "back", "forgotten", "beat"]), st.none()),
        st.tuples(st.just("turns"), st.integers(1, 6)),
    ),
    max_size=40,
)


async def play(steps: list[tuple[str, Any]], seed: int) -> None:
    """The steps, with a frame from elsewhere after each: whoever is greeted but not registered misses it."""
    redis, hub, nothing = Redis(seed), told_at_once(Hub(0)), object()
    here: Any = (hub, redis, nothing, nothing, nothing, Bus(), "ws-1", Settings(), str, lambda: False)
    people = People(*here)
    sockets: list[Any] = []
    numbers = itertools.count()
    running = [asyncio.create_task(work()) for work in (people.welcome, people.farewell)]

    async def turns(count: int) -> None:
        for _ in range(count):
            await asyncio.sleep(0)
            for socket in hub:
                known: Any = socket
                known.missed |= known.is_ready and known.user_id not in redis.there

    async def beat() -> None:
        with contextlib.suppress(RedisError):
            await people._keep()

    for what, value in steps:
        if what == "arrive":
            sockets.append(Socket(next(numbers), value))
            people.arrive(sockets[-1])
        elif what == "leave" and sockets:
            people.leave(sockets.pop(value % len(sockets)))
        elif what == "forgotten":
            redis.there = set()
        elif what == "beat":
            await beat()
        elif what == "turns":
            await turns(value)
        else:
            redis.away, redis.late = what != "back", what == "late"
    redis.away = False
    await turns(60)
    await beat()
    await turns(60)
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    assert redis.there - {EVERYONE} == {socket.user_id for socket in sockets}
    assert all(socket.is_ready for socket in sockets)
    assert not any(socket.missed for socket in sockets)


@settings(max_examples=2000)
@given(STEPS, st.integers(0, 1000))
def test_after_any_outage_everyone_is_registered_and_has_missed_nothing_in_silence(
    steps: list[tuple[str, Any]], seed: int
) -> None:
    asyncio.run(play(steps, seed))


async def test_who_is_registered_late_is_told_to_be_there_then() -> None:
    redis, hub, bus, nothing = Redis(0), Hub(0), Bus(), object()
    here: Any = (hub, redis, nothing, nothing, nothing, bus, "ws-1", Settings(), str, lambda: False)
    people, ann = People(*here), Socket(1, "ann")
    redis.away = True
    welcoming = asyncio.create_task(people.welcome())
    arriving: Any = ann
    people.arrive(arriving)
    while not ann.is_ready:
        await asyncio.sleep(0)
    with contextlib.suppress(RedisError):
        await people._keep()
    redis.away = False
    bus.told.clear()
    await people._keep()
    assert (bus.told, redis.there) == (["ann"], {EVERYONE, "ann"})
    bus.told.clear()
    await people._keep()
    assert bus.told == []
    welcoming.cancel()
