"""Loads a and a': pairs of people, some messages in flight each, sender to receiver through Envoy.

Closed loop: an answer lets the next message go. Receivers acknowledge each message unless `acks` is off.
"""

import asyncio
import json
import time
from pathlib import Path

import httpx

from bench import people
from bench.figures import Figures, Usage, percentiles

TEXT = "x" * 100
SETTLE_S = 10.0


class Pair:
    """A sender with a window of messages in flight, and a receiver."""

    def __init__(self, number: int, acks: bool, run: "Run") -> None:
        self.number, self.acks, self.run = number, acks, run
        self.chat = ""
        self.sent_at: dict[str, float] = {}
        self.sent = 0
        self.last_seq = 0
        self.a: people.Socket
        self.b: people.Socket

    async def prepare(self, client: httpx.AsyncClient, url: str) -> None:
        a, b = await people.sign_in(client), await people.sign_in(client)
        self.chat = await people.direct(client, a, b)
        self.a = await people.connect(url, a, self.on_a)
        self.b = await people.connect(url, b, self.on_b)

    def send(self) -> None:
        name = f"{self.run.name}-{self.number}-{self.sent}"
        self.sent += 1
        self.sent_at[name] = time.perf_counter()
        self.a.say(people.send_frame(self.chat, name, TEXT))

    def on_a(self, raw: bytes) -> None:
        if raw.startswith(b'{"type":"error"'):
            self.run.errors.append(raw[:200].decode())
        elif not raw.startswith(b'{"type":"message.sent"'):
            return
        if self.run.sending:
            self.send()

    def on_b(self, raw: bytes) -> None:
        if not raw.startswith(b'{"type":"message.new"'):
            return
        frame = json.loads(raw)
        if frame["kind"] != "message":
            return
        began = self.sent_at.pop(frame["clientMsgId"], None)
        if began is None:
            self.run.doubled += 1
            return
        self.run.received += 1
        if self.run.measuring:
            self.run.latencies.append(time.perf_counter() - began)
        self.run.disordered += frame["seq"] <= self.last_seq
        self.last_seq = frame["seq"]
        if self.acks:
            self.b.say(f'{{"type":"message.delivered","chatId":"{self.chat}","seq":{frame["seq"]}}}')


class Run:
    """What all pairs count into."""

    def __init__(self) -> None:
        self.name = f"{time.time():.0f}"
        self.sending = self.measuring = False
        self.latencies: list[float] = []
        self.errors: list[str] = []
        self.received = self.doubled = self.disordered = 0


async def measure(
    url: str, data_dir: Path | None, *, pairs: int = 50, in_flight: int = 8, acks: bool = True, seconds: float = 20,
    warm_up: float = 5,
) -> Figures:  # fmt: skip
    """Messages a second, percentiles from send to receipt, and what went wrong."""
    run = Run()
    found = [Pair(number, acks, run) for number in range(pairs)]
    async with httpx.AsyncClient(base_url=f"{url}/api/v1", timeout=20) as client:
        for start in range(0, pairs, 5):
            await asyncio.gather(*(pair.prepare(client, url) for pair in found[start : start + 5]))
    run.sending = True
    for pair in found:
        for _ in range(in_flight):
            pair.send()
    await asyncio.sleep(warm_up)
    usage, before, began = Usage(data_dir), run.received, time.perf_counter()
    run.measuring = True
    await asyncio.sleep(seconds)
    run.measuring = run.sending = False
    rate = (run.received - before) / (time.perf_counter() - began)
    used = usage.taken()
    end = time.perf_counter() + SETTLE_S
    while any(pair.sent_at for pair in found) and time.perf_counter() < end:
        await asyncio.sleep(0.05)
    for pair in found:
        for socket in (pair.a, pair.b):
            if socket.transport is not None:
                socket.transport.disconnect()
    return {
        "load": f"{pairs} pairs, {in_flight} in flight, 100 bytes, delivered acks {'on' if acks else 'off'}",
        "messages_per_s": round(rate),
        **percentiles(run.latencies),
        "received": run.received,
        "lost": sum(len(pair.sent_at) for pair in found),
        "doubled": run.doubled,
        "disordered": run.disordered,
        "errors": len(run.errors),
        "first_errors": run.errors[:3],
        **used,
    }
