"""Windows of events."""

import asyncio
from collections.abc import Sequence

import pytest

from tidings.notification.collect import Collector


async def test_what_comes_together_is_worked_on_together() -> None:
    seen: list[list[int]] = []

    async def work(items: Sequence[int]) -> None:
        seen.append(list(items))

    collector = Collector(work, 0.05, 0.05)
    await asyncio.gather(collector.give([1, 2]), collector.give([3]))
    await collector.give([4])
    await collector.give([])
    assert seen == [[1, 2, 3], [4]]


async def test_a_failure_reaches_every_giver() -> None:
    async def work(_: Sequence[int]) -> None:
        raise ValueError("no")

    collector = Collector(work, 0.01, 0.01)
    results = await asyncio.gather(collector.give([1]), collector.give([2]), return_exceptions=True)
    assert [type(result) for result in results] == [ValueError, ValueError]


async def test_hurry_ends_the_wait() -> None:
    async def work(_: Sequence[int]) -> None:
        return None

    collector = Collector(work, 60, 60)
    given = asyncio.create_task(collector.give([1]))
    await asyncio.sleep(0)
    collector.hurry()
    await asyncio.wait_for(given, 1)


async def test_a_giver_that_goes_away_does_not_stop_the_others() -> None:
    seen: list[int] = []

    async def work(items: Sequence[int]) -> None:
        seen.extend(items)

    collector = Collector(work, 0.02, 0.02)
    first, second = asyncio.create_task(collector.give([1])), asyncio.create_task(collector.give([2]))
    await asyncio.sleep(0)
    first.cancel()
    await second
    with pytest.raises(asyncio.CancelledError):
        await first
    assert seen == [1, 2]
