"""Load f: pages of 50 from anywhere in a long chat, and catching up on its last 10,000 entries.

The chat is filled as anyone would, through sockets: what is read back was written by the system itself.
"""

import asyncio
import json
import random
import time

import httpx

from bench import people
from bench.figures import Figures, aims, percentiles
from bench.target import Target

PAGES = 200
SOCKETS = 12  # of each of the two: one socket may send 500 frames a second
BATCH = 20
CATCH_UP = 10_000


class Filler:
    """One socket that sends its share, in batches, and again what was refused for its rate."""

    def __init__(self, chat: str, name: str) -> None:
        self._chat, self._name = chat, name
        self._open: set[str] = set()
        self._wait_s = 0.0
        self._settled = asyncio.Event()
        self.stored = 0

    def on_text(self, raw: bytes) -> None:
        if raw.startswith(b'{"type":"message.sent"'):
            self._open.discard(json.loads(raw)["clientMsgId"])
            self.stored += 1
            if not self._open:
                self._settled.set()
        elif raw.startswith(b'{"type":"error"'):
            self._wait_s = json.loads(raw).get("retryAfterMs", 1000) / 1000
            self._settled.set()

    async def fill(self, socket: people.Socket, count: int) -> None:
        for start in range(0, count, BATCH):
            self._open = {f"{self._name}-{number}" for number in range(start, min(start + BATCH, count))}
            while self._open:
                self._settled.clear()
                for key in sorted(self._open):
                    socket.say(people.send_frame(self._chat, key, "x" * 100))
                async with asyncio.timeout(60):
                    await self._settled.wait()
                await asyncio.sleep(self._wait_s)
                self._wait_s = 0.0


async def fill(target: Target, chat: str, both: list[people.Person], messages: int) -> int:
    """Send so many messages into the chat of two, with progress. Returns how many."""
    share, fillers, sockets = max(1, messages // (2 * SOCKETS)), list[Filler](), list[people.Socket]()
    name = f"{time.time():.0f}"
    telling = asyncio.create_task(_tell(target, fillers, share * 2 * SOCKETS))
    try:
        async with asyncio.TaskGroup() as group:
            for number, person in enumerate(both * SOCKETS):
                filler = Filler(chat, f"{name}-{number}")
                fillers.append(filler)
                sockets.append(await people.connect(target.url, person, filler.on_text))
                group.create_task(filler.fill(sockets[-1], share))
    finally:
        telling.cancel()
        people.hang_up(sockets)
    return share * len(fillers)


async def _tell(target: Target, fillers: list[Filler], wanted: int) -> None:
    while True:
        await asyncio.sleep(10)
        target.say(f"{sum(filler.stored for filler in fillers):,} of {wanted:,} messages stored")


async def measure(target: Target, *, messages: int = 10_000) -> Figures:
    """Percentiles of a page, and seconds until `POST /sync` has told what lies beyond a position."""
    async with target.client() as client:
        a, b = await people.sign_in_many(client, 2)
        chat = await people.direct(client, a, b)
        target.say(f"filling a chat with {messages:,} messages")
        began = time.perf_counter()
        messages = await fill(target, chat, [a, b], messages)
        filled = time.perf_counter() - began
        target.say(f"reading {PAGES} pages")
        usage = target.usage()
        pages = await _pages(client, b, chat, messages)
        began, wanted = time.perf_counter(), min(CATCH_UP, messages)
        got = await _catch_up(client, b, chat, messages - wanted)
        caught_up = time.perf_counter() - began
    found = percentiles(pages)
    return {
        "load": f"a chat of {messages:,}, {PAGES} pages of 50 from anywhere; catching up on {wanted:,}",
        "filled_per_s": round(messages / filled),
        **found,
        "catch_up_s": round(caught_up, 2),
        "caught_up": got,
        "broken": [f"{got} entries instead of {wanted} or a few more"] if not wanted <= got <= wanted + 5 else [],
        "missed": aims(
            (found["p99_ms"] <= 20, f"p99 of a page {found['p99_ms']} ms, aim 20"),
            (caught_up <= 2, f"catching up {caught_up:.2f} s, aim 2"),
        ),
        **usage.taken(),
    }


async def _pages(client: httpx.AsyncClient, person: people.Person, chat: str, head: int) -> list[float]:
    dice, took = random.Random(1), []
    for _ in range(PAGES):
        began = time.perf_counter()
        params = {"before": dice.randint(50, head), "limit": 50}
        (await client.get(f"/chats/{chat}/messages", params=params, headers=person.headers)).raise_for_status()
        took.append(time.perf_counter() - began)
    return took


async def _catch_up(client: httpx.AsyncClient, person: people.Person, chat: str, position: int) -> int:
    """How many messages `/sync` told beyond the position."""
    positions, since, got = {chat: position}, None, 0
    while True:
        body = {"since": since, "positions": positions, "limit": 500}
        answer = (await client.post("/sync", json=body, headers=person.headers)).raise_for_status().json()
        since = answer["since"]
        for chat_id, page in answer["log"].items():
            positions[chat_id] = page["toSeq"]
            got += sum(item["kind"] == "message" for item in page["items"])
        if not answer["hasMore"]:
            return got
