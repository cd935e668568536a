"""Who is served, who waits, who is told to come later: in any order of coming, ending and giving up."""

import asyncio
import contextlib
import random

import pytest
from tests.support.virtual_loop import SCHEDULES, VirtualLoop, play

from tidings.chat.admission import LONGEST_S, Admission
from tidings.contracts.errors import ApiError

MOST = 4


@pytest.mark.parametrize("seed", range(SCHEDULES))
def test_never_more_than_there_are_places_and_no_place_is_lost(seed: int) -> None:
    async def scene(_: VirtualLoop, dice: random.Random) -> None:
        admission = Admission(MOST)
        inside = 0

        async def one() -> None:
            nonlocal inside
            await asyncio.sleep(dice.uniform(0, 2))
            async with admission.turn():
                inside += 1
                assert inside <= MOST
                try:
                    await asyncio.sleep(dice.uniform(0, 0.2))
                    if dice.random() < 0.1:
                        raise OSError
                finally:
                    inside -= 1

        tasks = [asyncio.create_task(one()) for _ in range(60)]
        for _ in range(20):  # some give up, where they wait or while they are served
            await asyncio.sleep(0.1)
            dice.choice(tasks).cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        assert not [e for e in ended if isinstance(e, AssertionError)]
        assert any(e is None for e in ended)
        async with contextlib.AsyncExitStack() as stack:  # all places are free again
            for _ in range(MOST):
                await asyncio.wait_for(stack.enter_async_context(admission.turn()), 0.001)

    play(seed, scene)


def test_who_waits_is_served_in_the_order_of_coming() -> None:
    async def scene(_: VirtualLoop, __: random.Random) -> None:
        admission, order = Admission(1), list[int]()

        async def one(number: int) -> None:
            await asyncio.sleep(number / 1000)
            async with admission.turn():
                order.append(number)
                await asyncio.sleep(0.1)

        await asyncio.gather(*(one(number) for number in range(20)))
        assert order == list(range(20))

    play(1, scene)


def test_a_crowd_comes_back_at_the_pace_at_which_it_is_served() -> None:
    """400 come at once where 20 a second can be served: nearly all are refused once, and nobody over and over."""

    async def scene(loop: VirtualLoop, _: random.Random) -> None:
        admission, refused, last = Admission(MOST), [0] * 400, 0.0

        async def one(number: int) -> None:
            nonlocal last
            await asyncio.sleep(number * 0.005)
            while True:
                try:
                    async with admission.turn():
                        await asyncio.sleep(MOST / 20)
                        last = loop.time()
                        return
                except ApiError as error:
                    refused[number] += 1
                    told.append((error.code, (error.retry_after_ms or 0) / 1000))
                await asyncio.sleep(told[-1][1])

        told: list[tuple[str, float]] = []
        await asyncio.gather(*(one(number) for number in range(400)))
        assert all(code == "overloaded" and 1 <= wait_s <= LONGEST_S for code, wait_s in told)
        assert sum(refused) < 3 * 400
        assert last < 1.3 * 400 / 20, "the places were taken all the time, nearly"

    play(1, scene)


def test_who_waits_for_what_hangs_is_told_to_come_again_and_all_is_well_after() -> None:
    async def scene(loop: VirtualLoop, _: random.Random) -> None:
        admission = Admission(MOST)
        hangs = asyncio.Event()

        async def one() -> str:
            try:
                async with admission.turn():
                    await hangs.wait()
                    return "served"
            except ApiError as error:
                assert (error.retry_after_ms or 0) <= 1000 * LONGEST_S  # noqa: PT017
                return error.code

        waiting = [asyncio.create_task(one()) for _ in range(200)]
        await asyncio.sleep(60)
        hangs.set()
        told = [await task for task in waiting]
        assert (told.count("served"), told.count("overloaded")) == (MOST, 200 - MOST)
        began = loop.time()
        assert [await task for task in [asyncio.create_task(one()) for _ in range(2 * MOST)]] == ["served"] * 2 * MOST
        assert loop.time() - began < 1

    play(1, scene)
