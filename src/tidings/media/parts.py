"""An upload in parts, for what is large or comes over a bad line: the client puts the parts into the object store by
signed URLs, in any order and as often as it takes, and then has them joined."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from tidings.contracts.errors import ApiError, invalid
from tidings.contracts.ids import new_id
from tidings.contracts.limits import Limits
from tidings.contracts.times import from_datetime, now_ms
from tidings.media import names
from tidings.media.objects import Objects
from tidings.media.process import Processing
from tidings.media.record import Record, most_bytes
from tidings.media.settings import Settings
from tidings.media.sniff import Kind
from tidings.media.store import Store


class Begin(msgspec.Struct, rename="camel", frozen=True):
    """What somebody wants to send."""

    file_name: Annotated[str, Meta(min_length=1, max_length=4096)]
    mime_type: Annotated[str, Meta(max_length=255)]
    size: Annotated[int, Meta(ge=1, le=1 << 53)]


class Put(msgspec.Struct, frozen=True):
    """A part that was put, with the tag the object store answered."""

    number: Annotated[int, Meta(ge=1, le=10_000)]
    etag: Annotated[str, Meta(min_length=1, max_length=128)]


class Complete(msgspec.Struct, frozen=True):
    """All parts."""

    parts: Annotated[list[Put], Meta(min_length=1, max_length=10_000)]


class Part(msgspec.Struct, kw_only=True):
    """Where a part goes; `etag` once it is there."""

    number: int
    size: int
    url: str
    etag: str | msgspec.UnsetType = msgspec.UNSET


class Upload(msgspec.Struct, rename="camel", kw_only=True):
    """An upload under way. Its URLs end at `expiresAt`; asking for it again gives fresh ones."""

    id: str
    part_size: int
    parts: list[Part]
    expires_at: str | None


def part_sizes(size: int, part_bytes: int) -> list[int]:
    """The sizes of the parts 1, 2, ...: all but the last are full."""
    full, rest = divmod(size, part_bytes)
    return [part_bytes] * full + [rest] * bool(rest)


class PartUploads:
    """Takes in files part by part. The record is there before the first byte, so that nothing is left unseen."""

    def __init__(
        self, store: Store, objects: Objects, processing: Processing, settings: Settings, limits: Limits
    ) -> None:
        self._store, self._objects, self._processing = store, objects, processing
        self._settings, self._limits = settings, limits

    async def begin(self, owner_id: str, wish: Begin, base_url: str) -> Upload:
        """Raises ApiError `too_large`, `limit_exceeded` (too many under way)."""
        kind = _claimed(wish.mime_type)
        most = most_bytes(kind, self._limits)
        if wish.size > most:
            raise ApiError("too_large", f"at most {most} bytes")
        if await self._store.open_uploads(owner_id) >= self._settings.open_uploads:
            raise ApiError("limit_exceeded", f"at most {self._settings.open_uploads} uploads at a time")
        now = now_ms()
        record = Record(
            id=new_id(),
            owner_id=owner_id,
            state="pending",
            kind=kind,
            mime_type=wish.mime_type,
            file_name=names.clean(wish.file_name),
            size=wish.size,
            created_at=now,
            changed_at=now,
            upload_id="-",  # until the store has named it: decides where the bytes go
            part_bytes=self._settings.part_bytes,
        )
        record = msgspec.structs.replace(record, upload_id=await self._objects.begin_parts(record.incoming_key))
        await self._store.insert(record)
        return self._show(record, base_url, {})

    async def show(self, owner_id: str, media_id: str, base_url: str) -> Upload:
        """Which parts are there, with fresh URLs. Raises ApiError `not_found`, `conflict` (it is complete)."""
        record = await self._own(owner_id, media_id)
        if record.state != "pending" or await self._store.change(record.id, ["pending"]) is None:
            raise ApiError("conflict", "this upload is complete")
        held = await self._objects.held_parts(record.incoming_key, record.upload_id or "")
        if held is None:
            raise ApiError("conflict", "this upload is complete")
        return self._show(record, base_url, held)

    async def complete(self, owner_id: str, media_id: str, puts: Sequence[Put]) -> tuple[Record, bool]:
        """Join the parts and finish the file; False: it was complete already. What turns out not to be what it claims,
        or too large for it, is `failed`. Raises ApiError `not_found`, `invalid_request`."""
        record = await self._own(owner_id, media_id)
        if record.state != "pending":
            return record, False
        held = await self._objects.held_parts(record.incoming_key, record.upload_id or "")
        if held is not None:
            await self._join(record, {put.number: put.etag.strip('"') for put in puts}, held)
        elif await self._objects.size(record.incoming_key) is None:
            raise ApiError("not_found", "there is no such upload any more")
        taken = await self._store.change(record.id, ["pending"], state="processing")
        if taken is None:  # asked for twice at once
            return (await self._store.find([record.id])).get(record.id, record), False
        return await self._processing.soon(taken), True

    async def _join(self, record: Record, told: dict[int, str], held: dict[int, tuple[str, int]]) -> None:
        sizes = part_sizes(record.size, record.part_bytes)
        for number, size in enumerate(sizes, 1):
            if number not in told:
                raise invalid("parts", f"part {number} is missing")
            if held.get(number) != (told[number], size):
                raise invalid("parts", f"part {number} is not there as told")
        if len(told) > len(sizes):
            raise invalid("parts", f"there are {len(sizes)}")
        tags = [told[number] for number in range(1, len(sizes) + 1)]
        await self._objects.join_parts(record.incoming_key, record.upload_id or "", tags)

    async def _own(self, owner_id: str, media_id: str) -> Record:
        record = (await self._store.find([media_id])).get(media_id)
        if record is None or record.owner_id != owner_id or not record.upload_id:
            raise ApiError("not_found", "there is no such upload")
        return record

    def _show(self, record: Record, base_url: str, held: dict[int, tuple[str, int]]) -> Upload:
        sizes = part_sizes(record.size, record.part_bytes)
        urls, ends = self._objects.part_urls(
            record.incoming_key, record.upload_id or "", sizes, base_url, datetime.now(UTC)
        )
        parts = [
            Part(number=number, size=size, url=url, etag=held[number][0] if number in held else msgspec.UNSET)
            for number, (size, url) in enumerate(zip(sizes, urls, strict=True), 1)
        ]
        return Upload(id=record.id, part_size=record.part_bytes, parts=parts, expires_at=from_datetime(ends))


def _claimed(mime_type: str) -> Kind:
    """The kind a file claims to be of: the bytes decide in the end, when they are all here."""
    for kind in ("image", "audio", "video"):
        if mime_type.lower().startswith(f"{kind}/"):
            return kind
    return "document"
