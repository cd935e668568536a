"""A crowd in a process of its own, so that what it costs is not what the measured pair waits for.

`python -m bench.crowd` reads one job (a line of JSON) from stdin, opens its sockets, says `ready`, acts when told `go`,
and ends when stdin does. Every line it says is JSON.
"""

import asyncio
import json
import random
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import uvloop

from bench import people

CONNECTS_AT_ONCE = 32
START_S = 600.0
ERRORS_TOLD = 3
LINE_BYTES = 64 << 20


class Member(msgspec.Struct):
    """One person of the crowd, and the chat they act in. `read_from`: what they have read of it already."""

    id: str
    token: str
    chat: str = ""
    read_from: int = 0


class Job(msgspec.Struct, kw_only=True):
    """`idle`: hold the sockets. `bustle`: besides, everyone types and reads once a second for `seconds`."""

    url: str
    members: list[Member]
    sockets_each: int = 1
    source: str = ""
    act: str = "idle"
    seconds: float = 0.0


def say(**told: object) -> None:
    print(json.dumps(told), flush=True)


async def work() -> None:
    """The whole life of the process."""
    reader = asyncio.StreamReader(limit=LINE_BYTES)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    job = msgspec.json.decode(await reader.readline(), type=Job)
    heard: dict[str, Any] = {"frames": 0, "errors": 0, "first_errors": []}

    def on_text(raw: bytes) -> None:
        heard["frames"] += 1
        if raw.startswith(b'{"type":"error"'):
            heard["errors"] += 1
            if heard["errors"] <= ERRORS_TOLD:
                heard["first_errors"].append(raw[:200].decode())

    sockets = await _connect(job, on_text)
    say(ready=len(sockets))
    acts: asyncio.Task[int] | None = None
    while line := await reader.readline():
        if line.strip() == b"go" and job.act == "bustle":
            acts = asyncio.create_task(_bustle(job, sockets))
            acts.add_done_callback(lambda done: say(done=done.result(), **heard))
        elif line.strip() == b"count":
            say(open=sum(not socket.gone.is_set() for socket in sockets), **heard)
    people.hang_up(sockets)


async def _connect(job: Job, on_text: people.OnText) -> list[people.Socket]:
    """The sockets in the order of the members, round after round: all sockets of one person at once would be over
    what one person may ask for in a second."""
    gate, sockets = asyncio.Semaphore(CONNECTS_AT_ONCE), list[people.Socket]()

    async def one(member: Member) -> people.Socket:
        async with gate:
            return await people.connect(job.url, people.Person(member.id, member.token), on_text, job.source)

    for _ in range(job.sockets_each):
        sockets += await asyncio.gather(*(one(member) for member in job.members))
    return sockets


async def _bustle(job: Job, sockets: list[people.Socket]) -> int:
    """Each person once a second, each at a moment of their own: starts or stops typing, and reads one more message."""
    said = 0

    async def one(member: Member, socket: people.Socket) -> None:
        nonlocal said
        await asyncio.sleep(random.random())
        for second in range(int(job.seconds)):
            kind = "typing.stop" if second % 2 else "typing.start"
            socket.say(f'{{"type":"{kind}","chatId":"{member.chat}"}}')
            socket.say(f'{{"type":"message.read","chatId":"{member.chat}","seq":{member.read_from + second + 1}}}')
            said += 2
            await asyncio.sleep(1)

    await asyncio.gather(*(one(member, socket) for member, socket in zip(job.members, sockets, strict=True)))
    return said


class Crowd:
    """The process, seen from the load."""

    def __init__(self, running: asyncio.subprocess.Process) -> None:
        self._running = running

    async def tell(self, line: str) -> None:
        assert self._running.stdin is not None
        self._running.stdin.write(line.encode() + b"\n")
        await self._running.stdin.drain()

    async def hear(self, key: str, timeout_s: float = START_S) -> dict[str, Any]:
        """The next line that has `key`."""
        assert self._running.stdout is not None
        async with asyncio.timeout(timeout_s):
            while line := await self._running.stdout.readline():
                told: dict[str, Any] = json.loads(line)
                if key in told:
                    return told
        raise RuntimeError(f"the crowd ended before it said {key!r}; what it died of stands above")


@asynccontextmanager
async def gathered(job: Job) -> AsyncIterator[Crowd]:
    """A crowd whose sockets are all open."""
    running = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.crowd", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    crowd = Crowd(running)
    try:
        await crowd.tell(msgspec.json.encode(job).decode())
        await crowd.hear("ready")
        yield crowd
    finally:
        if running.stdin is not None:
            running.stdin.close()
        try:
            await asyncio.wait_for(running.wait(), 20)
        except TimeoutError:
            running.kill()
            await running.wait()


if __name__ == "__main__":
    uvloop.run(work())
