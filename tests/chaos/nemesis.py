"""When and what breaks: drawn from a seed, or by a schedule that has a name. Knows nothing of the load."""

import asyncio
import contextlib
import random
from collections import defaultdict
from typing import Final

from tests.chaos.faults import LINK_MODES, Fault, inflict, keep_copies, remove_for_ever
from tests.chaos.history import History
from tests.chaos.place import CALLEES, STORES, Place
from tests.chaos.small_disks import MIB

SPARED: Final = ("supervisor",)
QUIET_S: Final = (0.5, 4.0)  # between two faults
LONG_QUIET_S: Final = 10.0  # a quarter of the time nothing is broken
FREEZE_S: Final = (0.5, 8.0)
LONG_FREEZE_S: Final = (12.0, 40.0)  # past every lease; rare, and only in runs that have the time
LONG_RUN_S: Final = 120.0
LINK_S: Final = (0.5, 5.0)
FULL_S: Final = (0.5, 3.0)  # what dies of it all the while is given up after six deaths in a minute
CLOCK_S: Final = (2.0, 8.0)
KINDS: Final = {"kill": 8, "freeze": 5, "term": 4, "link": 8, "flush": 1, "full": 2, "clock": 2, "rollback": 2}
ON_TIME: Final = ("auth", "gateway", "envoy")  # tokens say when they end: by a wrong clock they are refused, rightly
OF_TWO: Final = ("message-1", "message-2", "websocket-1", "websocket-2")
MOST_DEATHS: Final = 2  # of one process within a minute, so that no supervisor gives it up
MINUTE_S: Final = 60.0

SCHEDULES: Final[dict[str, list[tuple[float, Fault]]]] = {
    "killed writer without NATS": [(1.0, Fault("refuse", "link:nats", 6.0)), (4.0, Fault("kill", "message-1"))],
    "chat away": [(1.0, Fault("freeze", "chat-1", 8.0)), (11.0, Fault("freeze", "chat-1", 8.0))],
    "killed holders": [(1.0, Fault("kill", "websocket-1")), (8.0, Fault("kill", "websocket-2"))],
    "killed writers": [(1.0, Fault("kill", "message-1")), (8.0, Fault("kill", "message-2"))],
    "lost bundles": [(1.0, Fault("blackhole", "link:valkey", 3.0)), (7.0, Fault("kill", "valkey"))],
    "emptied Redis": [(1.0, Fault("flush", "valkey")), (6.0, Fault("flush", "valkey"))],
    "wrong clocks": [
        (1.0, Fault("early", "websocket-1", 6.0)), (1.0, Fault("late", "message-1", 6.0)),
        (9.0, Fault("late", "websocket-2", 6.0)), (9.0, Fault("early", "message-2", 6.0)),
    ],
    "NATS from before": [
        (16.0, Fault("rollback", "nats")), (24.0, Fault("rollback-keep", "nats")), (70.0, Fault("flush", "valkey")),
    ],
    "full disks": [
        (1.0, Fault("full", "nats", 2.0)), (6.0, Fault("full", "mongo", 2.0)), (16.0, Fault("full", "postgres", 2.0)),
        (24.0, Fault("full", "valkey", 2.0)),
    ],
    "one link after the other": [
        (1.0 + number, Fault("blackhole", f"link:{store}", 7.0 - 2 * (number % 3)))
        for number, store in enumerate(STORES)
    ],
    "services apart": [
        (1.0, Fault("mute", "link:message-1", 4.0)), (8.0, Fault("blackhole", "link:chat-1", 6.0)),
        (17.0, Fault("refuse", "link:message-2", 4.0)), (20.0, Fault("deaf", "link:user-1", 5.0)),
        (28.0, Fault("thin", "link:message-1", 4.0)), (33.0, Fault("mute", "link:message-2", 9.0)),
        (38.0, Fault("slow", "link:auth-1", 4.0)),
    ],
    "crossing writers": [(2.0, Fault("freeze", "message-1", 2.0)), (7.0, Fault("freeze", "message-2", 2.0))],
    "long freezes": [(1.0, Fault("freeze", "websocket-1", 20.0)), (26.0, Fault("freeze", "message-2", 14.0))],
    "nothing": [(1.0, Fault("slow", "link:nats", 0.5))],
}  # fmt: skip


