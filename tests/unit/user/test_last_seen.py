"""When people were last there: written together, and never lost to a database that is away for a moment."""

import asyncio
import random
from collections.abc import Mapping
from typing import Any

from tests.support.virtual_loop import VirtualLoop, play

from tidings.contracts.errors import ApiError
from tidings.contracts.events import PresenceChanged
from tidings.contracts.ids import new_id
from tidings.user.lastseen import AGAIN_S, LastSeen


class Store:
    """Takes what it is told, a moment later, or is away."""

    def __init__(self) -> None:
        self.away, self.calls = False, 0
        self.seen_at: dict[str, int] = {}

    async def seen(self, at_ms: Mapping[str, int]) -> None:
        self.calls += 1
        some = dict(at_ms)
        await asyncio.sleep(0.01)
        if self.away:
            raise ApiError("unavailable")
        for user_id, at in some.items():
            self.seen_at[user_id] = max(at, self.seen_at.get(user_id, 0))


def test_many_are_few_statements_and_the_latest_moment_stands() -> None:
    async def scene(_: VirtualLoop, __: random.Random) -> None:
        store: Any = Store()
        people = [new_id() for _ in range(300)]
        ann, ben = people[:2]
        last_seen = LastSeen(store)
        task = asyncio.create_task(last_seen.run())
        for at in (3, 1, 2):
            for person in [*people, "nobody"]:
                await last_seen.on_presence(PresenceChanged(person, online=True, at_ms=at))
        await asyncio.sleep(1)
        assert store.seen_at == dict.fromkeys(people, 3)
        assert store.calls <= 4
        store.away = True
        await last_seen.on_presence(PresenceChanged(ann, online=False, at_ms=9))
        await asyncio.sleep(AGAIN_S / 2)
        await last_seen.on_presence(PresenceChanged(ann, online=True, at_ms=7))
        assert store.seen_at[ann] == 3
        store.away = False
        await asyncio.sleep(3 * AGAIN_S)
        assert store.seen_at[ann] == 9, "what could not be written was written later"
        task.cancel()
        await last_seen.on_presence(PresenceChanged(ben, online=False, at_ms=11))
        await last_seen.flush()
        assert store.seen_at[ben] == 11

    play(1, scene)
