"""A short TCP conversation with a store that is starting: enough for its readiness, no client library needed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tidings.devstack.ports import LOOPBACK

DEADLINE_S = 3.0


@asynccontextmanager
async def conversation(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Connected streams that end in bounded time. Raises OSError or TimeoutError."""
    async with asyncio.timeout(DEADLINE_S):
        reader, writer = await asyncio.open_connection(LOOPBACK, port)
        try:
            yield reader, writer
        finally:
            writer.close()


async def http_status(port: int, path: str) -> int:
    """The status of `GET path`. Raises OSError or TimeoutError."""
    async with conversation(port) as (reader, writer):
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {LOOPBACK}:{port}\r\nConnection: close\r\n\r\n".encode())
        line = (await reader.readline()).split()
        return int(line[1]) if len(line) > 1 and line[1].isdigit() else 0
