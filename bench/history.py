"""Load f: pages of 50 from anywhere in a long chat, and catching up on all of it."""

import asyncio
import json
import random
import time
from pathlib import Path

import httpx

from bench import people
from bench.figures import Figures, Usage, percentiles

PAGES = 200
SOCKETS = 8  # of each of the two: one socket may send 500 frames a second
BATCH = 20


class Filler:
    """One socket that sends its share, in batches, and again what was refused for its rate."""

    def __init__(self, chat: str, name: str) -> None:
        self._chat, self._name = chat, name
        self._open: set[str] = set()
        self._wait_s = 0.0
        self._settled = asyncio.Event()

    def on_text(self, raw: bytes) -> None:
        if raw.startswith(b'{"type":"message.sent"'):
            self._open.discard(json.loads(raw)["clientMsgId"])
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
                async with asyncio.timeout(30):
                    await self._settled.wait()
                await asyncio.sleep(self._wait_s)
                self._wait_s = 0.0


async def measure(url: str, data_dir: Path | None, *, messages: int = 10_000) -> Figures:
    """Percentiles of a page, and seconds until `POST /sync` from nothing has told everything."""
    async with httpx.AsyncClient(base_url=f"{url}/api/v1", timeout=30) as client:
        a, b = await people.sign_in_many(client, 2)
        chat = await people.direct(client, a, b)
        began, share = time.perf_counter(), messages // (2 * SOCKETS)
        async with asyncio.TaskGroup() as group:
            for number, person in enumerate([a, b] * SOCKETS):
                filler = Filler(chat, f"{began:.0f}-{number}")
                socket = await people.connect(url, person, filler.on_text)
                group.create_task(filler.fill(socket, share))
        filled, messages = time.perf_counter() - began, share * 2 * SOCKETS
        usage, dice, pages = Usage(data_dir), random.Random(1), []
        for _ in range(PAGES):
            began = time.perf_counter()
            params = {"before": dice.randint(50, messages), "limit": 50}
            (await client.get(f"/chats/{chat}/messages", params=params, headers=b.headers)).raise_for_status()
            pages.append(time.perf_counter() - began)
        began, positions, since, got = time.perf_counter(), dict[str, int](), None, 0
        while True:
            body = {"since": since, "positions": positions, "limit": 500}
            answer = (await client.post("/sync", json=body, headers=b.headers)).json()
            since = answer["since"]
            for chat_id, page in answer["log"].items():
                positions[chat_id] = page["toSeq"]
                got += sum(item["kind"] == "message" for item in page["items"])
            if not answer["hasMore"]:
                break
        caught_up = time.perf_counter() - began
    return {
        "load": f"a chat of {messages}, {PAGES} pages of 50 from anywhere; catching up on all",
        "filled_per_s": round(messages / filled),
        **percentiles(pages),
        "catch_up_s": round(caught_up, 2),
        "caught_up": got,
        "lost": messages - got,
        **usage.taken(),
    }
