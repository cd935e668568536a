"""What breaks: processes are killed, frozen and ended, links cut, and Redis emptied, in an order drawn from a seed."""

import asyncio
import random
import signal
from collections.abc import Mapping
from typing import Final, NamedTuple
from urllib.parse import urlsplit

import redis.asyncio
from tests.chaos.history import History
from tests.chaos.link import Link, Mode
from tests.support.running import Stores, System

LENT: Final = ("mongo", "valkey", "nats")  # of a system of their own, behind links
SPARED: Final = ("supervisor", "seaweed")
QUIET_S: Final = (0.5, 4.0)  # between two faults
FREEZE_S: Final = (0.5, 8.0)
LINK_S: Final = (0.5, 5.0)


class Fault(NamedTuple):
    kind: str
    target: str
    seconds: float = 0.0


class Place(NamedTuple):
    """What there is to break: two supervisors (stores, services) and the links between them."""

    stores: System
    services: System
    links: Mapping[str, Link]
    redis_url: str


def draw(dice: random.Random, services: list[str]) -> Fault:
    """The next fault."""
    kind = dice.choices(("kill", "freeze", "term", "link", "flush"), (4, 3, 2, 4, 1))[0]
    if kind == "flush":
        return Fault("flush", "valkey")
    if kind == "link":
        mode: Mode = dice.choice(("refuse", "blackhole", "deaf", "mute", "slow"))
        return Fault(mode, f"link:{dice.choice(LENT)}", round(dice.uniform(*LINK_S), 2))
    target = dice.choice([*services, *LENT])
    seconds = round(dice.uniform(*FREEZE_S), 2) if kind == "freeze" else 0.0
    return Fault(kind, target, seconds)


async def run(place: Place, history: History, seed: int, seconds: float) -> list[Fault]:
    """Break one thing after the other for so long; each is healed before the next. Answers what was done."""
    dice = random.Random(seed)
    names = [p.name for p in place.services.state().processes if p.state == "ready" and p.name not in SPARED]
    done: list[Fault] = []
    end = history.now() + seconds
    while history.now() < end:
        await asyncio.sleep(dice.uniform(*QUIET_S))
        fault = draw(dice, sorted(names))
        history.add("fault", "invoke", kind=fault.kind, target=fault.target)
        await _inflict(place, fault)
        history.add("fault", "ok", kind=fault.kind, target=fault.target)
        done.append(fault)
    return done


async def _inflict(place: Place, fault: Fault) -> None:
    """Until it is healed: the process runs again, the link passes."""
    if fault.target.startswith("link:"):
        link = place.links[fault.target.removeprefix("link:")]
        link.set(fault.kind)  # type: ignore[arg-type]
        await asyncio.sleep(fault.seconds)
        link.set("pass")
    elif fault.kind == "flush":
        client = redis.asyncio.from_url(place.redis_url)
        await client.flushall()
        await client.aclose()
    else:
        system = place.stores if fault.target in LENT else place.services
        await _signal(system, fault)


async def _signal(system: System, fault: Fault) -> None:
    if fault.kind == "freeze":
        pid = await asyncio.to_thread(system.kill, fault.target, signal.SIGSTOP)
        await asyncio.sleep(fault.seconds)
        if await asyncio.to_thread(system.pid, fault.target) == pid:
            await asyncio.to_thread(system.kill, fault.target, signal.SIGCONT)
        return
    # PostgreSQL takes SIGTERM as "when the last client has left": SIGINT is its word for now.
    polite = signal.SIGINT if fault.target == "postgres" else signal.SIGTERM
    number = signal.SIGKILL if fault.kind == "kill" else polite
    old = await asyncio.to_thread(system.kill, fault.target, number)
    await asyncio.to_thread(system.wait_replaced, fault.target, old, 60)


async def links_to(stores: Stores) -> tuple[dict[str, Link], dict[str, str]]:
    """A link to MongoDB, Valkey and NATS each, and the environment that makes services use them."""
    links: dict[str, Link] = {}
    env: dict[str, str] = {}
    for name, key in zip(LENT, ("TIDINGS_MONGO_URL", "TIDINGS_REDIS_URL", "TIDINGS_NATS_URL"), strict=True):
        url = stores.environ[key]
        place = urlsplit(url)
        links[name] = Link(place.hostname or "", place.port or 0)
        await links[name].start()
        # A replica set would tell the driver its own address, past the link.
        url = url.replace("replicaSet=tidings", "directConnection=true")
        env[key] = url.replace(f":{place.port}", f":{links[name].port}")
    return links, env
