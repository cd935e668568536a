"""Natural batching under drawn schedules in virtual time: each item that was taken is answered once, in its order.

`TIDINGS_SCHEDULES=5000` plays more than the few of each run.
"""

import asyncio
import random
from collections.abc import Sequence

import pytest
from tests.support.virtual_loop import SCHEDULES, VirtualLoop, play, start

from tidings.contracts.errors import ApiError
from tidings.websocket.batch import Batcher

BUG_SCHEDULES = 100
MOST, ROOM = 4, 12


async def scene(loop: VirtualLoop, dice: random.Random) -> tuple[list[str], list[int]]:
    """What is wrong, and the order in which items were answered."""
    wrong: list[str] = []
    answered: list[int] = []
    under_way = 0

    async def work(items: Sequence[int]) -> None:
        nonlocal under_way
        under_way += 1
        if under_way > 1:
            wrong.append("two calls under way")
        if not 1 <= len(items) <= MOST:
            wrong.append(f"a batch of {len(items)}")
        try:
            await asyncio.sleep(dice.choice([0.0, 0.001, 0.05]))
            if dice.random() < 0.2:
                raise dice.choice([ApiError("unavailable"), RuntimeError("a fault of ours")])
            answered.extend(items)
        finally:
            under_way -= 1

    batcher = Batcher(
        "test", work, lambda item, _: answered.append(item), most=MOST, room=ROOM, pause_s=dice.choice([0.0, 0.02])
    )
    running = start(loop, "", batcher.run())
    taken: list[int] = []

    async def client(number: int) -> None:
        for turn in range(20):
            await asyncio.sleep(dice.choice([0.0, 0.0, 0.001, 0.1]))
            item = number * 100 + turn
            waiting = len(batcher)
            if batcher.put(item):
                taken.append(item)
            elif waiting < ROOM:
                wrong.append(f"refused with {waiting} waiting")
            if len(batcher) > ROOM:
                wrong.append("more waits than there is room for")

    await asyncio.gather(*(start(loop, "", client(number)) for number in range(4)))
    await batcher.drain()
    if answered != taken:
        wrong.append("not each once and in order")
    running.cancel()
    return wrong, answered


def first_found() -> int | None:
    return next((seed for seed in range(BUG_SCHEDULES) if play(seed, scene)[0]), None)


def test_what_is_taken_is_answered_once_and_in_order() -> None:
    assert not {seed: wrong for seed in range(SCHEDULES // 4) if (wrong := play(seed, scene)[0])}, "by seed"


def test_a_batcher_that_forgets_what_failed_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    init = Batcher.__init__

    def forgetful(self: Batcher[int], name: str, work: object, fail: object, **more: object) -> None:
        init(self, name, work, lambda *_: None, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(Batcher, "__init__", forgetful)
    assert first_found() is not None


def test_a_batcher_with_two_calls_under_way_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Batcher.run

    async def twice(self: Batcher[int]) -> None:
        await asyncio.gather(run(self), run(self))

    monkeypatch.setattr(Batcher, "run", twice)
    assert first_found() is not None
