"""A whole chaos run: `python -m tests.chaos.run --seconds 60 --seed 7`, or `make chaos`.

Phases: warm, faults, heal, quiet, final sync of everyone from nothing, verdict. The history stays in --out. Ends with 1
when a promise was broken, and says which; the same --seed draws the same faults again.
"""

import argparse
import asyncio
import itertools
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.chaos import checker, load, nemesis
from tests.chaos.history import History
from tests.support.people import Person
from tests.support.running import System, running_stores, running_system

WARM_S = 3.0
SETTLE_S = 45.0  # so long may the last sends take after all faults are healed
SHORT_LEASE = {"TIDINGS_MESSAGE_LEASE_S": "4", "TIDINGS_MESSAGE_LEASE_MARGIN_S": "1"}
SCALE = ("--scale", "websocket=2,message=2")
PEOPLE = 6


async def go(
    seed: int, seconds: float, folder: Path, extra: dict[str, str] | None = None
) -> tuple[History, list[checker.Violation]]:
    """One run in `folder`. Answers its history and what is wrong with it. `extra` is environment for the services."""
    history = History(folder / "history.jsonl")
    with running_stores(folder / "stores") as stores:
        links, env = await nemesis.links_to(stores)
        # `running_system` blocks: in a thread, because the links it needs are served by this loop.
        started = running_system(folder / "system", *SCALE, env=env | SHORT_LEASE | (extra or {}))
        system = await asyncio.to_thread(started.__enter__)
        try:
            await asyncio.to_thread(system.wait_ready)
            place = nemesis.Place(System("", stores.data_dir), system, links, stores.redis_url)
            await _play(place, history, seed, seconds)
        finally:
            await asyncio.to_thread(started.__exit__, None, None, None)
            for link in links.values():
                await link.stop()
            history.close()
    return history, checker.check(history.lines)


async def _play(place: nemesis.Place, history: History, seed: int, seconds: float) -> None:
    people = [await asyncio.to_thread(Person, place.services.base_url, _phone(seed, n)) for n in range(PEOPLE)]
    chats = await asyncio.to_thread(_chats, people, random.Random(seed))
    devices = [
        load.Device(
            person, f"{number}{letter}", [c for c, members in chats.items() if person in members], history, seed
        )
        for number, person in enumerate(people)
        for letter in ("a", "b")[: 1 + number % 2]
    ]
    stop = asyncio.Event()
    group = next(chat for chat, members in chats.items() if len(members) == PEOPLE)
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(device.run()) for device in devices]
        churning = tasks.create_task(load.churn(people[0], people[-1], group, stop))
        await asyncio.sleep(WARM_S)
        await nemesis.run(place, history, seed, seconds)
        for system in (place.stores, place.services):
            await asyncio.to_thread(_wait_all, system)
        stop.set()
        await churning
        await asyncio.sleep(WARM_S)  # and others go on in the group
        for device in devices:
            device.running = False
        _, open_still = await asyncio.wait(running, timeout=SETTLE_S)
        for task in open_still:
            task.cancel()
        for device in devices:
            device.give_up()
    for person in people:
        await load.final(person, history)


def _wait_all(system: System) -> None:
    from tests.support.waiting import wait_until

    wait_until(lambda: system.state().ready, "every process is ready again", 60)


def _phone(seed: int, number: int) -> str:
    return f"+49152{(seed * 16 + number) % 10**8:08d}"


def _chats(people: list[Person], dice: random.Random) -> dict[str, list[Person]]:
    """Some pairs, one group of all and one of half."""
    found: dict[str, list[Person]] = {}
    for a, b in itertools.pairwise(people):
        found[a.direct(b)] = [a, b]
    for members in (people, dice.sample(people, len(people) // 2)):
        body = {"type": "group", "name": "Chaos", "participantIds": [person.id for person in members[1:]]}
        found[members[0].http.post("/chats", json=body).json()["id"]] = members
    return found


def report(history: History, violations: list[checker.Violation], seed: int, took: float) -> str:
    """What was done and found, in a few lines."""
    faults = Counter(line.kind for line in history.lines if line.op == "fault" and line.phase == "ok")
    sends = Counter(line.phase for line in history.lines if line.op == "send")
    kinds = ", ".join(f"{count} {kind}" for kind, count in faults.items())
    lines = [
        f"seed {seed}: {took:.0f} s, {sum(faults.values())} faults ({kinds})",
        f"sends: {sends['invoke']} made, {sends['ok']} answered, {sends['fail']} refused; "
        f"{sum(line.op == 'recv' for line in history.lines)} received",
    ]
    lines += [f"VIOLATION {rule}: {what}" for rule, what in violations] or ["no promise was broken"]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60, help="how long faults go on, per seed")
    parser.add_argument("--seed", type=int, default=0, help="0 draws one, and says which")
    parser.add_argument("--runs", type=int, default=1, help="so many seeds, one after the other")
    parser.add_argument("--out", type=Path, help="keep history and logs here")
    args = parser.parse_args()
    seed = args.seed or int(time.time()) % 1_000_000
    bad = 0
    for number in range(args.runs):
        folder = args.out / str(seed + number) if args.out else Path(tempfile.mkdtemp(prefix="chaos-"))
        folder.mkdir(parents=True, exist_ok=True)
        print(f"seed {seed + number}, {args.seconds:.0f} s of faults; history in {folder}", file=sys.stderr)
        began = time.monotonic()
        history, violations = asyncio.run(go(seed + number, args.seconds, folder))
        print(report(history, violations, seed + number, time.monotonic() - began), flush=True)
        bad += bool(violations)
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
