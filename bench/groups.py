"""Load c: one group, all members online; some of them speak as fast as messages have reached everyone."""

import asyncio
import time

from bench import people
from bench.figures import Figures, aims, delivery, percentiles
from bench.target import Target

WINDOW = 8  # messages on their way at once
SPEAKERS = 8  # in turn: one socket may send 500 frames a second
SETTLE_S = 15.0
FULL_GROUP = 1024


class Copies:
    """How many copies of each message are still to come. Frames are not parsed: that would measure the generator."""

    def __init__(self, size: int) -> None:
        self.left: dict[bytes, int] = {}
        self.sent_at: dict[bytes, float] = {}
        self.last: list[float] = []
        self.errors: list[str] = []
        self.deliveries = self.extra = 0
        self.room = asyncio.Semaphore(WINDOW)
        self._copies = size - 1

    def sending(self, key: bytes) -> None:
        self.left[key], self.sent_at[key] = self._copies, time.perf_counter()

    def on_text(self, raw: bytes) -> None:
        if raw.startswith(b'{"type":"error"'):
            self.errors.append(raw[:200].decode())
        if not raw.startswith(b'{"type":"message.new"'):
            return
        at = raw.find(b'"clientMsgId":"g-')
        if at < 0:
            return
        key = raw[at + 15 : raw.index(b'"', at + 15)]
        self.deliveries += 1
        if key not in self.left:
            self.extra += 1
            return
        self.left[key] -= 1
        if not self.left[key]:
            self.last.append(time.perf_counter() - self.sent_at[key])
            del self.left[key]
            self.room.release()


async def measure(target: Target, *, size: int = 100, seconds: float = 10) -> Figures:
    """Deliveries a second, and the time until the last member has a message."""
    copies = Copies(size)
    async with target.client() as client:
        everyone = await target.crowd(client, size)
        body = {"type": "group", "name": f"{size}", "participantIds": [person.id for person in everyone[1:]]}
        made = await client.post("/chats", json=body, headers=everyone[0].headers)
        made.raise_for_status()
        chat = made.json()["id"]
    sockets = [await people.connect(target.url, person, copies.on_text) for person in everyone]
    target.say(f"measuring for {seconds:.0f} s")
    usage, number, name = target.usage(), 0, f"g-{time.time():.0f}"
    began = time.perf_counter()
    while time.perf_counter() < began + seconds:
        try:
            async with asyncio.timeout(SETTLE_S):
                await copies.room.acquire()
        except TimeoutError:
            break
        key = f"{name}-{number}"
        copies.sending(key.encode())
        sockets[number % min(SPEAKERS, size)].say(people.send_frame(chat, key, "x" * 100))
        number += 1
    took = time.perf_counter() - began
    used, deliveries = usage.taken(number), copies.deliveries
    end = time.perf_counter() + SETTLE_S
    while copies.left and time.perf_counter() < end:
        await asyncio.sleep(0.05)
    people.hang_up(sockets)
    found = percentiles(copies.last, "last_member_")
    p99 = found.get("last_member_p99_ms", 1e9)
    return {
        "load": f"a group of {size}, all online, {WINDOW} messages on their way",
        "messages": number,
        "deliveries_per_s": round(deliveries / took),
        **found,
        **delivery(lost=sum(copies.left.values()), doubled=copies.extra, disordered=0),
        "errors": len(copies.errors),
        "first_errors": copies.errors[:3],
        "missed": aims(
            (size < 100 or deliveries / took >= 40_000, f"{deliveries / took:.0f} deliveries/s, aim 40,000"),
            (size < FULL_GROUP or p99 <= 500, f"last member p99 {p99} ms, aim 500"),
        ),
        **used,
    }
