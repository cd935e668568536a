"""A whole chaos run: `python -m tests.chaos.run --seconds 60 --seed 7`, or `make chaos`.

Phases: warm, faults, heal, quiet, final sync of everyone from nothing, verdict. The history stays in --out. Ends with 1
when a promise was broken, and says which; the same --seed draws the same faults again.
"""

import argparse
import asyncio
import contextlib
import itertools
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from tests.chaos import checker, errands, load, nemesis
from tests.chaos.history import History
from tests.chaos.link import Link
from tests.chaos.place import Place, hooks, links_between, links_to, small_disks_for
from tests.support.people import Person
from tests.support.running import System, running_stores, running_system
from tests.support.waiting import wait_until

WARM_S = 3.0
QUIET_S = 16.0  # longer than the checker waits for a frame
SETTLE_S = 45.0  # so long may the last sends take after all faults are healed
TIMES = {
    "TIDINGS_MESSAGE_LEASE_S": "4",
    "TIDINGS_MESSAGE_LEASE_MARGIN_S": "1",
    "TIDINGS_WEBSOCKET_PARTICIPANTS_AGE_S": "3",  # so that fan-out asks chat-service again and again
    "TIDINGS_NOTIFICATION_COLLECT_S": "4",  # time to read a message before it is pushed
}
SCALE = ("--scale", "websocket=2,message=2")
PEOPLE = 6
SHY = 3


class What(NamedTuple):
    """What is to break: by the seed for some seconds, by a named schedule, or for ever; and which bugs are put in."""

    seed: int
    seconds: float = 60.0
    schedule: str = ""
    liveness: bool = False
    bugs: str = ""
    quiet_s: float = QUIET_S


async def go(what: What, folder: Path) -> tuple[History, list[checker.Violation]]:
    """One run in `folder`. Answers its history and what is wrong with it."""
    history = History(folder / "history.jsonl")
    # These block: in threads, because the links the services need are served by this loop.
    with running_stores(folder / "stores", small_disks_for(folder / "stores", what.seconds)) as stores:
        links, env = await links_to(stores)
        between = await links_between(folder / "system")
        links |= between
        env |= TIMES | hooks(folder, between, what.bugs)
        started = running_system(folder / "system", *SCALE, env=env)
        system = await asyncio.to_thread(started.__enter__)
        try:
            await asyncio.to_thread(system.wait_ready)
            links["edge"] = Link("127.0.0.1", urlsplit(system.base_url).port or 0)
            await links["edge"].start()
            place = Place(System("", stores.data_dir), system, links, stores.redis_url, folder)
            await _play(place, history, what)
        finally:
            await asyncio.to_thread(started.__exit__, None, None, None)
            for link in links.values():
                await link.stop()
            history.close()
    print(f"{len(history.lines)} lines of history, which are judged now ...", file=sys.stderr)
    unused = [
        checker.Violation("void", f"nobody came by the link to {name}") for name in between if not links[name].used
    ]
    return history, checker.check(history.lines) + unused


async def _play(place: Place, history: History, what: What) -> None:
    """Warm, faults, heal, quiet, and everyone looks from nothing."""
    url = f"http://127.0.0.1:{place.links['edge'].port}"
    people = [await asyncio.to_thread(Person, url, _phone(what.seed, n)) for n in range(PEOPLE)]
    chats = await asyncio.to_thread(_chats, people, random.Random(what.seed))
    for person in people:
        await asyncio.to_thread(errands.push_target, person)
    devices = _devices(people, chats, history, what.seed)
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as tasks, contextlib.AsyncExitStack() as gone:
        running = [tasks.create_task(device.run()) for device in devices]
        running.append(tasks.create_task(errands.letters(people[1], _of(people[1], chats), history, what.seed, stop)))
        group = next(chat for chat, members in chats.items() if len(members) == PEOPLE)
        churning = asyncio.Event()
        churn = tasks.create_task(errands.churn(people[0], people[-1], group, churning))
        tasks.create_task(errands.glances(people[0], people[-1], history, stop))
        tasks.create_task(errands.uploads(people[2], history, what.seed, stop))
        log = place.services.data_dir / "push.jsonl"
        tasks.create_task(errands.pushes(log, history, stop))
        await asyncio.sleep(WARM_S)
        if what.liveness:
            await gone.enter_async_context(await nemesis.maim(place, history, what.seed, what.seconds))
        else:
            await _break_and_heal(place, history, what)
        churning.set()
        await churn
        await asyncio.sleep(what.quiet_s)  # others go on in the group, and what was lost is noticed
        stop.set()
        for device in devices:
            device.running = False
        _, open_still = await asyncio.wait(running, timeout=SETTLE_S)
        for task in open_still:
            task.cancel()
        for device in devices:
            device.give_up()
        for person in people:
            await errands.final(person, history)
        await errands.fetch_uploads(people[2], history)


async def _break_and_heal(place: Place, history: History, what: What) -> None:
    if what.schedule:
        await nemesis.play(place, history, what.schedule)
    else:
        await nemesis.run(place, history, what.seed, what.seconds)
    for system in (place.stores, place.services):
        await asyncio.to_thread(_wait_all, system)


def _devices(people: list[Person], chats: dict[str, list[Person]], history: History, seed: int) -> list[load.Device]:
    """One device for each, two for every second: that one stays connected. One person is shy."""
    return [
        load.Device(
            person, f"{number}{letter}", _of(person, chats), history, seed, stays=letter == "b", shy=number == SHY
        )
        for number, person in enumerate(people)
        for letter in ("a", "b")[: 1 + number % 2]
    ]


def _of(person: Person, chats: dict[str, list[Person]]) -> list[str]:
    return [chat for chat, members in chats.items() if person in members]


def _wait_all(system: System) -> None:
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
    sends = Counter(line.phase for line in history.lines if line.op == "send" and not line.again)
    ops = Counter(line.op for line in history.lines)
    kinds = ", ".join(f"{count} {kind}" for kind, count in faults.items())
    lines = [
        f"seed {seed}: {took:.0f} s, {sum(faults.values())} faults ({kinds})",
        f"sends: {sends['invoke']} made, {sends['ok']} answered, {sends['fail']} refused; "
        f"{ops['recv']} received, {ops['push']} pushed, {ops['upload']} files",
    ]
    lines += [f"VIOLATION {rule}: {what}" for rule, what in violations] or ["no promise was broken"]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60, help="how long faults go on, per seed")
    parser.add_argument("--seed", type=int, default=0, help="0 draws one, and says which")
    parser.add_argument("--schedule", default="", choices=["", *nemesis.SCHEDULES], help="break what this says instead")
    parser.add_argument("--liveness", action="store_true", help="one instance of two never comes back, the rest serves")
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
        what = What(seed + number, args.seconds, args.schedule, args.liveness)
        history, violations = asyncio.run(go(what, folder))
        print(report(history, violations, seed + number, time.monotonic() - began), flush=True)
        bad += bool(violations)
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
