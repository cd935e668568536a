"""Reading the log: pages, last messages, unread counts, receipts, all within the reader's window."""

import asyncio
import heapq
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from msgspec import Raw

from tidings.contracts.errors import ApiError
from tidings.contracts.objects import Page
from tidings.contracts.times import rfc3339_or_none
from tidings.message import render
from tidings.message.chats import Chats
from tidings.message.log import Document, Seat, first_at, window_end
from tidings.message.lookups import Lookups, Span
from tidings.message.receipts import Privacy
from tidings.message.store import Store

LOOKUPS_AT_ONCE = 8
STRETCH_MOST = 100  # numbers that are read together with those of others
MARKS_SHOWN = 64  # other members of a chat whose privacy is asked for

Lowest = list[tuple[int, str]]
"""The two lowest marks in a chat, with whose they are: the lowest of the others is one of them, whoever asks."""


class Count(msgspec.Struct, kw_only=True):
    """What a chat list shows beside a chat."""

    unread: int
    mentioned: int
    read_seq: int
    delivered_seq: int
    others_read_seq: int
    others_delivered_seq: int


class Receipt(msgspec.Struct, rename="camel"):
    """How far a message came with one reader."""

    user_id: str
    delivered_at: str | None
    read_at: str | None


class History:
    """Queries; changes nothing. `unread_most`: how many numbers of a chat are looked at to count what is unread."""

    def __init__(self, store: Store, lookups: Lookups, chats: Chats, privacy: Privacy, unread_most: int) -> None:
        self._store, self._lookups, self._chats, self._privacy = store, lookups, chats, privacy
        self._unread_most = unread_most

    async def after(self, user_id: str, chat_id: str, seat: Seat, head: int, after: int, limit: int) -> Page:
        """All entries above a number: messages, notices and changes."""
        low, high = max(after + 1, seat.joined_seq), window_end(seat, head)
        if high < low:
            return Page(items=[], from_seq=min(low, high + 1), to_seq=max(high, min(after, head)), has_more=False)
        if high - low < min(limit, STRETCH_MOST):
            found = await self._lookups.stretch(chat_id, low, high)
        else:
            found = await self._store.range(chat_id, low, high, limit + 1)
        more = len(found) > limit
        found = found[:limit]
        # An entry that is being inserted by another writer may be missing at the end, never in between: a chat
        # has one insert in flight and numbers are given in order.
        to = found[-1]["seq"] if found else low - 1
        if not more:
            to = max(to, min(high, found[-1]["seq"] if found else to))
        return Page(items=await self.items(user_id, found), from_seq=low, to_seq=to, has_more=more)

    async def before(self, user_id: str, chat_id: str, seat: Seat, head: int, before: int, limit: int) -> Page:
        """Messages and notices below a number, as they are now."""
        low, high = seat.joined_seq, min(before - 1, window_end(seat, head))
        if high < low:
            return Page(items=[], from_seq=low, to_seq=max(high, low - 1), has_more=False)
        found = await self._store.range(chat_id, low, high, limit + 1, newest=True, changes=False)
        more = len(found) > limit
        found = found[-limit:]
        start = found[0]["seq"] if more else low
        return Page(items=await self.items(user_id, found), from_seq=start, to_seq=high, has_more=more)

    async def around(self, user_id: str, chat_id: str, seat: Seat, head: int, around: int, limit: int) -> Page:
        """Messages and notices on both sides of a number."""
        low, high = seat.joined_seq, window_end(seat, head)
        half = max(1, limit // 2)
        older, newer = await asyncio.gather(
            self._store.range(chat_id, low, min(around, high), half + 1, newest=True, changes=False),
            self._store.range(chat_id, max(around + 1, low), high, limit - half + 1, changes=False),
        )
        more_older, more_newer = len(older) > half, len(newer) > limit - half
        older, newer = older[-half:], newer[: limit - half]
        return Page(
            items=await self.items(user_id, older + newer),
            from_seq=older[0]["seq"] if more_older and older else low,
            to_seq=(newer or older or [{"seq": around}])[-1]["seq"] if more_newer else high,
            has_more=more_older or more_newer,
        )

    async def items(self, user_id: str, documents: Sequence[Document]) -> list[Raw]:
        """Entries as this person sees them; what they deleted for themselves is left out."""
        targets = await self._store.entries_by_id(d["targetId"] for d in documents if d["kind"] == "change")
        ids: list[str] = [d["targetId"] if d["kind"] == "change" else d["_id"] for d in documents]
        hidden = await self._lookups.hidden_among(user_id, ids) if ids else set()
        out: list[Raw] = []
        for document, message_id in zip(documents, ids, strict=True):
            if message_id in hidden:
                continue
            if document["kind"] != "change":
                out.append(Raw(render.encode(render.message(document, user_id))))
            elif document["targetId"] in targets:
                out.append(Raw(render.encode(render.change(document, targets[document["targetId"]], user_id))))
        return out

    async def readable(self, user_id: str, message_id: str) -> tuple[Document, Seat]:
        """A message within this person's window and not hidden. Raises ApiError `not_found`."""
        document = await self._store.entry(message_id)
        if document is None:
            raise ApiError("not_found", "there is no such message")
        seat = (await self._chats.get(document["chatId"])).seats.get(user_id)
        if seat is None or not seat.sees(document["seq"]):
            raise ApiError("not_found", "there is no such message")
        if await self._lookups.hidden_among(user_id, [message_id]):
            raise ApiError("not_found", "there is no such message")
        return document, seat

    async def last(self, user_id: str, chat_id: str, seat: Seat, head: int) -> tuple[int, Document | None]:
        """The end of the window, and the newest message or notice in it."""
        high = window_end(seat, head)
        found = await self._store.range(chat_id, seat.joined_seq, high, 5, newest=True, changes=False)
        hidden = await self._lookups.hidden_among(user_id, [d["_id"] for d in found]) if found else set()
        shown = [d for d in found if d["_id"] not in hidden]
        return high, shown[-1] if shown else None

    async def lasts(
        self, asked: Sequence[tuple[str, str, Seat]], newest: dict[str, Document]
    ) -> list[tuple[int, Document | None]]:
        """`last` for many (person, chat, seat), in order, with `Lookups.newest` of the chats. Most chats end in a
        message that is shown: those cost one query together, the others one each."""
        ends = [newest.get(chat_id) for _, chat_id, _ in asked]
        shown = [
            d if d is not None and d["kind"] != "change" and seat.sees(d["seq"]) else None
            for (_, _, seat), d in zip(asked, ends, strict=True)
        ]
        pairs = [(u, d["_id"]) for (u, _, _), d in zip(asked, shown, strict=True) if d is not None]
        hidden = await self._lookups.hidden_pairs(pairs) if pairs else set()
        gate = asyncio.Semaphore(LOOKUPS_AT_ONCE)

        async def one(user_id: str, chat_id: str, seat: Seat, end: Document | None, found: Document | None) -> Any:
            if found is not None and (user_id, found["_id"]) not in hidden:
                return window_end(seat, found["seq"]), found
            if end is None:
                return window_end(seat, 0), None
            async with gate:
                return await self.last(user_id, chat_id, seat, end["seq"])

        return list(await asyncio.gather(*(one(*a, e, d) for a, e, d in zip(asked, ends, shown, strict=True))))

    async def counts(self, asked: Sequence[tuple[str, str, Seat]], heads: dict[str, int]) -> list[Count]:
        """Unread and watermarks for many (person, chat, seat), in order, derived from the log."""
        chat_ids = {chat_id for _, chat_id, _ in asked}
        # As it is: of the others only the marks are asked for, and a number that is to come is nothing to wait for.
        rows, chats = await asyncio.gather(
            self._lookups.watermarks(chat_ids), self._chats.get_many(chat_ids, as_it_is=True)
        )
        marks = {(d["chatId"], d["userId"]): d for d in rows}
        spans: list[Span | None] = []
        for user_id, chat_id, seat in asked:
            low = max(marks.get((chat_id, user_id), {}).get("readSeq", 0), seat.joined_seq - 1) + 1
            high = window_end(seat, heads.get(chat_id, 0))
            spans.append((user_id, chat_id, max(low, high - self._unread_most + 1), high) if low <= high else None)
        unread = await self._lookups.unread([span for span in spans if span])
        mentioned = await self._lookups.mentioned([span for span, count in unread.items() if count])
        members = {c: [u for u, s in chat.seats.items() if s.is_member] for c, chat in chats.items()}
        small = {chat_id for chat_id, users in members.items() if len(users) <= MARKS_SHOWN + 1}
        silent = await self._privacy.silent({*(u for u, *_ in asked), *(u for c in small for u in members[c])})
        read: dict[str, Lowest] = {}
        delivered: dict[str, Lowest] = {}
        for chat_id, users in members.items():
            hide = silent if chat_id in small else set()
            of = {u: marks.get((chat_id, u), {}) for u in users}
            read[chat_id] = _lowest((0 if u in hide else mark.get("readSeq", 0), u) for u, mark in of.items())
            delivered[chat_id] = _lowest((mark.get("deliveredSeq", 0), u) for u, mark in of.items())
        counts = []
        for (user_id, chat_id, seat), span in zip(asked, spans, strict=True):
            own = marks.get((chat_id, user_id), {})
            others_read = 0 if user_id in silent else _of_others(read.get(chat_id, []), user_id)
            counts.append(
                Count(
                    unread=unread.get(span, 0) if span else 0,
                    mentioned=mentioned.get(span, 0) if span else 0,
                    read_seq=own.get("readSeq", 0),
                    delivered_seq=max(own.get("deliveredSeq", 0), own.get("readSeq", 0)),
                    # Who left does not learn how far others go on: `window_end`.
                    others_read_seq=window_end(seat, others_read),
                    others_delivered_seq=window_end(seat, _of_others(delivered.get(chat_id, []), user_id)),
                )
            )
        return counts

    async def receipts(self, user_id: str, message_id: str) -> list[Receipt]:
        """Who received and read a message, for its author. Raises ApiError."""
        document, _ = await self.readable(user_id, message_id)
        if document["senderId"] != user_id:
            raise ApiError("forbidden", "only its author sees who read a message")
        chat = await self._chats.get(document["chatId"])
        marks = {d["userId"]: d for d in await self._store.mark_times(chat.chat_id)}
        people = [u for u, seat in chat.seats.items() if u != user_id and seat.sees(document["seq"])]
        silent = await self._privacy.silent([user_id, *people])
        out = []
        for person in people:
            mark = marks.get(person, {})
            hide = user_id in silent or person in silent
            out.append(
                Receipt(
                    user_id=person,
                    delivered_at=rfc3339_or_none(first_at(mark.get("delivered", []), document["seq"])),
                    read_at=None if hide else rfc3339_or_none(first_at(mark.get("read", []), document["seq"])),
                )
            )
        return out


def _lowest(marks: Iterable[tuple[int, str]]) -> Lowest:
    return heapq.nsmallest(2, marks)


def _of_others(lowest: Lowest, user_id: str) -> int:
    return next((seq for seq, owner in lowest if owner != user_id), 0)
