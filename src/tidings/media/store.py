"""The only file that knows MongoDB: collections `media` (a document per file) and `grants` (who may see it)."""

from collections.abc import Sequence
from typing import Any

import msgspec
from pymongo import ASCENDING, IndexModel, ReturnDocument, UpdateOne

from tidings.contracts.times import now_ms
from tidings.media.record import Grant, Record
from tidings.platform.mongo import Database, Document

_UNFINISHED = ["pending", "processing"]


class Store:
    """Records and grants."""

    def __init__(self, database: Database) -> None:
        self._media = database["media"]
        self._grants = database["grants"]

    async def prepare(self) -> None:
        """Create the indexes that are not there."""
        # Serves `claim_stale`; only unfinished files are in it, so it stays tiny.
        await self._media.create_index(
            [("state", ASCENDING), ("changedAt", ASCENDING)],
            name="unfinished",
            partialFilterExpression={"state": {"$in": _UNFINISHED}},
        )
        # Serves `grants` and keeps a repeated grant single.
        await self._grants.create_indexes(
            [IndexModel([("mediaId", ASCENDING), ("chatId", ASCENDING), ("floor", ASCENDING)], unique=True)]
        )

    async def insert(self, record: Record) -> None:
        await self._media.insert_one(msgspec.to_builtins(record))

    async def find(self, media_ids: Sequence[str]) -> dict[str, Record]:
        """The records of those ids that are known."""
        if not media_ids:
            return {}
        found = self._media.find({"_id": {"$in": list(set(media_ids))}})
        return {document["_id"]: _record(document) async for document in found}

    async def change(self, media_id: str, was: Sequence[str], **fields: Any) -> Record | None:
        """Set fields (by their Python names) while the state is one of `was`; None when it is another by now."""
        named = {_WIRE[name]: value for name, value in fields.items()} | {"changedAt": now_ms()}
        document = await self._media.find_one_and_update(
            {"_id": media_id, "state": {"$in": list(was)}},
            {"$set": named},
            return_document=ReturnDocument.AFTER,
        )
        return _record(document) if document else None

    async def drop(self, media_id: str) -> None:
        """Forget an upload that never ended."""
        await self._media.delete_one({"_id": media_id, "state": {"$in": _UNFINISHED}})

    async def open_uploads(self, owner_id: str) -> int:
        """How many files somebody has begun to send in parts (index `unfinished`)."""
        return await self._media.count_documents({"state": "pending", "ownerId": owner_id, "uploadId": {"$ne": None}})

    async def claim_stale(self, state: str, before_ms: int, *, in_parts: bool | None = None) -> Record | None:
        """Take one file that has stood in `state` since before `before_ms`; each goes to one caller. `in_parts` asks
        for those that come in parts, or for the others."""
        which: Document = {} if in_parts is None else {"uploadId": {"$ne": None} if in_parts else None}
        document = await self._media.find_one_and_update(
            {"state": state, "changedAt": {"$lt": before_ms}, **which},
            {"$set": {"changedAt": now_ms()}, "$inc": {"tries": 1}},
            sort=[("changedAt", ASCENDING)],
            return_document=ReturnDocument.AFTER,
        )
        return _record(document) if document else None

    async def grant(self, grants: Sequence[Grant]) -> None:
        """Add grants; those there already stay."""
        if not grants:
            return
        documents: list[Document] = [msgspec.to_builtins(grant) for grant in dict.fromkeys(grants)]
        await self._grants.bulk_write(
            [UpdateOne(document, {"$setOnInsert": document}, upsert=True) for document in documents], ordered=False
        )

    async def grants(self, media_ids: Sequence[str], chat_ids: Sequence[str]) -> list[Grant]:
        """The grants of these files in these chats."""
        if not media_ids or not chat_ids:
            return []
        found = self._grants.find({"mediaId": {"$in": list(media_ids)}, "chatId": {"$in": list(chat_ids)}}, {"_id": 0})
        return [msgspec.convert(document, Grant) async for document in found]


_WIRE = {field.name: field.encode_name for field in msgspec.structs.fields(Record)}


def _record(document: Document) -> Record:
    return msgspec.convert(document, Record)
