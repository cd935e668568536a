"""Lanes, lease, checkpoint and takeover on drawn schedules in virtual time: instances freeze past their lease and die.

The store keeps MongoDB's promises and no others; what it is asked takes its time, fails before or after it is done. The
promise shown: what was answered is stored once, without a gap, and published, whoever dies.
`TIDINGS_SCHEDULES=5000` plays more than the few of each run.
"""

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any

import pytest
from opentelemetry.trace import NoOpTracer
from pymongo.errors import AutoReconnect
from tests.support.virtual_loop import SCHEDULES, VirtualLoop, play, start
from tests.unit.message.test_lanes import Known, entry

from tidings.contracts.errors import ApiError
from tidings.message import writer as writers
from tidings.message.lanes import Lanes
from tidings.message.log import Document, Seat
from tidings.message.settings import Settings
from tidings.message.writer import Writer
from tidings.platform import tracing

BUG_SCHEDULES = 400  # within so many a planted bug is found
OPTIONS = Settings(lanes=2, batch_entries=5, lease_s=4.0, lease_margin_s=1.0)
Key = tuple[str, str, str]


class Log:
    """Entries and writers, by one clock, behind a network that is slow and loses requests and answers."""

    def __init__(self, dice: random.Random, trouble: float) -> None:
        self.entries: dict[tuple[str, int], Document] = {}
        self.keys: dict[Key, Document] = {}
        self.writers: dict[str, Document] = {}
        self._dice, self._trouble = dice, trouble

    async def _way(self) -> None:
        slow = self._dice.random() < 0.02
        await asyncio.sleep(self._dice.uniform(0.5, 3.0) if slow else self._dice.uniform(0.0, 0.02))
        if self._dice.random() < self._trouble:
            raise AutoReconnect("the outcome is unknown")

    async def insert(self, documents: list[Document]) -> int | None:
        await self._way()
        failed_at = None
        for index, document in enumerate(documents):
            key = (document["chatId"], document["senderId"], document["clientMsgId"])
            if key in self.keys or (document["chatId"], document["seq"]) in self.entries:
                failed_at = index
                break
            self.entries[document["chatId"], document["seq"]] = self.keys[key] = dict(document)
        await self._way()
        return failed_at

    async def find_keys(self, keys: Any) -> dict[Key, Document]:
        await self._way()
        return {key: dict(self.keys[key]) for key in keys if key in self.keys}

    async def heads(self, chat_ids: Any) -> dict[str, int]:
        await self._way()
        return {c: max((s for chat, s in self.entries if chat == c), default=0) for c in chat_ids}

    async def apply(self, updates: Any) -> None:
        assert not updates

    async def open_writer(self, writer: str, instance: str, lease_ms: int) -> None:
        self.writers[writer] = {
            "_id": writer,
            "instance": instance,
            "publishedThrough": "",
            "until": self._in(lease_ms),
        }

    async def checkpoint(self, writer: str, through: str, lease_ms: int, *, close: bool = False) -> bool:
        await self._way()
        found = self.writers[writer]
        if found.get("closed") or "takenBy" in found:
            return False
        found |= {"publishedThrough": through, "until": self._in(lease_ms), "closed": close}
        await self._way()
        return True

    async def abandoned(self, instance: str | None) -> list[Document]:
        await self._way()
        return [
            dict(w)
            for w in self.writers.values()
            if not w.get("closed") and (w["until"] < self._in(0) or w["instance"] == instance)
        ]

    async def take_over(self, found: Document, by: str, lease_ms: int) -> bool:
        await self._way()
        writer = self.writers[found["_id"]]
        if writer.get("closed") or writer["until"] != found["until"]:
            return False
        writer |= {"takenBy": by, "until": self._in(lease_ms)}
        return True

    async def close_writer(self, writer: str) -> None:
        await self._way()
        self.writers[writer]["closed"] = True

    async def written_after(self, writer: str, after: str) -> AsyncIterator[Document]:
        await self._way()
        for document in sorted((d for d in self.entries.values() if d["writer"] == writer), key=lambda d: d["_id"]):
            if document["_id"] > after:
                yield dict(document)

    def _in(self, ms: int) -> float:
        return asyncio.get_running_loop().time() + ms / 1000


class Told:
    """A publisher that is slow, and whose NATS refuses now and then."""

    reachable = True

    def __init__(self, dice: random.Random) -> None:
        self.seen: set[tuple[str, int]] = set()
        self._dice = dice

    async def batches(self, documents: list[Document], _: Any) -> list[Document]:
        return documents

    async def start(self, batches: list[Document]) -> list[Any]:
        await asyncio.sleep(self._dice.uniform(0, 0.05))
        if self._dice.random() < 0.4:
            raise ApiError("unavailable")
        self.seen |= {(d["chatId"], d["seq"]) for d in batches}
        return [None] * len(batches)

    async def finish(self, batches: list[Document], acks: list[Any]) -> None:
        await asyncio.sleep(self._dice.uniform(0, 1.0))
        self.seen |= {(d["chatId"], d["seq"]) for d in batches[len(acks) :]}

    async def publish(self, documents: list[Document], _: Any) -> None:
        await self.finish(documents, [])


