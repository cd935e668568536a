"""One pair that writes quietly at a fixed rate: what everyone else's doings do to its latency."""

import asyncio
import json
import time

from bench import people
from bench.target import Target

EVERY_S = 0.02
SETTLE_S = 5.0


class Probe:
    """A sender, a receiver, and the latency of each message from its intended time to its receipt."""

    def __init__(self) -> None:
        self._due: dict[str, float] = {}
        self._latencies: list[float] = []
        self._number = 0
        self.chat = ""
        self.a: people.Socket
        self.b: people.Socket
        self.lost = 0

    @classmethod
    async def prepare(cls, target: Target) -> "Probe":
        """Two new people with a chat."""
        probe = cls()
        async with target.client() as client:
            a, b = await people.sign_in_many(client, 2)
            probe.chat = await people.direct(client, a, b)
        probe.a = await people.connect(target.url, a, lambda _: None)
        probe.b = await people.connect(target.url, b, probe._received)
        await probe.measure(2)  # caches fill
        return probe

    def _received(self, raw: bytes) -> None:
        if raw.startswith(b'{"type":"message.new"'):
            due = self._due.pop(json.loads(raw)["clientMsgId"], None)
            if due is not None:
                self._latencies.append(time.perf_counter() - due)

    async def measure(self, seconds: float) -> list[float]:
        """Latencies in seconds."""
        self._latencies = []
        began = time.perf_counter()
        for step in range(int(seconds / EVERY_S)):
            at = began + step * EVERY_S
            await asyncio.sleep(max(0.0, at - time.perf_counter()))
            key = f"probe-{self._number}"
            self._number += 1
            self._due[key] = at
            self.a.say(people.send_frame(self.chat, key, "x" * 100))
        end = time.perf_counter() + SETTLE_S
        while self._due and time.perf_counter() < end:
            await asyncio.sleep(0.02)
        self.lost += len(self._due)
        self._due.clear()
        return self._latencies

    def close(self) -> None:
        """Hang up."""
        people.hang_up([self.a, self.b])
