"""What a writer owes to consumers: every stored entry is published, whatever happened to NATS."""

import asyncio
from collections.abc import AsyncIterator
from typing import cast

from hypothesis import given
from hypothesis import strategies as st

from tidings.message.log import Document
from tidings.message.publish import Publisher
from tidings.message.settings import Settings
from tidings.message.store import Store
from tidings.message.writer import InFlight, Writer


def name(number: int) -> str:
    return f"{number:05d}0"


@given(st.lists(st.sampled_from(["begin", "done", "leave", "take", "published"]), max_size=40))
def test_the_checkpoint_never_passes_an_unpublished_batch(acts: list[str]) -> None:
    in_flight, count = InFlight(), 0
    unpublished: set[int] = set()
    open_: list[tuple[int, int]] = []
    left: set[int] = set()
    taken: set[int] = set()
    for act in acts:
        if act == "begin":
            count += 1
            open_.append((in_flight.begin(name(count), name(count)), count))
            unpublished.add(count)
        elif act == "done" and open_:
            token, number = open_.pop(0)
            in_flight.done(token)
            unpublished.discard(number)
        elif act == "leave" and open_:
            token, number = open_.pop()
            in_flight.leave(token)
            left.add(number)
        elif act == "take":
            span = in_flight.take_left()
            if not taken:
                taken, left = left, set()
            assert (span is None) == (not taken)
        elif act == "published" and taken:
            in_flight.left_published()
            unpublished -= taken
            taken = set()
        assert all(in_flight.through() < name(number) for number in unpublished)
        assert in_flight.held == len(open_)


class Log:
    """A store that has the entries 1 to 9 of the writer."""

    async def written_after(self, _: str, after: str) -> AsyncIterator[Document]:
        for number in range(1, 10):
            if name(number) > after:
                yield {"_id": name(number), "kind": "message"}

    async def apply(self, updates: object) -> None:
        assert not updates


class Nats:
    """A publisher that is away at first."""

    def __init__(self) -> None:
        self.reachable = False
        self.told: list[str] = []

    async def publish(self, documents: list[Document], _: object) -> None:
        self.told += [document["_id"] for document in documents]


async def test_what_was_left_to_the_log_is_published_when_nats_is_back() -> None:
    nats = Nats()
    writer = Writer(cast("Store", Log()), cast("Publisher", nats), Settings(), "message-1")
    for number in (3, 4, 5):
        writer.in_flight.leave(writer.in_flight.begin(name(number), name(number)))
    working = asyncio.create_task(writer.catch_up())
    await asyncio.sleep(1.2)
    assert nats.told == []
    nats.reachable = True
    async with asyncio.timeout(5):
        while len(writer.in_flight):
            await asyncio.sleep(0.05)
    working.cancel()
    assert nats.told == [name(3), name(4), name(5)]
    assert writer.in_flight.through() == name(5)
