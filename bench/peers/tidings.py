"""Tidings as a party: as `make up` starts it, through Envoy."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from tests.support.running import System, running_system

from bench import people
from bench.peers.party import TEXT, Received
from bench.usage import pids_of

AT_ONCE = 5


@contextmanager
def party(folder: Path) -> Iterator["Tidings"]:
    """A running system."""
    folder.mkdir(parents=True)
    with running_system(folder / "data") as system:
        system.wait_ready()
        yield Tidings(system)


class Tidings:
    """A party (see party.py)."""

    label = "Tidings, every message stored"

    def __init__(self, system: System) -> None:
        self._system = system
        self._senders: list[tuple[people.Socket, str]] = []
        self._receivers: list[people.Socket] = []

    def pids(self) -> dict[str, int]:
        return {name: pid for name, pid in pids_of(self._system.data_dir).items() if name != "generator"}

    async def prepare(self, pairs: int, received: Received) -> None:
        url = self._system.base_url
        async with httpx.AsyncClient(base_url=f"{url}/api/v1", timeout=60) as client:
            everyone = await people.sign_in_many(client, 2 * pairs)
            both = list(zip(everyone[::2], everyone[1::2], strict=True))
            chats = await people.direct_many(client, both)
        for pair, ((a, b), chat) in enumerate(zip(both, chats, strict=True)):
            self._receivers.append(await people.connect(url, b, _reader(pair, received)))
            self._senders.append((await people.connect(url, a, lambda _: None), chat))
        await asyncio.sleep(1)

    def send(self, pair: int, key: str) -> None:
        socket, chat = self._senders[pair]
        socket.say(people.send_frame(chat, key, TEXT))

    async def close(self) -> None:
        people.hang_up([*self._receivers, *(socket for socket, _ in self._senders)])


def _reader(pair: int, received: Received) -> "people.OnText":
    mark = b'"clientMsgId":"'

    def on_text(raw: bytes) -> None:
        if raw.startswith(b'{"type":"message.new"') and (at := raw.find(mark)) > 0:
            received(pair, raw[at + len(mark) : raw.index(b'"', at + len(mark))].decode())

    return on_text
