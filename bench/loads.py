"""Every load by its name, in its short and in its full form."""

import functools
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from bench import bustle, groups, history, idle, open_loop, overload, pairs, start, stored, storm
from bench.figures import Figures
from bench.target import Target

Measure = Callable[[Target], Awaitable[Figures]]


class Load(NamedTuple):
    """`short` is what `make bench` runs of all loads within 10 minutes."""

    about: str
    short: Measure
    full: Measure
    own_system: bool = False  # it starts one itself


def _pairs(seconds: float, **options: float) -> Measure:
    return functools.partial(pairs.measure, seconds=seconds, **options)  # type: ignore[arg-type]


def _group(size: int) -> Load:
    made = functools.partial(groups.measure, size=size)
    return Load(
        f"a group of {size:,}, all online", functools.partial(made, seconds=8), functools.partial(made, seconds=30)
    )


_ALONE = {"pairs": 10, "in_flight": 1, "warm_up": 2, "p50_aim_ms": 6, "p99_aim_ms": 20}

LOADS = {
    "h": Load(
        "start on warm disk; idle memory (on a system of its own)",
        start.measure,
        functools.partial(start.measure, idle_s=30),
        own_system=True,
    ),
    "a": Load("50 pairs, 8 in flight, delivered acks", _pairs(10, rate_aim=5000), _pairs(30, rate_aim=5000)),
    "a-no-acks": Load("the same without acks", _pairs(8, acks=False), _pairs(30, acks=False)),
    "a1": Load("10 pairs, 1 in flight", _pairs(8, **_ALONE), _pairs(30, **_ALONE)),
    "b": Load(
        "500 messages/s, open loop",
        functools.partial(open_loop.measure, seconds=15),
        functools.partial(open_loop.measure, seconds=60),
    ),
    "c10": _group(10),
    "c100": _group(100),
    "c1024": _group(1024),
    "d": Load(
        "20,000 idle connections (short: 2,000)",
        functools.partial(idle.measure, sockets=2_000, seconds=8),
        functools.partial(idle.measure, sockets=20_000, seconds=30),
    ),
    "e": Load(
        "2,000 sockets cut at once, 20 messages waiting for each (short: 500)",
        functools.partial(storm.measure, size=500),
        functools.partial(storm.measure, size=2_000),
    ),
    "f": Load(
        "a chat of 1,000,000, pages of 50, catching up on 10,000 (short: a chat of 20,000)",
        functools.partial(history.measure, messages=20_000),
        functools.partial(history.measure, messages=1_000_000),
    ),
    "g": Load(
        "10,000, then 5,000,000 messages stored (short: 200,000)",
        functools.partial(stored.measure, then=200_000),
        functools.partial(stored.measure, then=5_000_000, seconds=30),
    ),
    "i": Load(
        "receipts and typing of 1,000 people (short: 200)",
        functools.partial(bustle.measure, size=200, seconds=8),
        functools.partial(bustle.measure, size=1_000, seconds=30),
    ),
    "overload": Load(
        "three times the peak, open loop",
        functools.partial(overload.measure, seconds=8),
        functools.partial(overload.measure, seconds=30),
    ),
}
