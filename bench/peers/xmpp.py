"""People on an XMPP server (RFC 6120, 6121), as little of it as the load needs: no TLS, SASL PLAIN, chat messages."""

import asyncio
import base64
import re
from typing import cast

from bench.peers.party import TEXT, Received

DOMAIN = "localhost"
OPEN = (
    f"<stream:stream to='{DOMAIN}' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>"
)
BIND = "<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>b</resource></bind></iq>"
PASSWORD = "bench"
STEP_S = 30.0
AT_ONCE = 8

_MESSAGE = re.compile(rb"<message\b[^>]*?\bid=['\"](b\d+)['\"]")
_END = b"</message>"


class Stream(asyncio.Protocol):
    """One client's connection: first a dialogue, then messages for `received`."""

    def __init__(self, pair: int, received: Received | None) -> None:
        self._pair, self._received = pair, received
        self._buffer = b""
        self._talking = True
        self._more = asyncio.Event()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own is no subclass of it

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self._talking:
            self._more.set()
            return
        end = self._buffer.rfind(_END)
        if end < 0:
            return
        whole, self._buffer = self._buffer[: end + len(_END)], self._buffer[end + len(_END) :]
        if self._received is not None:
            for found in _MESSAGE.finditer(whole):
                self._received(self._pair, found[1].decode())

    async def ask(self, text: str, answer: bytes) -> None:
        """Say something and wait for words of its answer. Raises RuntimeError with what came instead."""
        self._buffer = b""
        self.say(text)
        try:
            async with asyncio.timeout(STEP_S):
                while answer not in self._buffer:
                    self._more.clear()
                    await self._more.wait()
        except TimeoutError:
            raise RuntimeError(f"{text[:60]} was answered by {self._buffer[:300]!r}") from None

    async def begin(self, name: str) -> None:
        """Register, sign in, bind, and be there."""
        await self.ask(OPEN, b"</stream:features>")
        register = f"<username>{name}</username><password>{PASSWORD}</password>"
        await self.ask(f"<iq type='set' id='r'><query xmlns='jabber:iq:register'>{register}</query></iq>", b"result")
        proof = base64.b64encode(f"\0{name}\0{PASSWORD}".encode()).decode()
        await self.ask(f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{proof}</auth>", b"<success")
        await self.ask(OPEN, b"</stream:features>")
        await self.ask(BIND, b"<jid>")
        await self.ask("<presence/>", b"<presence")
        self._buffer, self._talking = b"", False

    def say(self, text: str) -> None:
        assert self._transport is not None
        self._transport.write(text.encode())

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


class Xmpp:
    """A party (see party.py)."""

    def __init__(self, label: str, port: int, pids: dict[str, int]) -> None:
        self.label = label
        self._port, self._pids = port, pids
        self._senders: list[Stream] = []
        self._receivers: list[Stream] = []

    def pids(self) -> dict[str, int]:
        return self._pids

    async def prepare(self, pairs: int, received: Received) -> None:
        gate = asyncio.Semaphore(AT_ONCE)

        async def one(name: str, pair: int, told: Received | None) -> Stream:
            async with gate:
                loop = asyncio.get_running_loop()
                _, stream = await loop.create_connection(lambda: Stream(pair, told), "127.0.0.1", self._port)
                await stream.begin(name)
                return stream

        self._senders = await asyncio.gather(*(one(f"a{pair}", pair, None) for pair in range(pairs)))
        self._receivers = await asyncio.gather(*(one(f"b{pair}", pair, received) for pair in range(pairs)))

    def send(self, pair: int, key: str) -> None:
        to = f"b{pair}@{DOMAIN}"
        self._senders[pair].say(f"<message to='{to}' type='chat' id='{key}'><body>{TEXT}</body></message>")

    async def close(self) -> None:
        for stream in (*self._senders, *self._receivers):
            stream.close()