class Instance:
    """Lanes and writer of one process. `name` is its slot, `life` differs at each start of it."""

    def __init__(self, name: str, life: str, log: Log, told: Told) -> None:
        self.life = life
        members = {s: Seat(role="member", joined_seq=1, left_seq=0) for s in "ab"}
        self._writer = Writer(log, told, OPTIONS, name)  # type: ignore[arg-type]
        self.lanes = Lanes(log, Known(log, members, []), self._writer, told, OPTIONS)  # type: ignore[arg-type]

    async def run(self, loop: VirtualLoop) -> None:
        await self._writer.start()
        for work in (self._writer.keep(), self._writer.catch_up(), self._writer.watch(slot_is_ours=True)):
            start(loop, self.life, work)
        await self.lanes.run()


async def scene(loop: VirtualLoop, dice: random.Random) -> tuple[list[str], str]:
    """People talk while one instance freezes, thaws, dies and is started again. Answers what is wrong, and a digest."""
    log, told = Log(dice, dice.choice([0.0, 0.02, 0.1])), Told(dice)
    alive = [Instance(name, name, log, told) for name in ("w1", "w2")]
    for instance in alive:
        start(loop, instance.life, instance.run(loop))
    answers: dict[Key, set[int]] = {}

    async def talk(sender: str) -> None:
        for count in range(10):
            await asyncio.sleep(dice.uniform(0, 1.5))
            key = (dice.choice("xy"), sender, f"{count:03d}")
            while key not in answers or dice.random() < 0.1:  # now and then once more
                try:
                    async with asyncio.timeout(5):
                        stored = await dice.choice(alive).lanes.append(entry(*key))
                    answers.setdefault(key, set()).add(stored["seq"])
                except (ApiError, TimeoutError):
                    await asyncio.sleep(dice.uniform(0, 0.5))

    async def spoil() -> None:
        await asyncio.sleep(dice.uniform(0, 8))
        loop.freeze("w1", frozen_s := dice.uniform(0, 12))
        await asyncio.sleep(frozen_s + dice.choice([0.02, 0.1, 1.0]) * dice.random())
        loop.freeze("w1")  # it dies
        await asyncio.sleep(dice.uniform(0, 2))
        alive[0] = Instance("w1", "w1 again", log, told)
        start(loop, "w1 again", alive[0].run(loop))

    await asyncio.gather(spoil(), *(talk(sender) for sender in "ab"))
    await asyncio.sleep(40)  # leases lapse, the dead are taken over
    return _wrong(log, told, answers), repr((sorted(log.entries), sorted(told.seen), sorted(answers), loop.time()))


def _wrong(log: Log, told: Told, answers: dict[Key, set[int]]) -> list[str]:
    wrong = []
    for chat in "xy":
        numbers = sorted(seq for c, seq in log.entries if c == chat)
        if numbers != list(range(1, len(numbers) + 1)):
            wrong.append("gap")
        for sender in "ab":
            sent = [
                d["clientMsgId"] for (c, _), d in sorted(log.entries.items()) if (c, d["senderId"]) == (chat, sender)
            ]
            if sent != sorted(sent):
                wrong.append("disordered")
    for key, seqs in answers.items():
        if len(seqs) != 1 or key not in log.keys or log.keys[key]["seq"] not in seqs:
            wrong.append("answer differs from the log")
        elif (key[0], log.keys[key]["seq"]) not in told.seen:
            wrong.append("answered, never published")
    return wrong


@pytest.fixture(autouse=True)
def virtual_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writers, "boot_clock", lambda: asyncio.get_running_loop().time())
    monkeypatch.setattr(tracing, "_TRACER", NoOpTracer())  # a real one draws from the dice that the jitter comes from
    for module in (writers, __import__("tidings.message.lanes", fromlist=["_log"])):
        monkeypatch.setattr(module, "_log", Silent())


class Silent:
    """Thousands of schedules have nothing to say."""

    def __getattr__(self, _: str) -> Any:
        return lambda *_args, **_more: None


def test_what_was_answered_is_published_whoever_freezes_or_dies() -> None:
    found = {seed: wrong for seed in range(SCHEDULES) if (wrong := play(seed, scene)[0])}
    assert not found, "by seed"


def test_a_seed_is_a_schedule() -> None:
    assert [play(seed, scene) for seed in range(3)] == [play(seed, scene) for seed in range(3)]
    assert play(1, scene) != play(2, scene)


def first_found() -> int | None:
    return next((seed for seed in range(BUG_SCHEDULES) if play(seed, scene)[0]), None)


def test_a_writer_without_its_lease_check_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Writer, "holds", lambda _: True)
    assert first_found() is not None


def test_an_entry_of_a_lost_writer_that_is_answered_at_once_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Writer, "lost", lambda *_: False)
    assert first_found() is not None


def test_a_dead_writer_that_nobody_takes_over_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    async def nobody(*_: Any, **__: Any) -> bool:
        return False

    monkeypatch.setattr(Log, "take_over", nobody)
    assert first_found() is not None
