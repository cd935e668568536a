"""Who may have missed frames is told to sync, once for all that is noticed before."""

import asyncio
from typing import Any

from tidings.websocket.hub import Hub


class Socket:
    def __init__(self, number: str, user_id: str) -> None:
        self.id, self.user_id = number, user_id
        self.watching: dict[str, Any] = {}
        self.told = 0

    def send(self, _: bytes, *, light: bool = False) -> None:
        self.told += 1


async def test_one_outage_is_one_resync_and_a_later_one_another() -> None:
    hub = Hub(0.01)
    sockets: list[Any] = [Socket("1", "ann"), Socket("2", "ben")]
    for socket in sockets:
        hub.add(socket)
    hub.resync("lost frames", ["ann"])
    hub.resync("silence")
    hub.resync("registered late", ["ann", "ben"])
    async with asyncio.timeout(5):
        while not all(socket.told for socket in sockets):
            await asyncio.sleep(0)
    assert [socket.told for socket in sockets] == [1, 1]
    hub.resync("silence")
    async with asyncio.timeout(5):
        while sum(socket.told for socket in sockets) < 4:
            await asyncio.sleep(0)
