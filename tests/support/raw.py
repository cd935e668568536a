"""A connection that says what no client library would: bytes over TCP, HTTP/1.1 and RFC 6455 by hand."""

import asyncio
import os
import struct
from urllib.parse import urlsplit

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


_open: list["Wire"] = []


def close_wires() -> None:
    """Close what tests have opened."""
    while _open:
        _open.pop().writer.close()


class Wire:
    """A TCP connection to the outer port."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def open(cls, base_url: str) -> "Wire":
        place = urlsplit(base_url)
        wire = cls(*await asyncio.open_connection(place.hostname, place.port))
        _open.append(wire)
        return wire

    def write(self, data: bytes) -> None:
        self.writer.write(data)

    async def head(self, timeout_s: float = 10) -> tuple[int, dict[str, str]]:
        """The status and headers of an answer; (0, {}) when the connection was closed without one."""
        async with asyncio.timeout(timeout_s):
            try:
                text = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            except (asyncio.IncompleteReadError, ConnectionError):
                return 0, {}
        first, *rest = text.strip().split("\r\n")
        return int(first.split(" ")[1]), {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in rest)}

    async def body(self, timeout_s: float = 10) -> bytes:
        """All that comes until the peer closes."""
        async with asyncio.timeout(timeout_s):
            return await self.reader.read()

    async def request(self, text: str) -> tuple[int, dict[str, str]]:
        """Write a request, its lines ended by \\n here and by CRLF on the wire; answers status and headers."""
        self.write(text.replace("\n", "\r\n").encode("latin-1"))
        return await self.head()

    def close(self) -> None:
        self.writer.close()


class RawSocket(Wire):
    """A WebSocket whose frames are made by hand."""

    @classmethod
    async def upgrade(cls, base_url: str, token: str, *frames: bytes) -> "RawSocket":
        """Upgrade, with these frames written before the answer is read."""
        wire = await cls.open(base_url)
        assert isinstance(wire, RawSocket)
        head = (
            f"GET /ws HTTP/1.1\nHost: {urlsplit(base_url).netloc}\nAuthorization: Bearer {token}\n"
            "Upgrade: websocket\nConnection: Upgrade\nSec-WebSocket-Version: 13\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\n\n"
        )
        wire.write(head.replace("\n", "\r\n").encode() + b"".join(frames))
        status, _ = await wire.head()
        assert status == 101, status
        return wire

    async def read_frame(self, timeout_s: float = 10) -> tuple[int, bytes]:
        """The next frame: opcode and payload. Raises IncompleteReadError when the peer is gone."""
        async with asyncio.timeout(timeout_s):
            first, size = await self.reader.readexactly(2)
            if size == 126:
                (size,) = struct.unpack(">H", await self.reader.readexactly(2))
            elif size == 127:
                (size,) = struct.unpack(">Q", await self.reader.readexactly(8))
            return first & 0x0F, await self.reader.readexactly(size)

    async def closed(self, timeout_s: float = 15) -> int | None:
        """Read on until the server closes. Answers the code it gave; None when it gave none."""
        async with asyncio.timeout(timeout_s):
            while True:
                try:
                    opcode, payload = await self.read_frame(timeout_s)
                except (asyncio.IncompleteReadError, ConnectionError):
                    return None
                if opcode == CLOSE:
                    return int(struct.unpack(">H", payload[:2])[0]) if len(payload) >= 2 else None


def frame(opcode: int, payload: bytes, *, fin: bool = True, reserved: int = 0, size: int | None = None) -> bytes:
    """A masked client frame. `size` lies about the length, in 64 bits; `reserved` sets RSV bits (4, 2, 1)."""
    first = (0x80 if fin else 0) | reserved << 4 | opcode
    if size is not None:
        head = struct.pack(">BBQ", first, 0x80 | 127, size)
    elif len(payload) < 126:
        head = struct.pack(">BB", first, 0x80 | len(payload))
    elif len(payload) < 65_536:
        head = struct.pack(">BBH", first, 0x80 | 126, len(payload))
    else:
        head = struct.pack(">BBQ", first, 0x80 | 127, len(payload))
    mask = os.urandom(4)
    key = int.from_bytes((mask * (len(payload) // 4 + 1))[: len(payload)])
    masked = (int.from_bytes(payload) ^ key).to_bytes(len(payload)) if payload else b""
    return head + mask + masked