def draw(dice: random.Random, services: list[str], *, long: bool = False) -> Fault:
    """The next fault."""
    kind = dice.choices(list(KINDS), list(KINDS.values()))[0]
    if kind == "flush":
        return Fault("flush", "valkey")
    if kind == "link":
        return Fault(
            dice.choice(LINK_MODES), f"link:{dice.choice((*STORES, 'edge', *CALLEES))}", _seconds(dice, LINK_S)
        )
    if kind == "full":
        return Fault("full", dice.choice(list(MIB)), _seconds(dice, FULL_S))
    if kind == "clock":
        target = dice.choice([name for name in services if not name.startswith(ON_TIME)])
        return Fault(dice.choice(("early", "late")), target, _seconds(dice, CLOCK_S))
    if kind == "rollback":
        return Fault(dice.choice(("rollback", "rollback-keep")), "nats")
    target = dice.choice([*services, *STORES])
    if kind == "freeze":
        return Fault(kind, target, _seconds(dice, LONG_FREEZE_S if long and dice.random() < 0.1 else FREEZE_S))
    return Fault(kind, target)


def _seconds(dice: random.Random, bounds: tuple[float, float]) -> float:
    return round(dice.uniform(*bounds), 2)


class Wear:
    """How often each process died lately."""

    def __init__(self) -> None:
        self._deaths: dict[str, list[float]] = defaultdict(list)

    def bears(self, fault: Fault, now: float) -> bool:
        """Whether a process may die of this fault; counts it."""
        if fault.kind not in ("kill", "term", "full"):
            return True
        lately = [at for at in self._deaths[fault.target] if now - at < MINUTE_S]
        if len(lately) + (fault.kind == "full") > MOST_DEATHS - 1:
            return False
        self._deaths[fault.target] = [*lately, *[now] * (1 + (fault.kind == "full"))]
        return True


async def run(place: Place, history: History, seed: int, seconds: float) -> None:
    """Break one thing after the other for so long, now and then two at once; each is healed before the next."""
    dice, wear = random.Random(seed), Wear()
    names = await _names(place)
    copying = asyncio.create_task(keep_copies(place))
    end = history.now() + seconds
    try:
        while history.now() < end:
            await asyncio.sleep(dice.uniform(*QUIET_S) + LONG_QUIET_S * (dice.random() < 0.05))
            drawn = [draw(dice, names, long=seconds >= LONG_RUN_S) for _ in range(dice.choice((1, 1, 1, 1, 2)))]
            faults = [fault for fault in drawn if wear.bears(fault, history.now())]
            if len({_hit(fault) for fault in faults}) == len(faults):
                await asyncio.gather(*(_break(place, history, fault) for fault in faults))
    finally:
        await _end(copying)


async def play(place: Place, history: History, schedule: str) -> None:
    """Break what a named schedule says, when it says."""
    copying = asyncio.create_task(keep_copies(place))

    async def later(after_s: float, fault: Fault) -> None:
        await asyncio.sleep(after_s)
        await _break(place, history, fault)

    try:
        await asyncio.gather(*(later(after_s, fault) for after_s, fault in SCHEDULES[schedule]))
    finally:
        await _end(copying)


async def maim(place: Place, history: History, seed: int, seconds: float) -> contextlib.AsyncExitStack:
    """One instance of two goes and never comes back. Close what this answers when the run is over."""
    dice = random.Random(seed)
    fault = Fault(dice.choice(("gone", "frozen")), dice.choice(OF_TWO))
    history.add("fault", "invoke", kind=fault.kind, target=fault.target)
    stack = await remove_for_ever(place, fault)
    history.add("fault", "ok", kind=fault.kind, target=fault.target)
    await asyncio.sleep(seconds)
    return stack


async def _break(place: Place, history: History, fault: Fault) -> None:
    history.add("fault", "invoke", kind=fault.kind, target=fault.target)
    await inflict(place, fault)
    history.add("fault", "ok", kind=fault.kind, target=fault.target)


async def _names(place: Place) -> list[str]:
    state = await asyncio.to_thread(place.services.state)
    return sorted(p.name for p in state.processes if p.state == "ready" and p.name not in SPARED)


def _hit(fault: Fault) -> str:
    return "nats" if fault.kind.startswith("rollback") else fault.target.removeprefix("link:")


async def _end(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
