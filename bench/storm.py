"""Load e: every socket is cut at once by kill -9 of websocket-service while messages wait for everyone.

Each client does what ours does: connects again after full jitter over 5 s (doubled at each failure), then catches up
with `/sync`. Meanwhile messages are sent over REST, which does not need the killed service, and are timed.
"""

import asyncio
import random
import time

import aiohttp
import msgspec

from bench import people
from bench.figures import Figures, aims, percentiles
from bench.sender import Job, sending
from bench.target import Target
from bench.usage import pids_of
from bench.writing import heads, pair_up, write

JITTER_S = 5.0
WAITING = 20
SEND_EVERY_S = 0.05
GIVE_UP_S = 120.0
ANSWER_S = 30.0


class Client:
    """One person whose socket is cut; `synced_at` is when they had all that waited."""

    def __init__(self, url: str, person: people.Person, chat: str, position: int, wanted: int) -> None:
        self._url, self._person, self._chat = url, person, chat
        self._position, self._wanted = position, wanted
        self.socket: people.Socket
        self.synced_at = 0.0
        self.connected_at = 0.0
        self.tries = self.turned_away = 0

    async def connect(self) -> None:
        self.socket = await people.connect(self._url, self._person, lambda _: None)

    async def come_back(self, client: aiohttp.ClientSession) -> None:
        """From the cut to having everything."""
        await self.socket.gone.wait()
        wait_s = JITTER_S
        while True:
            await asyncio.sleep(random.uniform(0, wait_s))
            self.tries += 1
            try:
                await self.connect()
                self.connected_at = time.perf_counter()
                break
            except Exception:  # whatever way the handshake fails, a client tries again
                wait_s = min(wait_s * 2, 60.0)
        while self._wanted > 0:
            await self._sync(client)
        self.synced_at = time.perf_counter()

    async def _sync(self, client: aiohttp.ClientSession) -> None:
        body = {"since": None, "positions": {self._chat: self._position}, "limit": 500}
        async with client.post(f"{self._url}/api/v1/sync", json=body, headers=self._person.headers) as answer:
            raw = await answer.read()
        if answer.status in (429, 503):
            self.turned_away += 1
            await asyncio.sleep(float(answer.headers.get("retry-after", "1")))
            return
        answer.raise_for_status()
        page = msgspec.json.decode(raw)["log"].get(self._chat)
        if page:
            self._position = page["toSeq"]
            self._wanted -= sum(item["senderId"] != self._person.id for item in page["items"])


async def measure(target: Target, *, size: int = 500) -> Figures:
    """Seconds until all have caught up, and percentiles of a send meanwhile."""
    system = target.system()
    pairs, chats = await pair_up(target, size, new=True)  # who was in other loads would fetch those chats too
    before = await heads(target, pairs, chats)
    clients = [
        Client(target.url, person, chat, seq, WAITING)
        for pair, chat, seq in zip(pairs, chats, before, strict=True)
        for person in pair
    ]
    target.say(f"{WAITING} messages are written for each of {size:,} people")
    await write(target, pairs, chats, WAITING)
    for start in range(0, size, 32):
        await asyncio.gather(*(client.connect() for client in clients[start : start + 32]))
    # A connection each, as they would have: httpx looks through all of them at every answer, which was half a core.
    every = aiohttp.TCPConnector(limit=0)
    job = Job(url=target.url, token=pairs[0][0].token, chat=chats[0], every_s=SEND_EVERY_S)
    async with (
        aiohttp.ClientSession(connector=every, timeout=aiohttp.ClientTimeout(ANSWER_S)) as rest,
        sending(job) as sender,
    ):
        await asyncio.sleep(1)
        target.say(f"{size:,} sockets are open: websocket-service is killed")
        usage = target.usage()
        old, cut_at = system.kill("websocket-1"), time.perf_counter()
        done, late = await asyncio.wait([asyncio.create_task(c.come_back(rest)) for c in clients], timeout=GIVE_UP_S)
        sends = await sender.stop()
        for task in late:
            task.cancel()
        failed = [task.exception() for task in done if task.exception()]
    used = usage.taken(now=pids_of(target.data_dir))
    system.wait_replaced("websocket-1", old)
    people.hang_up([client.socket for client in clients])
    took = [client.synced_at - cut_at for client in clients if client.synced_at]
    last, found = max(took, default=GIVE_UP_S), percentiles(sends.took, "send_")
    return {
        "load": f"{size:,} sockets cut at once, {WAITING} messages waiting for each",
        "first_back_s": round(min((c.connected_at for c in clients if c.connected_at), default=cut_at) - cut_at, 2),
        "all_synced_s": round(last, 2),
        "half_synced_s": round(sorted(took)[len(took) // 2], 2) if took else None,
        "connects": sum(client.tries for client in clients),
        "syncs_turned_away": sum(client.turned_away for client in clients),
        **found,
        "sends_failed": sends.failed,
        "broken": [f"{size - len(took)} of {size} had not caught up after {GIVE_UP_S:.0f} s: {failed[:1]}"]
        if len(took) < size
        else [],
        "missed": aims(
            (last <= 10, f"all synced after {last:.1f} s, aim 10"),
            (found.get("send_p99_ms", 1e9) < 1000, f"p99 of a send {found.get('send_p99_ms')} ms, aim 1,000"),
        ),
        **used,
    }
