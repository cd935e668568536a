"""Watermarks in MongoDB: whatever comes in whatever order from however many writers, the highest stands."""

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.support.running import Stores

from tidings.message.lookups import Lookups
from tidings.message.store import Mark, Store
from tidings.platform import mongo


@pytest.fixture
async def database(stores: Stores, namespace: str) -> AsyncIterator[Any]:
    async with mongo.connect(stores.environ["TIDINGS_MONGO_URL"], f"{namespace}_message") as found:
        await Store(found).prepare()
        yield found
        await found.client.drop_database(found.name)


async def stand(database: Any, *chats: str) -> dict[tuple[str, str, str], int]:
    rows = await Lookups(database).watermarks(chats)
    return {
        (row["chatId"], row["userId"], status): row[f"{status}Seq"]
        for row in rows
        for status in ("delivered", "read")
        if f"{status}Seq" in row
    }


async def test_both_marks_of_a_person_are_one_update_and_each_moves_where_the_other_cannot(database: Any) -> None:
    store = Store(database)
    await store.advance([("c1", "ann", "delivered", 5, 100), ("c1", "ann", "read", 5, 100)])
    await store.advance([("c1", "ann", "delivered", 9, 200)])
    await store.advance([("c1", "ann", "delivered", 8, 300), ("c1", "ann", "read", 8, 300)])
    assert await stand(database, "c1") == {("c1", "ann", "delivered"): 9, ("c1", "ann", "read"): 8}
    row = await database["watermarks"].find_one({"_id": "c1:ann"})
    assert row["delivered"] == [[5, 100], [9, 200]]
    assert row["read"] == [[5, 100], [8, 300]]
    assert row["at"] == 300


@pytest.mark.parametrize("seed", range(3))
async def test_the_highest_stands_whoever_comes_first(database: Any, seed: int) -> None:
    """Also where several begin a chat's marks at once."""
    dice = random.Random(seed)
    stores = [Store(database) for _ in range(4)]

    def batch(chat: str) -> list[Mark]:
        kinds = [(person, status) for person in ("ann", "ben") for status in ("delivered", "read")]
        return [(chat, *kind, dice.randint(1, 50), 1) for kind in dice.sample(kinds, dice.randint(1, 4))]

    for number in range(30):
        chat = f"c{number}"
        batches = [batch(chat) for _ in stores * 2]
        highest: dict[tuple[str, str, str], int] = {}
        for *key, seq, _ in (mark for some in batches for mark in some):
            highest[tuple(key)] = max(seq, highest.get(tuple(key), 0))
        for some in (batches[:4], batches[4:]):
            await asyncio.gather(*(store.advance(marks) for store, marks in zip(stores, some, strict=True)))
        assert await stand(database, chat) == highest
