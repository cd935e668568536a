"""Redis out of reach for a moment: who came or went meanwhile is known again, and hears other instances."""

import asyncio
from pathlib import Path

from tests.chaos.link import Link
from tests.chaos.place import links_to
from tests.support.people import Live, Person
from tests.support.running import running_stores, running_system
from tests.support.waiting import eventually

COMERS = 8  # of two instances: all on one in one of 128 runs


async def _hears(sender: Live, chat: str, sockets: list[Live]) -> bool:
    """What is said now, on every socket."""
    said = (await sender.send(chat))["messageId"]
    try:
        for live in sockets:
            await live.until("message.new", timeout_s=1, messageId=said)
    except AssertionError:
        return False
    return True


async def test_who_comes_while_redis_is_out_of_reach_hears_other_instances_after(tmp_path: Path) -> None:
    with running_stores(tmp_path / "stores") as stores:
        links, env = await links_to(stores)
        started = running_system(tmp_path / "system", "--scale", "websocket=2", env=env)
        system = await asyncio.to_thread(started.__enter__)
        try:
            await asyncio.to_thread(system.wait_ready)
            await _outage(system.base_url, links["valkey"])
        finally:
            await asyncio.to_thread(started.__exit__, None, None, None)
            for link in links.values():
                await link.stop()


async def _outage(url: str, to_redis: Link) -> None:
    a, b = [await asyncio.to_thread(Person, url) for _ in range(2)]
    chat = await asyncio.to_thread(a.direct, b)
    sender, witnesses = await a.open(), await asyncio.gather(*(a.open() for _ in range(COMERS)))
    assert await _hears(sender, chat, witnesses), "the sets of people exist: they are not made anew after the outage"
    to_redis.set("deaf")
    sockets = await asyncio.gather(*(b.open() for _ in range(COMERS)))
    to_redis.set("pass")
    await eventually(lambda: _hears(sender, chat, sockets), "everyone hears what is sent", 20)
    for live in sockets:
        if not any(frame["type"] == "resync" for frame in live.seen):
            await live.until("resync")
