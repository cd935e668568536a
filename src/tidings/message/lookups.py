"""What lists of chats and everyone who comes back ask of MongoDB, for many chats and people in one query.

Each lookup is joined with those that others ask for meanwhile; the indexes are made in `store.py`.
"""

import asyncio
from collections import defaultdict
from collections.abc import Collection
from operator import itemgetter
from typing import cast

from tidings.contracts.times import now_ms
from tidings.message.log import Document
from tidings.platform.joined import Joined
from tidings.platform.mongo import Database

Span = tuple[str, str, int, int]
"""A reader, a chat, and the lowest and highest number counted."""
Stretch = tuple[str, int, int]
QUERIES_AT_ONCE = 8
STRETCHES_A_QUERY = 50  # of entries that are read
NUMBERS_A_QUERY = 400_000  # counted: about half a second


class Lookups:
    """Queries; changes nothing."""

    def __init__(self, database: Database) -> None:
        self._entries, self._watermarks, self._hidden = database["entries"], database["watermarks"], database["hidden"]
        self._newest = Joined(self._load_newest)
        self._moves = Joined(self._load_moves)
        self._marks = Joined(self._load_marks)
        self._unread = Joined(self._load_unread)
        self._mentioned = Joined(self._load_mentioned)
        self._hidden_ids = Joined(self._load_hidden_ids)
        self._hidden_in = Joined(self._load_hidden_in)
        self._stretches = Joined(self._load_stretches, STRETCHES_A_QUERY)

    async def newest(self, chat_ids: Collection[str]) -> dict[str, Document]:
        """The newest entry of each chat."""
        return await self._newest.get(chat_ids)

    async def _load_newest(self, chat_ids: Collection[str]) -> dict[str, Document]:
        """One seek a chat in index `number`."""
        rows = await self._entries.aggregate(
            [
                {"$match": {"chatId": {"$in": list(chat_ids)}}},
                {"$sort": {"chatId": -1, "seq": -1}},
                {"$group": {"_id": "$chatId", "entry": {"$first": "$$ROOT"}}},
            ],
            maxTimeMS=3000,
        )
        return {row["_id"]: row["entry"] async for row in rows}

    async def changed_since(self, chat_ids: Collection[str], since_ms: int) -> set[str]:
        """Chats in which a mark moved or a message's time was over."""
        found = await self._moves.get([(chat_id, since_ms) for chat_id in chat_ids])
        return {chat_id for chat_id, _ in found}

    async def _load_moves(self, asked: Collection[tuple[str, int]]) -> dict[tuple[str, int], int]:
        """When something last moved, where it was since the moment asked (indexes `moved`, `expiry`)."""
        ids, since_ms = list({chat_id for chat_id, _ in asked}), min(at for _, at in asked)
        marks = await self._watermarks.aggregate(
            [
                {"$match": {"chatId": {"$in": ids}, "at": {"$gte": since_ms}}},
                {"$group": {"_id": "$chatId", "at": {"$max": "$at"}}},
            ],
            maxTimeMS=3000,
        )
        over = await self._entries.aggregate(
            [
                {"$match": {"expiresAt": {"$gte": since_ms, "$lte": now_ms()}, "chatId": {"$in": ids}}},
                {"$group": {"_id": "$chatId", "at": {"$max": "$expiresAt"}}},
            ],
            maxTimeMS=3000,
        )
        last: dict[str, int] = defaultdict(int)
        for rows in (marks, over):
            async for row in rows:
                last[row["_id"]] = max(last[row["_id"]], row["at"])
        return {(chat_id, at): last[chat_id] for chat_id, at in asked if last.get(chat_id, -1) >= at}

    async def watermarks(self, chat_ids: Collection[str]) -> list[Document]:
        """The watermarks of everyone in these chats."""
        return [mark for marks in (await self._marks.get(chat_ids)).values() for mark in marks]

    async def _load_marks(self, chat_ids: Collection[str]) -> dict[str, list[Document]]:
        found: dict[str, list[Document]] = defaultdict(list)
        where: Document = {"chatId": {"$in": list(chat_ids)}}
        async for mark in self._watermarks.find(where, {"delivered": 0, "read": 0}, max_time_ms=3000):
            found[mark["chatId"]].append(mark)
        return found

    async def unread(self, spans: Collection[Span]) -> dict[Span, int]:
        """Messages by others in each span, not deleted and not hidden. None: no key."""
        return await self._unread.get(spans)

    async def _load_unread(self, spans: Collection[Span]) -> dict[Span, int]:
        """Index `unread` alone."""
        counts = await self._count(spans, {}, "unread")
        if not counts:
            return {}
        terms = [{"userId": u, "chatId": c, "seq": {"$gte": low, "$lte": high}} for u, c, low, high in counts]
        hidden = await self._hidden.find(
            {"counted": True, "$or": terms}, {"_id": 0, "userId": 1, "chatId": 1, "seq": 1}, max_time_ms=3000
        ).to_list()
        for user_id, chat_id, low, high in counts:
            less = sum(d["userId"] == user_id and d["chatId"] == chat_id and low <= d["seq"] <= high for d in hidden)
            counts[user_id, chat_id, low, high] -= less
        return counts

    async def mentioned(self, spans: Collection[Span]) -> dict[Span, int]:
        """The same for messages that mention the reader."""
        return await self._mentioned.get(spans)

    async def _load_mentioned(self, spans: Collection[Span]) -> dict[Span, int]:
        counts: dict[Span, int] = {}
        readers: dict[str, list[Span]] = defaultdict(list)
        for span in spans:
            readers[span[0]].append(span)
        for user_id, some in readers.items():
            counts |= await self._count(some, {"mentions": user_id}, "mentioned")
        return counts

    async def _count(self, spans: Collection[Span], where: Document, index: str) -> dict[Span, int]:
        """All chats in one query; one more for each further stretch of the same chat, and where there is much to count.
        Readers of one stretch share it. The index is named: left to itself the planner may take one that reads all of
        a chat."""
        readers: dict[Stretch, list[str]] = defaultdict(list)
        for user_id, *stretch in spans:
            readers[cast("Stretch", tuple(stretch))].append(user_id)
        gate = asyncio.Semaphore(QUERIES_AT_ONCE)
        counts: dict[Span, int] = {}

        async def ask(once: dict[str, Stretch]) -> None:
            terms = [{"chatId": c, "seq": {"$gte": low, "$lte": high}} for c, low, high in once.values()]
            async with gate:
                rows = await self._entries.aggregate(
                    [
                        {"$match": {"counted": True, **where, "$or": terms}},
                        {"$group": {"_id": {"chat": "$chatId", "sender": "$senderId"}, "n": {"$sum": 1}}},
                    ],
                    hint=index,
                    maxTimeMS=3000,
                )
                by_sender: dict[str, dict[str, int]] = defaultdict(dict)
                async for row in rows:
                    by_sender[row["_id"]["chat"]][row["_id"]["sender"]] = row["n"]
            for chat_id, stretch in once.items():
                found = by_sender[chat_id]
                total = sum(found.values())
                for user_id in readers[stretch]:
                    if others := total - found.get(user_id, 0):
                        counts[(user_id, *stretch)] = others

        await asyncio.gather(*(ask(once) for once in _rounds(readers)))
        return counts

    async def stretch(self, chat_id: str, low: int, high: int) -> list[Document]:
        """The entries `low..high` of a chat in their order: a short stretch, as it is read as a whole."""
        key = (chat_id, low, high)
        return (await self._stretches.get([key])).get(key, [])

    async def _load_stretches(self, stretches: Collection[Stretch]) -> dict[Stretch, list[Document]]:
        """Index `number`, once for all; readers of stretches of one chat share what lies in both."""
        terms = [{"chatId": c, "seq": {"$gte": low, "$lte": high}} for c, low, high in stretches]
        found: dict[str, list[Document]] = defaultdict(list)
        for entry in await self._entries.find({"$or": terms}, max_time_ms=3000).hint("number").to_list():
            found[entry["chatId"]].append(entry)
        for entries in found.values():
            entries.sort(key=itemgetter("seq"))
        return {(c, low, high): [e for e in found[c] if low <= e["seq"] <= high] for c, low, high in stretches}

    async def hidden_among(self, user_id: str, message_ids: Collection[str]) -> set[str]:
        """Which of these messages this person deleted for themselves."""
        return {message_id for _, message_id in await self.hidden_pairs([(user_id, m) for m in message_ids])}

    async def hidden_pairs(self, pairs: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
        """Which of these (person, message) the person deleted for themselves."""
        return set(await self._hidden_ids.get(pairs))

    async def _load_hidden_ids(self, pairs: Collection[tuple[str, str]]) -> dict[tuple[str, str], bool]:
        where: Document = {"_id": {"$in": [f"{u}:{m}" for u, m in pairs]}}
        found = self._hidden.find(where, {"userId": 1, "messageId": 1}, max_time_ms=3000)
        return {(d["userId"], d["messageId"]): True async for d in found}

    async def hidden_in(self, user_id: str, since_ms: int) -> set[str]:
        """The chats in which this person deleted a message for themselves after a moment."""
        return (await self._hidden_in.get([(user_id, since_ms)])).get((user_id, since_ms), set())

    async def _load_hidden_in(self, asked: Collection[tuple[str, int]]) -> dict[tuple[str, int], set[str]]:
        """Index `since`."""
        rows = await self._hidden.aggregate(
            [
                {"$match": {"$or": [{"userId": u, "at": {"$gt": since_ms}} for u, since_ms in asked]}},
                {"$group": {"_id": {"user": "$userId", "chat": "$chatId"}, "at": {"$max": "$at"}}},
            ],
            maxTimeMS=3000,
        )
        found: dict[tuple[str, int], set[str]] = defaultdict(set)
        async for row in rows:
            for user_id, since_ms in asked:
                if user_id == row["_id"]["user"] and row["at"] > since_ms:
                    found[user_id, since_ms].add(row["_id"]["chat"])
        return found


def _rounds(stretches: Collection[Stretch], most: int = NUMBERS_A_QUERY) -> list[dict[str, Stretch]]:
    """Each chat once in each, and together not more than `most` numbers, if one alone has not."""
    rounds: list[dict[str, Stretch]] = []
    sizes: list[int] = []
    free: dict[str, int] = defaultdict(int)  # chat -> the first round that it is not in
    for chat_id, low, high in stretches:
        size = high - low + 1
        place = free[chat_id]
        while place < len(rounds) and sizes[place] + size > most:
            place += 1
        if place == len(rounds):
            rounds.append({})
            sizes.append(0)
        rounds[place][chat_id] = (chat_id, low, high)
        sizes[place] += size
        free[chat_id] = place + 1
    return rounds
