"""MongoDB: `entries` (the log), `watermarks`, `writers`, `hidden`, `stars`, `meta`. What many ask for at once is in
`lookups.py`; no other file knows MongoDB."""

import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import cast

import pymongo
from pymongo import IndexModel, UpdateOne
from pymongo.errors import BulkWriteError, DuplicateKeyError, OperationFailure, PyMongoError

from tidings.contracts.errors import ApiError
from tidings.contracts.ids import new_id
from tidings.message.log import Document
from tidings.platform.mongo import Database

DUPLICATE_KEY = 11000
Key = tuple[str, str, str]
Mark = tuple[str, str, str, int, int]
"""Chat, person, "delivered" or "read", seq, at (ms)."""


class Store:
    """Queries of message-service, each beside the index that serves it."""

    def __init__(self, database: Database) -> None:
        self._entries = database["entries"]
        self._watermarks = database["watermarks"]
        self._writers = database["writers"]
        self._hidden = database["hidden"]
        self._stars = database["stars"]
        self._meta = database["meta"]

    async def prepare(self) -> str:
        """Create the indexes; returns the log epoch, which is new only in a new or restored database."""
        await self._entries.create_indexes(
            [
                IndexModel([("chatId", 1), ("seq", 1)], name="number", unique=True),  # the arbiter of order
                IndexModel([("chatId", 1), ("senderId", 1), ("clientMsgId", 1)], name="once", unique=True),
                # Unread counts are answered from this index alone: `counted` is in it, as it is in the question.
                IndexModel(
                    [("chatId", 1), ("seq", 1), ("senderId", 1), ("counted", 1)],
                    name="unread",
                    partialFilterExpression={"counted": True},
                ),
                IndexModel(
                    [("mentions", 1), ("chatId", 1), ("seq", 1)],
                    name="mentioned",
                    partialFilterExpression={"mentions": {"$exists": True}},
                ),
                IndexModel([("expiresAt", 1)], name="expiry", partialFilterExpression={"expiresAt": {"$exists": True}}),
            ]
        )
        with contextlib.suppress(OperationFailure):  # of an earlier release, and not there
            await self._entries.drop_index("counted")
        await self._watermarks.create_index([("chatId", 1)], name="chat")
        await self._watermarks.create_index([("chatId", 1), ("at", 1)], name="moved")
        await self._hidden.create_index([("userId", 1), ("at", 1)], name="since")
        await self._hidden.create_index([("userId", 1), ("chatId", 1), ("seq", 1)], name="chat")
        await self._stars.create_index([("userId", 1), ("_id", -1)], name="user")
        await self._writers.create_index([("closed", 1), ("leaseUntil", 1)], name="open")
        with contextlib.suppress(DuplicateKeyError):
            await self._meta.insert_one({"_id": "epoch", "value": new_id()})
        return str(cast("Document", await self._meta.find_one({"_id": "epoch"}))["value"])

    # -- the log --------------------------------------------------------------------------------

    async def insert(self, documents: Sequence[Document]) -> int | None:
        """Insert in order; what precedes the first duplicate key is stored, the rest is not.

        Returns None when all are stored, else the index of the first that is not. Raises PyMongoError when the
        outcome is unknown.
        """
        try:
            await self._entries.insert_many(documents, ordered=True)
        except BulkWriteError as error:
            failures = error.details.get("writeErrors", [])
            if failures and all(f["code"] == DUPLICATE_KEY for f in failures):
                return int(failures[0]["index"])
            raise
        return None

    async def find_keys(self, keys: Iterable[Key]) -> dict[Key, Document]:
        """The stored entries of these idempotency keys (index `once`, read concern majority)."""
        terms = [{"chatId": c, "senderId": s, "clientMsgId": m} for c, s, m in keys]
        if not terms:
            return {}
        found = await self._entries.find({"$or": terms}, max_time_ms=3000).to_list()
        return {(d["chatId"], d["senderId"], d["clientMsgId"]): d for d in found}

    async def heads(self, chat_ids: Sequence[str]) -> dict[str, int]:
        """The highest number of each chat (index `number`, one seek a chat)."""
        rows = await self._entries.aggregate(
            [
                {"$match": {"chatId": {"$in": list(chat_ids)}}},
                {"$sort": {"chatId": -1, "seq": -1}},
                {"$group": {"_id": "$chatId", "seq": {"$first": "$seq"}}},
            ],
            maxTimeMS=3000,
        )
        return {row["_id"]: row["seq"] async for row in rows}

    async def apply(self, updates: Sequence[tuple[Document, Document]]) -> None:
        """Apply changes to their messages; each filter makes it harmless to apply one again."""
        if updates:
            await self._entries.bulk_write([UpdateOne(where, what) for where, what in updates], ordered=True)

    async def entry(self, message_id: str) -> Document | None:
        """A message or notice by its id."""
        return await self._entries.find_one({"_id": message_id, "kind": {"$ne": "change"}}, max_time_ms=3000)

    async def entries_by_id(self, message_ids: Iterable[str]) -> dict[str, Document]:
        """Messages by id."""
        ids = list(set(message_ids))
        if not ids:
            return {}
        found = await self._entries.find({"_id": {"$in": ids}, "kind": {"$ne": "change"}}, max_time_ms=3000).to_list()
        return {d["_id"]: d for d in found}

    async def range(
        self, chat_id: str, low: int, high: int, limit: int, *, newest: bool = False, changes: bool = True
    ) -> list[Document]:
        """Entries with `low <= seq <= high` in rising order: the first `limit`, or with `newest` the last ones."""
        where: Document = {"chatId": chat_id, "seq": {"$gte": low, "$lte": high}}
        if not changes:
            where["kind"] = {"$in": ["message", "notice"]}
        found = (
            await self._entries.find(where, max_time_ms=3000)
            .sort("seq", pymongo.DESCENDING if newest else pymongo.ASCENDING)
            .limit(limit)
            .to_list()
        )
        return found[::-1] if newest else found

    async def authors(self, chat_id: str, low: int, high: int) -> set[str]:
        """Who wrote the messages `low..high`, from the newest 500 of them (index `unread`, covered)."""
        found = (
            await self._entries.find(
                {"chatId": chat_id, "seq": {"$gte": low, "$lte": high}, "counted": True},
                {"_id": 0, "senderId": 1},
                max_time_ms=3000,
            )
            .sort("seq", -1)
            .limit(500)
            .to_list()
        )
        return {d["senderId"] for d in found}

    async def empty_expired(self, now_ms: int) -> int:
        """Take the content out of entries whose time is over. The entries stay: numbers are never free again."""
        result = await self._entries.update_many(
            {"expiresAt": {"$lte": now_ms}, "content": {"$ne": None}},
            [{"$set": {"content": None, "deletedAt": "$expiresAt"}}, {"$unset": list(EMPTIED)}],
        )
        return result.modified_count

    async def search(
        self, chat_ids: Sequence[str], pattern: str, before: str | None, limit: int, timeout_ms: int
    ) -> list[Document]:
        """Messages whose folded text matches, newest first. `pattern` is an escaped literal."""
        where: Document = {"chatId": {"$in": list(chat_ids)}, "kind": "message", "text": {"$regex": pattern}}
        if before is not None:
            where["_id"] = {"$lt": before}
        return await self._entries.find(where, max_time_ms=timeout_ms).sort("_id", -1).limit(limit).to_list()

    # -- writers --------------------------------------------------------------------------------

    async def open_writer(self, writer: str, instance: str, lease_ms: int) -> None:
        """Register a writer before its first entry."""
        fields = {"instance": {"$literal": instance}, "publishedThrough": "", "leaseUntil": _in(lease_ms)}
        await self._writers.update_one({"_id": writer}, [{"$set": {**fields, "closed": False}}], upsert=True)

    async def checkpoint(self, writer: str, published_through: str, lease_ms: int, *, close: bool = False) -> bool:
        """Save the cursor and renew the lease. False: another writer has taken this one over."""
        result = await self._writers.update_one(
            {"_id": writer, "closed": False, "takenBy": {"$exists": False}},
            [{"$set": {"publishedThrough": published_through, "leaseUntil": _in(lease_ms), "closed": close}}],
        )
        return result.matched_count == 1

    async def abandoned(self, instance: str | None) -> list[Document]:
        """Writers whose lease lapsed, and, where a supervisor vouches that they are dead, those of `instance`."""
        terms: list[Document] = [{"$expr": {"$lt": ["$leaseUntil", _in(0)]}}]
        if instance is not None:
            terms.append({"instance": instance})
        return await self._writers.find({"closed": False, "$or": terms}).to_list()

    async def take_over(self, found: Document, by: str, lease_ms: int) -> bool:
        """Compare and set: exactly one takes a writer over."""
        result = await self._writers.update_one(
            {"_id": found["_id"], "closed": False, "leaseUntil": found["leaseUntil"]},
            [{"$set": {"takenBy": by, "leaseUntil": _in(lease_ms)}}],
        )
        return result.modified_count == 1

    async def close_writer(self, writer: str) -> None:
        """All of a dead writer's entries are published."""
        await self._writers.update_one({"_id": writer}, {"$set": {"closed": True}})

    async def closed_lately(self, last_ms: int) -> list[str]:
        """Writers that were closed in this last time: `leaseUntil` is no earlier than that (index `open`)."""
        where: Document = {"closed": True, "$expr": {"$gt": ["$leaseUntil", _in(-last_ms)]}}
        return [d["_id"] async for d in self._writers.find(where, {"_id": 1})]

    async def known_bus(self, instance: str) -> str:
        """The NATS process that took the events of this slot last. Empty: none yet."""
        found = await self._meta.find_one({"_id": f"nats:{instance}"})
        return str(found["value"]) if found else ""

    async def know_bus(self, instance: str, server: str) -> None:
        """From now on events of this slot go to this NATS process."""
        await self._meta.update_one({"_id": f"nats:{instance}"}, {"$set": {"value": server}}, upsert=True)

    async def written_after(self, writer: str, after_id: str) -> AsyncIterator[Document]:
        """A writer's entries above an id in the order of their ids, which is the order it wrote each chat in."""
        cursor = self._entries.find({"_id": {"$gt": after_id}, "writer": writer}).sort("_id", 1).batch_size(500)
        async for document in cursor:
            yield document

    # -- watermarks -----------------------------------------------------------------------------

    async def mark_times(self, chat_id: str) -> list[Document]:
        """The watermarks of a chat with when they moved, up to 200 pairs each."""
        return await self._watermarks.find({"chatId": chat_id}, max_time_ms=3000).to_list()

    async def advance(self, marks: Sequence[Mark]) -> None:
        """Move watermarks forward. Both of one person in one chat are one update."""
        together: dict[str, list[Mark]] = defaultdict(list)
        for mark in marks:
            together[f"{mark[0]}:{mark[1]}"].append(mark)
        some = list(together.values())
        behind = await self._advance([_advanced(each) for each in some])
        if behind:  # one of two stands at or above, or another instance was making the document: each alone
            await self._advance([_advanced([mark]) for place in behind for mark in some[place]])

    async def _advance(self, updates: list[UpdateOne]) -> list[int]:
        """The places of those that were not moved: a duplicate key is a mark that is not above the one that stands."""
        try:
            await self._watermarks.bulk_write(updates, ordered=False)
        except BulkWriteError as error:
            errors = error.details.get("writeErrors", [])
            if any(failed["code"] != DUPLICATE_KEY for failed in errors):
                raise
            return [failed["index"] for failed in errors]
        return []

    # -- of one person ----------------------------------------------------------------------------

    async def hide(self, user_id: str, document: Document, at: int) -> bool:
        """Delete for me. False: it was already."""
        try:
            await self._hidden.insert_one(
                {
                    "_id": f"{user_id}:{document['_id']}",
                    "userId": user_id,
                    "messageId": document["_id"],
                    "chatId": document["chatId"],
                    "seq": document["seq"],
                    "counted": bool(document.get("counted")) and document["senderId"] != user_id,
                    "at": at,
                }
            )
        except DuplicateKeyError:
            return False
        return True

    async def hidden_since(
        self, user_id: str, since_ms: int, after: tuple[int, str], limit: int
    ) -> list[tuple[int, str, str]]:
        """What this person deleted for themselves after a moment: (when, message, chat) in this order, beyond
        `after`."""
        at, message_id = after
        beyond = [{"at": {"$gt": max(at, since_ms)}}, {"at": at, "messageId": {"$gt": message_id}}]
        found = (
            self._hidden.find({"userId": user_id, "$or": beyond}, max_time_ms=3000)
            .sort([("at", 1), ("messageId", 1)])
            .limit(limit)
        )
        return [(d["at"], d["messageId"], d["chatId"]) async for d in found]

    async def star(self, user_id: str, message_id: str, at: int) -> bool:
        """False: it was starred already."""
        try:
            await self._stars.insert_one(
                {"_id": f"{user_id}:{message_id}", "userId": user_id, "messageId": message_id, "at": at}
            )
        except DuplicateKeyError:
            return False
        return True

    async def unstar(self, user_id: str, message_id: str) -> None:
        """Take a star off; it need not be there."""
        await self._stars.delete_one({"_id": f"{user_id}:{message_id}"})

    async def starred(self, user_id: str, before: str | None, limit: int) -> list[str]:
        """Ids of starred messages, the newest message first."""
        where: Document = {"userId": user_id}
        if before is not None:
            where["_id"] = {"$lt": f"{user_id}:{before}"}
        found = await self._stars.find(where).sort("_id", -1).limit(limit).to_list()
        return [d["messageId"] for d in found]

    async def starred_among(self, user_id: str, message_ids: Sequence[str]) -> set[str]:
        """Which of these are starred."""
        found = self._stars.find({"_id": {"$in": [f"{user_id}:{m}" for m in message_ids]}}, {"messageId": 1})
        return {d["messageId"] async for d in found}


