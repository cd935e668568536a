"""Overload: three times what the system can take, for some seconds, from an open loop that asks nobody's leave.

What it may not do: lose goodput, let refusals wait, grow, stay slow afterwards, or store what it refused. Typing is
sent beside the messages, to see that it is shed first. At the end the log is read and compared with every answer.
"""

import asyncio

import psutil

from bench.figures import Figures, aims, percentiles
from bench.pairs import Run
from bench.probe import Probe
from bench.stream import Stream
from bench.target import Target
from bench.usage import pids_of

PAIRS = 100  # so that each socket stays far below the 500 frames a second it may say
IN_FLIGHT = 8
TIMES = 3
AFTER_S = 5.0  # then all is to be as it was
SETTLE_S = 30.0
GROWTH_MB = 150.0  # queues have bounds: full ones weigh something
SAMPLE_S = 1.0
LATE_S = 0.5  # of the generator itself: beyond it the rate was not what is stated


async def measure(target: Target, *, seconds: float = 10) -> Figures:
    """Peak, goodput at three times the peak, refusals, memory, and the time after."""
    peak = await _peak(target, min(seconds, 10))
    target.say(f"the peak is {peak:.0f} messages/s")
    probe = await Probe.prepare(target)
    quiet = percentiles(await probe.measure(4), "quiet_")
    stream = await Stream.prepare(target, PAIRS)
    ours = [pid for name, pid in pids_of(target.data_dir).items() if name[-1].isdigit() or name == "envoy"]
    before = _weight(ours)
    memory = [before]
    sampling = asyncio.create_task(_sample(ours, memory))
    target.say(f"{TIMES} times the peak for {seconds:.0f} s")
    usage = target.usage()
    await stream.run(TIMES * peak, seconds)
    used = usage.taken(stream.stored_in_time)
    sampling.cancel()
    await asyncio.sleep(AFTER_S)
    normal = percentiles(await probe.measure(4), "after_")
    await stream.settle(SETTLE_S)
    target.say("reading the log")
    faults = await stream.check_log(target)
    stream.close()
    probe.close()
    goodput = stream.received_in_time / seconds
    refused = percentiles(stream.refusal_s, "refusal_")
    growth = max(memory) - before
    return {
        "load": f"open loop at {TIMES} times the peak for {seconds:.0f} s over {PAIRS} pairs, typing beside it",
        "peak_per_s": round(peak),
        "sent_per_s": round(stream.sent / seconds),
        "goodput_per_s": round(goodput),
        "goodput_of_peak": round(goodput / peak, 2),
        "generator_late_ms": round(stream.latest_s * 1e3, 1),
        "answered": len(stream.stored),
        "refused": stream.codes,
        "without_retry_after": stream.without_retry_after,
        **refused,
        **percentiles(stream.receipt_s, "receipt_"),
        "typing_said": stream.typing_said,
        "typing_heard": stream.typing_heard,
        "memory_growth_mb": round(growth),
        **quiet,
        **normal,
        **faults,
        "missed": _aims(stream, goodput / peak, growth, refused, quiet, normal),
        **used,
    }


def _aims(stream: Stream, share: float, growth: float, refused: Figures, quiet: Figures, normal: Figures) -> list[str]:
    slow = refused.get("refusal_p99_ms", 0.0)
    ratio = normal.get("after_p99_ms", 1e9) / quiet["quiet_p99_ms"]
    heard, messages = stream.typing_heard / max(1, stream.typing_said), stream.received / max(1, stream.sent)
    return aims(
        (stream.latest_s <= LATE_S, f"the generator was late by {stream.latest_s:.1f} s: the machine was too busy"),
        (share >= 0.8, f"goodput {share:.0%} of the peak, aim 80 %"),
        (set(stream.codes) <= {"overloaded"}, f"refused with {', '.join(stream.codes)}, aim: overloaded alone"),
        (not stream.without_retry_after, f"{stream.without_retry_after} refusals without retryAfterMs"),
        (slow <= 500, f"p99 of a refusal {slow} ms, aim: at once"),
        (not stream.codes or heard <= messages, f"{heard:.0%} of typing passed but {messages:.0%} of messages"),
        (growth <= GROWTH_MB, f"memory grew by {growth:.0f} MB, aim: flat"),
        (ratio < 2, f"{AFTER_S:.0f} s after, a pair's p99 is {ratio:.1f} times its quiet value"),
    )


async def _peak(target: Target, seconds: float) -> float:
    """The rate of the closed loop: the most this system does without refusing anything."""
    run = Run(PAIRS, acks=False)
    await run.prepare(target)
    run.start(IN_FLIGHT)
    await asyncio.sleep(2)
    peak = await run.measure(seconds)
    await run.finish()
    run.close()
    return peak


def _weight(pids: list[int]) -> float:
    """Megabytes of these processes. Our own and Envoy: the stores' caches grow with what is stored."""
    return sum(psutil.Process(pid).memory_info().rss for pid in pids) / 1e6


async def _sample(pids: list[int], into: list[float]) -> None:
    while True:
        into.append(_weight(pids))
        await asyncio.sleep(SAMPLE_S)
