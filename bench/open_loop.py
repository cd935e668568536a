"""Load b: messages at a fixed mean rate (Poisson), whatever the system does; latency counts from the intended time."""

import asyncio
import json
import random
import time
from pathlib import Path

import httpx

from bench import people
from bench.figures import Figures, Usage, percentiles

PAIRS = 50
SETTLE_S = 10.0


async def measure(url: str, data_dir: Path | None, *, rate: float = 500, seconds: float = 20) -> Figures:
    """Percentiles from the intended time to the receipt."""
    due: dict[str, float] = {}
    latencies: list[float] = []
    errors: list[str] = []

    def received(raw: bytes) -> None:
        if raw.startswith(b'{"type":"message.new"') and (frame := json.loads(raw))["kind"] == "message":
            intended = due.pop(frame["clientMsgId"], None)
            if intended is not None:
                latencies.append(time.perf_counter() - intended)

    def answered(raw: bytes) -> None:
        if raw.startswith(b'{"type":"error"'):
            errors.append(raw[:200].decode())

    senders: list[tuple[people.Socket, str]] = []
    async with httpx.AsyncClient(base_url=f"{url}/api/v1", timeout=20) as client:
        everyone = await people.sign_in_many(client, PAIRS * 2)
        for a, b in zip(everyone[::2], everyone[1::2], strict=True):
            chat = await people.direct(client, a, b)
            await people.connect(url, b, received)
            senders.append((await people.connect(url, a, answered), chat))
    dice, usage, name, number = random.Random(1), Usage(data_dir), f"{time.time():.0f}", 0
    at = began = time.perf_counter()
    while at < began + seconds:
        at += dice.expovariate(rate)
        await asyncio.sleep(max(0.0, at - time.perf_counter()))
        socket, chat = senders[number % len(senders)]
        key = f"{name}-{number}"
        due[key] = at
        socket.say(people.send_frame(chat, key, "x" * 100))
        number += 1
    used = usage.taken()
    end = time.perf_counter() + SETTLE_S
    while due and time.perf_counter() < end:
        await asyncio.sleep(0.05)
    return {
        "load": f"open loop, {rate:.0f} messages/s (Poisson) over {PAIRS} pairs",
        "sent": number,
        **percentiles(latencies),
        "lost": len(due),
        "errors": len(errors),
        "first_errors": errors[:3],
        **used,
    }