def _in(ms: int) -> Document:
    """A moment by the clock of MongoDB, which all writers share: a wrong one of theirs lends and takes nothing."""
    return {"$add": [{"$toLong": "$$NOW"}, ms]}


EMPTIED: Document = {"text": "", "counted": "", "mentions": "", "replyTo": "", "reactions": "", "ballots": ""}
"""The fields that go when an entry is emptied in place; ids, number and sender stay."""


def unavailable(error: PyMongoError) -> ApiError:
    """What a caller hears when MongoDB does not answer."""
    return ApiError(
        "unavailable", f"messages cannot be reached at the moment ({type(error).__name__})", retry_after_ms=500
    )


def _advanced(marks: Sequence[Mark]) -> UpdateOne:
    """Moves all of these marks of one person in one chat, or none."""
    chat_id, user_id, *_ = marks[0]
    return UpdateOne(
        {
            "_id": f"{chat_id}:{user_id}",
            **{f"{status}Seq": {"$not": {"$gte": seq}} for _, _, status, seq, _ in marks},
        },
        {
            "$set": {"chatId": chat_id, "userId": user_id, **{f"{status}Seq": seq for _, _, status, seq, _ in marks}},
            "$max": {"at": max(at for *_, at in marks)},
            "$push": {status: {"$each": [[seq, at]], "$slice": -200} for _, _, status, seq, at in marks},
        },
        upsert=True,
    )
