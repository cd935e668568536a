"""Load i: receipts and typing of many people at once, and what a pair notices of it."""

import asyncio

from bench.crowd import Job, Member, gathered
from bench.figures import Figures, aims, percentiles
from bench.probe import Probe
from bench.target import Target
from bench.writing import heads, pair_up, write


async def measure(target: Target, *, size: int = 200, seconds: float = 10) -> Figures:
    """A pair's percentiles before, and while everyone types and reads once a second."""
    lasting = int(seconds) + 5  # longer than is measured, so that the crowd is at it all the while
    pairs, chats = await pair_up(target, size)
    before = await heads(target, pairs, chats)
    each = -(-lasting // 2)
    target.say(f"{size:,} people write {each} messages each, to be read")
    await write(target, pairs, chats, each)
    probe = await Probe.prepare(target)
    quiet = percentiles(await probe.measure(seconds), "quiet_")
    members = [
        Member(person.id, person.token, chat, seq)
        for pair, chat, seq in zip(pairs, chats, before, strict=True)
        for person in pair
    ]
    job = Job(url=target.url, members=members, act="bustle", seconds=lasting, source="127.0.0.2")
    async with gathered(job) as crowd:
        target.say("measuring")
        await crowd.tell("go")
        await asyncio.sleep(2)
        usage = target.usage()
        busy = percentiles(await probe.measure(seconds), "busy_")
        used = usage.taken()
        told = await crowd.hear("done", 60)
    probe.close()
    ratio = round(busy["busy_p99_ms"] / quiet["quiet_p99_ms"], 2)
    return {
        "load": f"{size:,} people type and read once a second each; a pair writes 50 messages/s",
        "frames_said": told["done"],
        "frames_heard": told["frames"],
        "errors": told["errors"],
        "first_errors": told["first_errors"],
        **quiet,
        **busy,
        "p99_ratio": ratio,
        "lost": probe.lost,
        "missed": aims((ratio < 2, f"a pair's p99 is {ratio} times its quiet value, aim below 2")),
        **used,
    }
