"""Load g: the same pairs with little and with much stored: what the size of the log does to the rate and the latency.

The log is filled through sockets by the pairs themselves, 32 in flight each, as fast as the system takes them.
"""

import asyncio
import time

from bench.figures import Figures, aims, percentiles
from bench.pairs import Run
from bench.target import Target

PAIRS = 50
IN_FLIGHT = 8
FILL_IN_FLIGHT = 32
TELL_S = 15.0
FILL_RATE_LEAST = 500  # messages a second: below that filling is given up


async def measure(target: Target, *, first: int = 10_000, then: int = 200_000, seconds: float = 8) -> Figures:
    """Rate and percentiles at both sizes, and the worse of the two ratios."""
    stored = await _fill(target, first)
    target.say("measuring the small log")
    small, small_rate, some = await _load(target, seconds)
    stored += some
    stored += await _fill(target, then - stored)
    target.say("measuring the large log")
    large, large_rate, some = await _load(target, seconds)
    before, after = percentiles(small.latencies, "small_"), percentiles(large.latencies, "large_")
    slower = round(small_rate / max(1.0, large_rate), 2)
    longer = round(after["large_p50_ms"] / before["small_p50_ms"], 2)
    longer_p99 = round(after["large_p99_ms"] / before["small_p99_ms"], 2)
    return {
        "load": f"{PAIRS} pairs, {IN_FLIGHT} in flight, with {first:,} and with {then:,} messages stored",
        "small_messages_per_s": round(small_rate),
        "large_messages_per_s": round(large_rate),
        **before,
        **after,
        "rate_ratio": slower,
        "p50_ratio": longer,
        "p99_ratio": longer_p99,
        **large.faults(),
        "missed": aims(
            (slower <= 1.3, f"{slower} times slower, aim 1.3"),
            (max(longer, longer_p99) <= 1.3, f"latency {max(longer, longer_p99)} times as long, aim 1.3"),
        ),
    }


async def _load(target: Target, seconds: float) -> tuple[Run, float, int]:
    run = Run(PAIRS, acks=True)
    await run.prepare(target)
    run.start(IN_FLIGHT)
    await asyncio.sleep(2)
    rate = await run.measure(seconds)
    await run.finish()
    run.close()
    return run, rate, run.received


async def _fill(target: Target, messages: int) -> int:
    """Store at least so many."""
    if messages <= 0:
        return 0
    run = Run(PAIRS, acks=False)
    await run.prepare(target)
    run.start(FILL_IN_FLIGHT)
    began = told_at = time.perf_counter()
    while run.received < messages and time.perf_counter() - began < 60 + messages / FILL_RATE_LEAST:
        await asyncio.sleep(0.2)
        if time.perf_counter() - told_at > TELL_S:
            told_at = time.perf_counter()
            target.say(f"{run.received:,} of {messages:,} messages stored")
    await run.finish()
    run.close()
    return run.received
