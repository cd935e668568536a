"""A hop that can break: a TCP proxy whose connections are cut, delayed, throttled or swallowed on demand."""

import asyncio
import contextlib
import random
from collections.abc import Callable
from typing import Literal

Mode = Literal["pass", "refuse", "blackhole", "deaf", "mute", "slow", "thin"]
CHUNK = 64 * 1024
SLOW_S = (0.02, 0.08)  # a chunk, with jitter
THIN_BYTES_S = 20_000


class Link:
    """Owner of its connections. Modes: `refuse` cuts and lets nobody in; `blackhole` swallows both ways; `deaf`
    swallows what goes to the server, `mute` what comes back (requests are done, answers lost); `slow` delays each
    chunk, `thin` lets few bytes a second through. A port that is not known yet is asked for with each connection."""

    def __init__(self, host: str, port: int | Callable[[], int]) -> None:
        self._host = host
        self._target = port
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.mode: Mode = "pass"
        self.port = 0
        self.used = 0  # connections that reached the other end

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        self.cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def set(self, mode: Mode) -> None:
        """Change what happens. Leaving any mode that swallowed bytes cuts the connections: their streams are torn."""
        torn = self.mode in ("blackhole", "deaf", "mute")
        self.mode = mode
        if mode == "refuse" or torn:
            self.cut()

    def cut(self) -> None:
        for writer in list(self._writers):
            writer.transport.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.mode == "refuse":
            writer.transport.abort()
            return
        try:
            port = self._target if isinstance(self._target, int) else self._target()
            up_reader, up_writer = await asyncio.wait_for(asyncio.open_connection(self._host, port), 5)
        except (OSError, TimeoutError):
            writer.transport.abort()
            return
        self.used += 1
        self._writers |= {writer, up_writer}
        pipes = [
            asyncio.create_task(self._pipe(reader, up_writer, "deaf")),
            asyncio.create_task(self._pipe(up_reader, writer, "mute")),
        ]
        self._tasks.update(pipes)
        await asyncio.wait(pipes, return_when=asyncio.FIRST_COMPLETED)
        for end in (writer, up_writer):
            end.transport.abort()
            self._writers.discard(end)
        await asyncio.gather(*pipes, return_exceptions=True)
        self._tasks.difference_update(pipes)

    async def _pipe(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, swallowing: Mode) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(CHUNK):
                if self.mode in ("blackhole", swallowing):
                    continue
                if self.mode == "slow":
                    await asyncio.sleep(random.uniform(*SLOW_S))
                elif self.mode == "thin":
                    await asyncio.sleep(len(data) / THIN_BYTES_S)
                writer.write(data)
                await writer.drain()
