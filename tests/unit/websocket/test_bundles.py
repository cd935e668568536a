"""Numbered bundles: whatever is lost shows."""

import asyncio
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.exceptions import RedisError

from tidings.websocket.bundles import Bundle, Bundles, Item, Tracker
from tidings.websocket.hub import Hub

ITEM = [Item(["u"], b"{}")]


def told(numbers: list[int], lost: set[int]) -> bool:
    """Whether a tracker that hears these, heartbeats after each, notices something."""
    tracker = Tracker()
    tracker.heard(Bundle("a/1", 0, []), 0)
    fine = True
    for number in numbers:
        if number not in lost:
            fine &= tracker.heard(Bundle("a/1", number, ITEM), 0)
        fine &= tracker.heard(Bundle("a/1", number, []), 0)
    return not fine


@given(st.integers(1, 20), st.sets(st.integers(1, 20)))
def test_a_lost_bundle_is_noticed_and_only_that(count: int, lost: set[int]) -> None:
    lost = {number for number in lost if number <= count}
    assert told(list(range(1, count + 1)), lost) == bool(lost)


def test_silence_is_told_once_and_the_gone_are_forgotten() -> None:
    tracker = Tracker()
    tracker.heard(Bundle("a/1", 0, []), 0)
    assert tracker.silent(["a"], 2) == []
    assert tracker.silent(["a"], 4) == ["a/1"]
    assert tracker.silent(["a"], 5) == []
    assert tracker.silent([], 9) == []
    assert tracker.silent(["a"], 20) == []


def test_a_publisher_that_was_there_before_us_may_have_sent_what_we_missed() -> None:
    assert not Tracker().heard(Bundle("a/1", 7, []), 0)


class Redis:
    """Takes each publish on a connection of its own: the first one is slow, and may be lost."""

    def __init__(self, loses_first: bool) -> None:
        self.begun, self.arrived, self._loses = 0, list[Bundle](), loses_first
        self.first_may_end = asyncio.Event()

    async def publish(self, _: str, body: bytes) -> int:
        self.begun += 1
        if self.begun == 1:
            await self.first_may_end.wait()
            if self._loses:
                raise RedisError
        self.arrived.append(msgspec.msgpack.decode(body, type=Bundle))
        return 1


class Everywhere:
    """Everyone is on every instance."""

    async def located(self, others: list[str], people: list[str]) -> list[list[bool]]:
        return [[True] * len(people) for _ in others]


@pytest.mark.parametrize("lost", [False, True])
async def test_a_slow_publish_is_not_overtaken_and_a_failed_one_shows(lost: bool) -> None:
    redis, nothing = Redis(lost), type("Hub", (), {"deliver": lambda *_, **__: None})()
    here: Any = (redis, Everywhere(), nothing)
    bundles = Bundles(*here, "ws-1", "life", "tidings")
    bundles.others = ["ws-2"]
    sending = [asyncio.create_task(bundles.deliver([Item(["u"], b"%d" % n)])) for n in range(5)]
    async with asyncio.timeout(5):
        while not redis.begun:
            await asyncio.sleep(0)
        for _ in range(50):  # as far as the others come while the first one is under way
            await asyncio.sleep(0)
        redis.first_may_end.set()
        await asyncio.gather(*sending)
    tracker = Tracker()
    heard = [tracker.heard(bundle, 0) for bundle in redis.arrived]
    assert [bundle.number for bundle in redis.arrived] == list(range(2 if lost else 1, 6))
    assert [bundle.items[0].frame for bundle in redis.arrived] == [b"%d" % n for n in range(lost, 5)]
    assert heard == ([not lost] + [True] * (3 if lost else 4)), "a loss shows once, and nothing else does"


class Found:
    """The instances that are there; nobody else is of interest."""

    def __init__(self) -> None:
        self.there = ["ws-1", "ws-2"]

    async def instances(self) -> list[str]:
        return self.there

    async def located(self, others: list[str], people: list[str]) -> list[list[bool]]:
        return [[True] * len(people) for _ in others]


async def test_an_instance_that_was_out_of_sight_learns_that_it_missed_something() -> None:
    redis, found = Redis(False), Found()
    redis.first_may_end.set()
    here: Any = (redis, found, Hub(0))
    bundles, tracker = Bundles(*here, "ws-1", "life", "tidings"), Tracker()

    def heard() -> list[bool]:
        """What the other one thinks of all that reached it."""
        told = [tracker.heard(bundle, 0) for bundle in redis.arrived]
        redis.arrived.clear()
        return told

    await bundles.look()
    for _ in range(2):
        await bundles.deliver(ITEM)
    assert heard() == [True, True]
    for _ in range(2):  # as often as it happens
        found.there = ["ws-1"]
        await bundles.look()
        await bundles.deliver(ITEM)
        assert heard() == []
        found.there = ["ws-1", "ws-2"]
        await bundles.look()
        await bundles.deliver(ITEM)
        await bundles.deliver(ITEM)
        assert heard() == [False, True]
    found.there = ["ws-1", "ws-2", "ws-3"]
    await bundles.look()
    tracker = Tracker()  # of a new one, that greeted people before this one knew of it
    await bundles._publish("ws-3", [])
    assert heard() == [False]
