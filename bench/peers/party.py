"""The load every party gets: pairs, some messages in flight each, the next one sent when the receiver has one.

All on loopback without TLS, one generator process, 100 bytes of text. Nothing is acknowledged by receivers: XMPP and
Matrix have no such thing on by default.
"""

import asyncio
import os
import time
from collections.abc import Callable
from typing import Protocol

from bench.figures import Figures, percentiles
from bench.usage import Usage

PAIRS, IN_FLIGHT = 50, 8
TEXT = "x" * 100
SETTLE_S = 30.0

Received = Callable[[int, str], None]


class Party(Protocol):
    """A server and its clients, connected and ready."""

    label: str

    def pids(self) -> dict[str, int]:
        """The processes that serve, by name."""

    async def prepare(self, pairs: int, received: Received) -> None:
        """Make the people and connect them; `received(pair, key)` is called for each message at its receiver."""

    def send(self, pair: int, key: str) -> None:
        """Let the first of a pair write to the second. Never waits."""

    async def close(self) -> None:
        """Hang up."""


class Loop:
    """The closed loop and what it counts."""

    def __init__(self, party: Party) -> None:
        self._party = party
        self._sent_at: dict[str, float] = {}
        self._number = 0
        self._sending = self._measuring = False
        self.received = self.doubled = 0
        self.latencies: list[float] = []

    @property
    def on_their_way(self) -> int:
        return len(self._sent_at)

    def on_receipt(self, pair: int, key: str) -> None:
        began = self._sent_at.pop(key, None)
        if began is None:
            self.doubled += 1
            return
        self.received += 1
        if self._measuring:
            self.latencies.append(time.perf_counter() - began)
        if self._sending:
            self._send(pair)

    def _send(self, pair: int) -> None:
        key = f"b{self._number}"
        self._number += 1
        self._sent_at[key] = time.perf_counter()
        self._party.send(pair, key)

    async def run(self, warm_up: float, seconds: float) -> tuple[float, Figures]:
        """Messages a second and what the processes used."""
        self._sending = True
        for pair in range(PAIRS):
            for _ in range(IN_FLIGHT):
                self._send(pair)
        await asyncio.sleep(warm_up)
        pids = self._party.pids() | {"generator": os.getpid()}
        usage, before, began = Usage(pids), self.received, time.perf_counter()
        self._measuring = True
        await asyncio.sleep(seconds)
        self._measuring = self._sending = False
        rate = (self.received - before) / (time.perf_counter() - began)
        used = usage.taken(self.received - before)
        end = time.perf_counter() + SETTLE_S
        while self._sent_at and time.perf_counter() < end:
            await asyncio.sleep(0.05)
        return rate, used


async def measure(party: Party, *, seconds: float, warm_up: float = 5.0) -> Figures:
    """The figures of one party."""
    loop = Loop(party)
    await party.prepare(PAIRS, loop.on_receipt)
    rate, used = await loop.run(warm_up, seconds)
    await party.close()
    return {
        "party": party.label,
        "load": f"{PAIRS} pairs, {IN_FLIGHT} in flight, {len(TEXT)} bytes, sender to receiver, {seconds:.0f} s",
        "messages_per_s": round(rate, 1),
        **percentiles(loop.latencies),
        "lost": loop.on_their_way,
        "doubled": loop.doubled,
        **used,
    }
