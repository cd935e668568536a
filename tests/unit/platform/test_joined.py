"""Lookups joined: fewer queries, and nobody is answered by one that began before they asked."""

import asyncio
from collections.abc import Collection

import pytest

from tidings.platform.joined import Joined


class Source:
    """Answers each key with the number of the query, when it is let."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.gates: list[asyncio.Future[None]] = []

    async def load(self, keys: Collection[str]) -> dict[str, int]:
        self.asked.append(sorted(keys))
        gate: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.gates.append(gate)
        number = len(self.asked)
        await gate
        return {key: number for key in keys if key != "nobody"}

    async def under_way(self, count: int) -> None:
        while len(self.gates) < count:
            await asyncio.sleep(0)


async def test_what_comes_while_a_query_is_under_way_is_asked_together_after_it() -> None:
    source = Source()
    lookups = Joined(source.load)
    first = asyncio.create_task(lookups.get(["a"]))
    await source.under_way(1)
    later = [asyncio.create_task(lookups.get(keys)) for keys in (["a", "b"], ["b", "nobody"], ["c"])]
    await asyncio.sleep(0)
    assert source.asked == [["a"]]
    source.gates[0].set_result(None)
    await source.under_way(2)
    source.gates[1].set_result(None)
    # The second to ask for `a` is not answered by the query that was under way when it asked.
    assert await first == {"a": 1}
    assert [await each for each in later] == [{"a": 2, "b": 2}, {"b": 2}, {"c": 2}]
    assert source.asked == [["a"], ["a", "b", "c", "nobody"]]


async def test_who_asks_in_the_same_turn_of_the_loop_is_asked_for_together() -> None:
    source = Source()
    lookups = Joined(source.load)
    asking = [asyncio.create_task(lookups.get(keys)) for keys in (["a"], ["b"], ["c"])]
    await source.under_way(1)
    source.gates[0].set_result(None)
    assert [await each for each in asking] == [{"a": 1}, {"b": 1}, {"c": 1}]
    assert source.asked == [["a", "b", "c"]]


async def test_an_error_is_told_to_all_who_asked_with_it_and_to_nobody_else() -> None:
    source = Source()
    lookups = Joined(source.load)
    first = asyncio.create_task(lookups.get(["a"]))
    await source.under_way(1)
    second = asyncio.create_task(lookups.get(["b"]))
    await asyncio.sleep(0)
    source.gates[0].set_exception(OSError("away"))
    with pytest.raises(OSError, match="away"):
        await first
    await source.under_way(2)
    source.gates[1].set_result(None)
    assert await second == {"b": 2}


async def test_who_gives_up_takes_nothing_from_the_others() -> None:
    source = Source()
    lookups = Joined(source.load)
    first = asyncio.create_task(lookups.get(["z"]))
    await source.under_way(1)
    gone, stays = asyncio.create_task(lookups.get(["a"])), asyncio.create_task(lookups.get(["a"]))
    await asyncio.sleep(0)
    gone.cancel()
    source.gates[0].set_result(None)
    await source.under_way(2)
    source.gates[1].set_result(None)
    assert await stays == {"a": 2}
    assert gone.cancelled()
    await first


async def test_a_query_has_a_bound() -> None:
    source = Source()
    lookups = Joined(source.load, most=3)
    asking = asyncio.create_task(lookups.get([f"{n}" for n in range(7)]))
    for number in (1, 2, 3):
        await source.under_way(number)
        source.gates[number - 1].set_result(None)
    assert await asking == {"0": 1, "1": 1, "2": 1, "3": 2, "4": 2, "5": 2, "6": 3}


async def test_a_slow_query_holds_up_no_others_where_more_are_allowed() -> None:
    source = Source()
    lookups = Joined(source.load, most=2, at_once=2)
    asking = [asyncio.create_task(lookups.get([f"{n}"])) for n in range(6)]
    await source.under_way(2)
    for _ in range(5):
        await asyncio.sleep(0)
    assert source.asked == [["0", "1"], ["2", "3"]]
    source.gates[1].set_result(None)  # the first is slow
    await source.under_way(3)
    source.gates[2].set_result(None)
    assert [await each for each in asking[2:]] == [{"2": 2}, {"3": 2}, {"4": 3}, {"5": 3}]
    assert not asking[0].done()
    source.gates[0].set_result(None)
    assert [await each for each in asking[:2]] == [{"0": 1}, {"1": 1}]
