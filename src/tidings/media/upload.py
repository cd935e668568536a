"""An upload in one form: streamed into the object store while it arrives, with its record there before it."""

import asyncio
import hashlib
from collections.abc import AsyncIterator

from tidings.contracts.errors import ApiError, invalid
from tidings.contracts.ids import new_id
from tidings.contracts.limits import Limits
from tidings.contracts.times import now_ms
from tidings.media import names, sniff
from tidings.media.multipart import Form
from tidings.media.objects import Objects
from tidings.media.process import Processing
from tidings.media.record import Record, most_bytes
from tidings.media.store import Store
from tidings.platform import logging

_log = logging.get(__name__)


class Uploads:
    """Takes files in."""

    def __init__(self, store: Store, objects: Objects, processing: Processing, limits: Limits) -> None:
        self._store = store
        self._objects = objects
        self._processing = processing
        self._limits = limits

    async def receive(self, owner_id: str, content_type: str, chunks: AsyncIterator[bytes]) -> Record:
        """Store the file of a form and finish it. One that takes long is answered while `processing`.

        Raises ApiError: `invalid_request` (no file, empty, cut off), `too_large`, `unsupported_media`, `overloaded`.
        """
        if self._processing.full:
            raise ApiError("overloaded", retry_after_ms=2000)
        form = Form(content_type, chunks)
        try:
            record = await self._store_file(owner_id, form)
        except ApiError as error:
            if error.code in ("unsupported_media", "invalid_request"):
                await form.drain()
            raise
        return await self._processing.soon(record)

    async def _store_file(self, owner_id: str, form: Form) -> Record:
        await form.open()
        head = b""
        while len(head) < sniff.HEAD_BYTES and (more := await form.read()):
            head += more
        if not head:
            raise invalid("file", "is empty")
        found = sniff.classify(head[: sniff.HEAD_BYTES], form.content_type)
        now = now_ms()
        record = Record(
            id=new_id(),
            owner_id=owner_id,
            state="pending",
            kind=found.kind,
            mime_type=found.mime_type,
            file_name=names.clean(form.file_name),
            created_at=now,
            changed_at=now,
        )
        await self._store.insert(record)
        body = _Body(head, form, min(self._limits.upload_bytes, most_bytes(found.kind, self._limits)))
        try:
            shown = names.disposition(record.file_name, inline=found.inline)
            await self._objects.put(record.incoming_key, body.chunks(), record.mime_type, shown)
        except BaseException as error:
            # Also when the client went away: nobody knows the id yet.
            try:
                await asyncio.shield(self._forget(record))
            except Exception as failure:
                _log.warning("a broken upload is left to the sweeper", error=repr(failure)[:200])
            raise body.error or error from None
        sha256 = body.digest.hexdigest() if found.kind != "image" else None
        stored = await self._store.change(record.id, ["pending"], state="processing", size=body.size, sha256=sha256)
        if stored is None:
            raise ApiError("unavailable", "the upload took too long")
        return stored

    async def _forget(self, record: Record) -> None:
        await self._objects.delete(record.incoming_key)
        await self._store.drop(record.id)


class _Body:
    """The bytes of a file, counted and hashed as they pass. `error` is what ended them early: the object store's
    client hides it behind its own."""

    def __init__(self, head: bytes, form: Form, most: int) -> None:
        self._head = head
        self._form = form
        self._most = most
        self.digest = hashlib.sha256()
        self.size = 0
        self.error: BaseException | None = None

    async def chunks(self) -> AsyncIterator[bytes]:
        try:
            chunk = self._head
            while chunk:
                self.size += len(chunk)
                if self.size > self._most:
                    raise ApiError("too_large", f"at most {self._most} bytes")
                self.digest.update(chunk)
                yield chunk
                chunk = await self._form.read()
        except BaseException as error:
            self.error = error
            raise
