"""Sends over REST in a process of its own: in one that is busy with a crowd they would wait for the crowd.

`python -m bench.sender` reads one job (a line of JSON) from stdin, sends at its rate until stdin ends, and says as JSON
how long each answer took.
"""

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import msgspec
import uvloop

ANSWER_S = 60.0  # a send is waited for so long, at the end too


class Job(msgspec.Struct, kw_only=True):
    """One person writes to one chat every `every_s`, whatever happens."""

    url: str
    token: str
    chat: str
    every_s: float


class Told(msgspec.Struct):
    """Seconds from the intended moment of each send to its answer, and how many got none or a refusal."""

    took: list[float] = []
    failed: int = 0


async def work() -> None:
    """The whole life of the process."""
    reader, loop = asyncio.StreamReader(), asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    job, told = msgspec.json.decode(await reader.readline(), type=Job), Told()
    ended = asyncio.create_task(reader.read())
    headers = {"authorization": f"Bearer {job.token}"}
    path, name = f"{job.url}/api/v1/chats/{job.chat}/messages", f"storm-{time.time():.0f}"

    async def one(key: str, at: float) -> None:
        try:
            answer = await client.post(path, json={"clientMsgId": key, "content": "x" * 100})
        except httpx.HTTPError:
            told.failed += 1
            return
        if answer.is_success:
            told.took.append(time.perf_counter() - at)
        else:
            told.failed += 1

    # Connections without bound: what waits is to wait in the system.
    limits = httpx.Limits(max_connections=None)
    async with (
        httpx.AsyncClient(headers=headers, timeout=ANSWER_S, limits=limits) as client,
        asyncio.TaskGroup() as group,
    ):
        number, began = 0, time.perf_counter()
        while not ended.done():
            at = began + number * job.every_s
            await asyncio.sleep(max(0.0, at - time.perf_counter()))
            group.create_task(one(f"{name}-{number}", at))
            number += 1
    print(msgspec.json.encode(told).decode(), flush=True)


class Sender:
    """The process, seen from the load."""

    def __init__(self, running: asyncio.subprocess.Process) -> None:
        self._running = running

    async def stop(self) -> Told:
        """No more sends; what those took, when the last is answered."""
        out, _ = await asyncio.wait_for(self._running.communicate(b""), ANSWER_S + 10)
        return msgspec.json.decode(out, type=Told)


@asynccontextmanager
async def sending(job: Job) -> AsyncIterator[Sender]:
    """Sends go on until `stop`."""
    running = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.sender", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert running.stdin is not None
        running.stdin.write(msgspec.json.encode(job) + b"\n")
        await running.stdin.drain()
        yield Sender(running)
    finally:
        if running.returncode is None:
            running.kill()
            await running.wait()


if __name__ == "__main__":
    uvloop.run(work())
