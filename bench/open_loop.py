"""Load b: messages at a fixed mean rate (Poisson), whatever the system does; latency counts from the intended time."""

import asyncio
import json
import random
import time

from bench import people
from bench.figures import Figures, delivery, percentiles
from bench.target import Target

PAIRS = 50
SETTLE_S = 10.0


class Ledger:
    """What was sent and when it should have been, and what arrived."""

    def __init__(self) -> None:
        self.due: dict[str, float] = {}
        self.latencies: list[float] = []
        self.errors: list[str] = []
        self.doubled = self.disordered = 0
        self._last_seq: dict[str, int] = {}

    def on_receiver(self, raw: bytes) -> None:
        if not raw.startswith(b'{"type":"message.new"') or (frame := json.loads(raw))["kind"] != "message":
            return
        intended = self.due.pop(frame["clientMsgId"], None)
        if intended is None:
            self.doubled += 1
            return
        self.latencies.append(time.perf_counter() - intended)
        self.disordered += frame["seq"] <= self._last_seq.get(frame["chatId"], 0)
        self._last_seq[frame["chatId"]] = frame["seq"]

    def on_sender(self, raw: bytes) -> None:
        if raw.startswith(b'{"type":"error"'):
            self.errors.append(raw[:200].decode())


async def measure(target: Target, *, rate: float = 500, seconds: float = 20) -> Figures:
    """Percentiles from the intended time to the receipt."""
    ledger = Ledger()
    senders: list[tuple[people.Socket, str]] = []
    receivers: list[people.Socket] = []
    async with target.client() as client:
        everyone = await people.sign_in_many(client, PAIRS * 2)
        for a, b in zip(everyone[::2], everyone[1::2], strict=True):
            chat = await people.direct(client, a, b)
            receivers.append(await people.connect(target.url, b, ledger.on_receiver))
            senders.append((await people.connect(target.url, a, ledger.on_sender), chat))
    target.say(f"measuring for {seconds:.0f} s")
    dice, usage, name, number = random.Random(1), target.usage(), f"{time.time():.0f}", 0
    at = began = time.perf_counter()
    while at < began + seconds:
        at += dice.expovariate(rate)
        await asyncio.sleep(max(0.0, at - time.perf_counter()))
        socket, chat = senders[number % len(senders)]
        key = f"{name}-{number}"
        ledger.due[key] = at
        socket.say(people.send_frame(chat, key, "x" * 100))
        number += 1
    used = usage.taken(number)
    end = time.perf_counter() + SETTLE_S
    while ledger.due and time.perf_counter() < end:
        await asyncio.sleep(0.05)
    people.hang_up([*receivers, *(socket for socket, _ in senders)])
    return {
        "load": f"open loop, {rate:.0f} messages/s (Poisson) over {PAIRS} pairs",
        "sent": number,
        **percentiles(ledger.latencies),
        **delivery(lost=len(ledger.due), doubled=ledger.doubled, disordered=ledger.disordered),
        "errors": len(ledger.errors),
        "first_errors": ledger.errors[:3],
        **used,
    }
