"""Load d: many idle connections: what one costs in all processes together, and whether a pair notices."""

import asyncio
import contextlib
import resource

from bench.crowd import Crowd, Job, Member, gathered
from bench.figures import Figures, aims, percentiles
from bench.probe import Probe
from bench.target import Target

SOCKETS_EACH = 30  # of one person on one instance: the product's bound
PEOPLE_A_CROWD = 160  # and a loopback address for each crowd: ports are counted per address
SETTLE_S = 5.0
OTHER_FILES = 500  # of Envoy, besides two for every socket


async def measure(target: Target, *, sockets: int = 2_000, seconds: float = 10) -> Figures:
    """KB (PSS) per connection, and a pair's percentiles before and with the crowd."""
    wanted, sockets = sockets, min(sockets, room())
    if sockets < wanted:
        target.say(
            f"{sockets:,} instead of {wanted:,} sockets: Envoy needs two open files for each, more than `ulimit -n`"
        )
    async with target.client() as client:
        everyone = await target.crowd(client, max(1, sockets // SOCKETS_EACH))
    probe = await Probe.prepare(target)
    quiet = percentiles(await probe.measure(seconds), "quiet_")
    before = target.memory()
    async with contextlib.AsyncExitStack() as stack:
        crowds: list[Crowd] = []
        for number, first in enumerate(range(0, len(everyone), PEOPLE_A_CROWD)):
            some = everyone[first : first + PEOPLE_A_CROWD]
            job = Job(
                url=target.url,
                members=[Member(person.id, person.token) for person in some],
                sockets_each=SOCKETS_EACH,
                source=f"127.0.0.{2 + number}",
            )
            crowds.append(await stack.enter_async_context(gathered(job)))
            target.say(f"{(first + len(some)) * SOCKETS_EACH:,} sockets are open")
        await asyncio.sleep(SETTLE_S)
        after, usage = target.memory(), target.usage()
        crowded = percentiles(await probe.measure(seconds), "crowded_")
        used = usage.taken()
        opened = sum([(await _count(crowd)) for crowd in crowds])
    probe.close()
    each = {name: round((after[name] - before.get(name, 0)) / 1024 / max(1, opened), 1) for name in after}
    ratio = round(crowded["crowded_p99_ms"] / quiet["quiet_p99_ms"], 2)
    return {
        "load": f"{opened:,} idle connections, {SOCKETS_EACH} to a person",
        "connections": opened,
        "wanted": wanted,
        "kb_each": round(sum(each.values()), 1) if each else None,
        "kb_each_by_process": {name: kb for name, kb in each.items() if abs(kb) >= 0.1},
        **quiet,
        **crowded,
        "p99_ratio": ratio,
        "lost": probe.lost,
        "missed": aims((ratio <= 1.5, f"a pair's p99 is {ratio} times its quiet value, aim: unchanged")),
        **used,
    }


def room() -> int:
    """How many connections Envoy can hold under the limit that it inherits from us."""
    return (resource.getrlimit(resource.RLIMIT_NOFILE)[0] - OTHER_FILES) // 2


async def _count(crowd: Crowd) -> int:
    await crowd.tell("count")
    return int((await crowd.hear("open", 30))["open"])
