"""Load c: one group, all members online; some of them speak as fast as messages have reached everyone."""

import asyncio
import time
from pathlib import Path

import httpx

from bench import people
from bench.figures import Figures, Usage, percentiles

WINDOW = 8  # messages on their way at once
SPEAKERS = 8  # in turn: one socket may send 500 frames a second
SETTLE_S = 15.0


async def measure(url: str, data_dir: Path | None, *, size: int = 100, seconds: float = 10) -> Figures:
    """Deliveries a second, and the time until the last member has a message."""
    left: dict[bytes, int] = {}
    sent_at: dict[bytes, float] = {}
    last: list[float] = []
    counts = {"deliveries": 0}
    errors: list[str] = []
    room = asyncio.Semaphore(WINDOW)

    def received(raw: bytes) -> None:
        if raw.startswith(b'{"type":"error"'):
            errors.append(raw[:200].decode())
        if not raw.startswith(b'{"type":"message.new"'):
            return
        at = raw.find(b'"clientMsgId":"g-')  # parsing 1,024 copies would measure the generator
        if at < 0:
            return
        key = raw[at + 15 : raw.index(b'"', at + 15)]
        counts["deliveries"] += 1
        if key in left:
            left[key] -= 1
            if not left[key]:
                last.append(time.perf_counter() - sent_at[key])
                del left[key]
                room.release()

    async with httpx.AsyncClient(base_url=f"{url}/api/v1", timeout=60) as client:
        everyone = await people.sign_in_many(client, size)
        body = {"type": "group", "name": f"{size}", "participantIds": [person.id for person in everyone[1:]]}
        made = await client.post("/chats", json=body, headers=everyone[0].headers)
        made.raise_for_status()
        chat = made.json()["id"]
    sockets = [await people.connect(url, person, received) for person in everyone]
    usage, number, name = Usage(data_dir), 0, f"g-{time.time():.0f}"
    began = time.perf_counter()
    while time.perf_counter() < began + seconds:
        try:
            async with asyncio.timeout(SETTLE_S):
                await room.acquire()
        except TimeoutError:
            break
        key = f"{name}-{number}".encode()
        left[key], sent_at[key] = size - 1, time.perf_counter()
        sockets[number % min(SPEAKERS, size)].say(people.send_frame(chat, key.decode(), "x" * 100))
        number += 1
    took = time.perf_counter() - began
    used, deliveries = usage.taken(), counts["deliveries"]
    end = time.perf_counter() + SETTLE_S
    while left and time.perf_counter() < end:
        await asyncio.sleep(0.05)
    for socket in sockets:
        if socket.transport is not None:
            socket.transport.disconnect()
    found = percentiles(last)
    return {
        "load": f"a group of {size}, all online, {WINDOW} messages on their way",
        "messages": number,
        "deliveries_per_s": round(deliveries / took),
        **{f"last_member_{key}": value for key, value in found.items()},
        "missing_deliveries": sum(left.values()),
        "errors": len(errors),
        "first_errors": errors[:3],
        **used,
    }
