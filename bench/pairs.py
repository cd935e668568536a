"""Loads a and a': pairs of people, some messages in flight each, sender to receiver through Envoy.

Closed loop: an answer lets the next message go. Receivers acknowledge each message unless `acks` is off.
"""

import asyncio
import json
import time

import httpx

from bench import people
from bench.figures import Figures, aims, delivery, percentiles
from bench.target import Target

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
    """All pairs of a load, and what they count into."""

    def __init__(self, pairs: int, acks: bool) -> None:
        self.name = f"{time.time():.0f}"
        self.sending = self.measuring = False
        self.latencies: list[float] = []
        self.errors: list[str] = []
        self.received = self.doubled = self.disordered = 0
        self.pairs = [Pair(number, acks, self) for number in range(pairs)]

    async def prepare(self, target: Target) -> None:
        """Sign everyone in and connect them."""
        async with target.client() as client:
            for start in range(0, len(self.pairs), 5):
                await asyncio.gather(*(pair.prepare(client, target.url) for pair in self.pairs[start : start + 5]))

    def start(self, in_flight: int) -> None:
        """Let each pair have so many on their way."""
        self.sending = True
        for pair in self.pairs:
            for _ in range(in_flight):
                pair.send()

    async def measure(self, seconds: float) -> float:
        """Messages received in a second; latencies are kept meanwhile."""
        before, began = self.received, time.perf_counter()
        self.measuring = True
        await asyncio.sleep(seconds)
        self.measuring = False
        return (self.received - before) / (time.perf_counter() - began)

    async def finish(self) -> None:
        """Send no more and wait for what is on its way."""
        self.sending = False
        end = time.perf_counter() + SETTLE_S
        while any(pair.sent_at for pair in self.pairs) and time.perf_counter() < end:
            await asyncio.sleep(0.05)

    def close(self) -> None:
        """Hang up."""
        people.hang_up([socket for pair in self.pairs for socket in (pair.a, pair.b)])

    def faults(self) -> Figures:
        """Loss, repetition, order and refusals, once finished."""
        lost = sum(len(pair.sent_at) for pair in self.pairs)
        found = delivery(lost=lost, doubled=self.doubled, disordered=self.disordered)
        return found | {"errors": len(self.errors), "first_errors": self.errors[:3]}


async def measure(
    target: Target, *, pairs: int = 50, in_flight: int = 8, acks: bool = True, seconds: float = 20, warm_up: float = 5,
    rate_aim: float = 0, p50_aim_ms: float = 0, p99_aim_ms: float = 0,
) -> Figures:  # fmt: skip
    """Messages a second, percentiles from send to receipt, and what went wrong."""
    run = Run(pairs, acks)
    await run.prepare(target)
    run.start(in_flight)
    await asyncio.sleep(warm_up)
    target.say(f"measuring for {seconds:.0f} s")
    usage, before = target.usage(), run.received
    rate = await run.measure(seconds)
    used = usage.taken(run.received - before)
    await run.finish()
    run.close()
    found = percentiles(run.latencies)
    return {
        "load": f"{pairs} pairs, {in_flight} in flight, 100 bytes, delivered acks {'on' if acks else 'off'}",
        "messages_per_s": round(rate),
        **found,
        "received": run.received,
        **run.faults(),
        "missed": aims(
            (rate >= rate_aim, f"{rate:.0f} messages/s, aim {rate_aim:.0f}"),
            (not p50_aim_ms or found["p50_ms"] <= p50_aim_ms, f"p50 {found.get('p50_ms')} ms, aim {p50_aim_ms:.0f}"),
            (not p99_aim_ms or found["p99_ms"] <= p99_aim_ms, f"p99 {found.get('p99_ms')} ms, aim {p99_aim_ms:.0f}"),
        ),
        **used,
    }
