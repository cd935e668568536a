"""Two instances number the same chats against one log that fails in every way a real one does.

The log below keeps MongoDB's promises and no others: unique keys, ordered inserts, and errors that leave open
whether the write was done. Everything else is the product's own code, on schedules drawn by hypothesis.
"""

import asyncio
import random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from pymongo.errors import AutoReconnect

from tidings.contracts.errors import ApiError
from tidings.message.lanes import Lanes
from tidings.message.log import Chat, Document, Entry, Seat
from tidings.message.settings import Settings
from tidings.message.writer import InFlight


class Log:
    """An ordered, unique, unreliable store."""

    def __init__(self, dice: random.Random, trouble: float) -> None:
        self.entries: dict[tuple[str, int], Document] = {}
        self.keys: dict[tuple[str, str, str], Document] = {}
        self._dice, self._trouble = dice, trouble

    async def _pause(self) -> None:
        for _ in range(self._dice.randrange(4)):
            await asyncio.sleep(0)

    async def insert(self, documents: list[Document]) -> int | None:
        await self._pause()
        fails = self._dice.random() < self._trouble
        stop = self._dice.randrange(len(documents) + 1) if fails else len(documents)
        for index, document in enumerate(documents[:stop]):
            key = (document["chatId"], document["senderId"], document["clientMsgId"])
            if key in self.keys or (document["chatId"], document["seq"]) in self.entries:
                return index
            self.entries[document["chatId"], document["seq"]] = self.keys[key] = dict(document)
        await self._pause()
        if fails:
            raise AutoReconnect("the outcome is unknown")
        return None

    async def find_keys(self, keys: Any) -> dict[tuple[str, str, str], Document]:
        await self._pause()
        return {key: dict(self.keys[key]) for key in keys if key in self.keys}

    async def heads(self, chat_ids: Any) -> dict[str, int]:
        await self._pause()
        return {c: max((s for chat, s in self.entries if chat == c), default=0) for c in chat_ids}

    async def apply(self, updates: Any) -> None:
        assert not updates


class Known:
    """A cache of chats like the product's: head and membership read and dropped together."""

    def __init__(self, log: Log, members: dict[str, Seat], removed: list[int]) -> None:
        self._log, self._members, self.removed = log, members, removed
        self._cached: dict[str, Chat] = {}

    def known(self, chat_id: str) -> Chat | None:
        return self._cached.get(chat_id)

    def drop(self, chat_id: str) -> None:
        self._cached.pop(chat_id, None)

    async def get_many(self, chat_ids: Any, *, as_it_is: bool = False) -> dict[str, Chat]:
        for chat_id in chat_ids:
            if chat_id not in self._cached:
                head = (await self._log.heads([chat_id]))[chat_id]
                self._cached[chat_id] = Chat(
                    chat_id=chat_id, type="group", seats=dict(self._members), send="all",
                    edit_info="all", blocked=False, disappearing_s=0, head=head, until=0,
                    members_at=0 if self._members.keys() >= {"c"} else max(self.removed, default=0),
                    unsettled="c" not in self._members and not self.removed,
                )  # fmt: skip
        return {c: self._cached[c] for c in chat_ids if c in self._cached}


class Pen:
    """A writer whose lease always holds."""

    def __init__(self, name: str) -> None:
        self.id, self.in_flight, self._count = name, InFlight(), 0

    def holds(self) -> bool:
        return True

    def lost(self, _: str) -> bool:
        return False

    def next_id(self) -> str:
        self._count += 1
        return f"{self.id}-{self._count:06d}"


