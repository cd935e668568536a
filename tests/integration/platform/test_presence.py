"""Who is there is told by the clock of Redis: an instance whose own clock is wrong looks neither gone nor alone."""

import time
from collections.abc import Sequence

import pytest
from tests.support.running import Stores

from tidings.platform import redis
from tidings.platform.presence import Presence


@pytest.mark.parametrize("off_s", [3600, -3600])
async def test_row_17_instances_see_each_other_by_wrong_clocks(
    stores: Stores, namespace: str, monkeypatch: pytest.MonkeyPatch, off_s: int
) -> None:
    right = time.time_ns
    async with redis.connect(stores.redis_url) as client:
        wrong, fine = Presence(client, namespace), Presence(client, namespace)
        await fine.beat("ws-1")
        monkeypatch.setattr(time, "time_ns", lambda: right() + off_s * 1_000_000_000)
        await wrong.beat("ws-2")
        await wrong.add("ws-2", ["ann"])
        assert await wrong.instances() == ["ws-1", "ws-2"]
        monkeypatch.undo()
        assert await fine.instances() == ["ws-1", "ws-2"]
        assert await fine.online(["ann", "ben"]) == [True, False]


async def test_row_25_a_killed_instance_takes_its_people_with_it(stores: Stores, namespace: str) -> None:
    async with redis.connect(stores.redis_url) as client:
        presence = Presence(client, namespace)
        await presence.beat("ws-1")
        await presence.add("ws-1", ["ann"])
        assert await presence.online(["ann"]) == [True]
        assert 0 < await client.pttl(f"{namespace}:routes:ws-1") <= 10_000  # nobody renews it any more
        await presence.forget("ws-1")
        assert await presence.online(["ann"]) == [False]


async def test_an_arrival_does_not_hide_that_everyone_else_was_forgotten(stores: Stores, namespace: str) -> None:
    async with redis.connect(stores.redis_url) as client:
        presence = Presence(client, namespace)
        assert not await presence.beat("ws-1")
        await presence.register("ws-1", ["ann", "ben"])
        assert await presence.beat("ws-1")
        await presence.forget("ws-1")
        await presence.add("ws-1", ["eve"])
        assert not await presence.beat("ws-1")
        await presence.register("ws-1", ["ann", "ben", "eve"])
        assert await presence.beat("ws-1")
        assert await presence.online(["ann", "ben", "eve"]) == [True] * 3


async def test_who_is_forgotten_while_everyone_is_registered_is_registered_again(
    stores: Stores, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with redis.connect(stores.redis_url) as client:
        presence = Presence(client, namespace)
        add = presence.add

        async def forgotten(instance: str, user_ids: Sequence[str]) -> None:
            await add(instance, user_ids)
            await presence.forget(instance)

        monkeypatch.setattr(presence, "add", forgotten)
        await presence.register("ws-1", ["ann", "ben"])
        monkeypatch.undo()
        assert not await presence.beat("ws-1")
        await presence.register("ws-1", ["ann", "ben"])
        assert await presence.beat("ws-1")