class Told:
    """Counts what was published."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, int]] = []

    async def batches(self, documents: list[Document], _: Any) -> list[Document]:
        return documents

    async def start(self, batches: list[Document]) -> list[Any]:
        self.seen += [(d["chatId"], d["seq"]) for d in batches]
        return []

    async def finish(self, batches: list[Document], _: Any) -> None:
        self.seen += [(d["chatId"], d["seq"]) for d in batches]


def entry(chat: str, sender: str, client_id: str) -> Entry:
    document = {"chatId": chat, "kind": "message", "senderId": sender, "clientMsgId": client_id}
    return Entry(document=document, size=100, check=lambda now: now.check_send(sender))


async def converse(seed: int, trouble: float, removal: bool) -> None:
    dice = random.Random(seed)
    log = Log(dice, trouble)
    seats = {s: Seat(role="member", joined_seq=1, left_seq=0) for s in "abc"}
    members = dict(seats)
    options = Settings(lanes=2, batch_entries=5)
    told, parts, tasks = Told(), [], []
    removed_at: list[int] = []
    for name in ("w1", "w2"):
        known = Known(log, members, removed_at)
        lanes = Lanes(log, known, Pen(name), told, options)  # type: ignore[arg-type]
        parts.append((lanes, known))
        tasks.append(asyncio.create_task(lanes.run()))
    answers: dict[tuple[str, str, str], set[int]] = {}
    refused: list[str] = []

    async def talk(sender: str) -> None:
        for count in range(12):
            chat = dice.choice(["x", "y"])
            for lanes, _ in dice.sample(parts, 2)[: dice.choice([1, 1, 2])]:  # now and then sent again elsewhere
                try:
                    stored = await lanes.append(entry(chat, sender, f"{count:03d}"))
                    answers.setdefault((chat, sender, f"{count:03d}"), set()).add(stored["seq"])
                except ApiError as error:
                    refused.append(error.code)

    async def remove() -> None:
        for _ in range(dice.randrange(60)):
            await asyncio.sleep(0)
        members.pop("c")  # chat-service commits,
        lanes, known = dice.choice(parts)
        known.drop("x")
        notice = entry("x", "", "removal")
        notice.check, notice.membership = None, True
        removed_at.append((await lanes.append(notice))["seq"])  # then the fence goes into the log

    async with asyncio.timeout(20):
        await asyncio.gather(*(talk(s) for s in "abc"), *([remove()] if removal else []))
        while len(told.seen) < len(log.entries):
            await asyncio.sleep(0)
    for task in tasks:
        task.cancel()

    for chat in "xy":
        numbers = sorted(s for c, s in log.entries if c == chat)
        assert numbers == list(range(1, len(numbers) + 1)), "a gap"
        for sender in "abc":
            sent = [
                d["clientMsgId"] for (c, _), d in sorted(log.entries.items()) if c == chat and d["senderId"] == sender
            ]
            assert sent == sorted(sent), "a sender's messages changed places"
    for key, given_ in answers.items():
        assert len(given_) == 1, "a resend got another answer"
        assert log.keys[key]["seq"] in given_, "answered, but not in the log"
    if removed_at:
        late = [s for (c, s), d in log.entries.items() if c == "x" and d["senderId"] == "c" and s > removed_at[0]]
        assert not late, "a removed member wrote above the removal"
        old = [
            s for (c, s), d in log.entries.items() if c == "x" and s > removed_at[0] > d.get("membersAt", removed_at[0])
        ]
        assert not old, "an entry above the removal lets readers go on with what they knew before it"
    assert set(told.seen) >= set(log.entries), "stored but never published"
    assert set(refused) <= ({"not_found", "unavailable"} if removal else {"unavailable"})


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), trouble=st.sampled_from([0.0, 0.1, 0.3]), removal=st.booleans())
def test_two_instances_never_lose_double_or_reorder(seed: int, trouble: float, removal: bool) -> None:
    asyncio.run(converse(seed, trouble, removal))


class Unheard(Told):
    """A publisher whose events NATS never acknowledges."""

    async def finish(self, batches: list[Document], _: Any) -> None:
        await asyncio.Event().wait()


async def test_events_that_nats_does_not_take_are_left_to_the_log() -> None:
    log, pen = Log(random.Random(1), 0.0), Pen("w")
    known = Known(log, {"a": Seat(role="member", joined_seq=1, left_seq=0)}, [])
    told, options = Unheard(), Settings(lanes=1, batch_entries=1, unpublished_batches=3)
    lanes = Lanes(log, known, pen, told, options)  # type: ignore[arg-type]
    working = asyncio.create_task(lanes.run())
    for number in range(20):
        await lanes.append(entry("x", "a", f"{number:03d}"))
    working.cancel()
    assert pen.in_flight.held == options.unpublished_batches
    assert len(told.seen) == options.unpublished_batches, "sent on all the same"
    assert pen.in_flight.take_left() == ("w-000004", "w-000020")
    assert pen.in_flight.through() < "w-000001", "the checkpoint went past what is not published"
