"""A file as clients see it, with URLs that work from where the client is."""

from collections.abc import Sequence

from tidings.contracts.objects import Media
from tidings.contracts.times import from_datetime
from tidings.media.objects import Objects
from tidings.media.record import Record


async def show(records: Sequence[Record], objects: Objects, base_url: str) -> list[Media]:
    """In the order given. Only what is ready has URLs."""
    ready = [record for record in records if record.state == "ready"]
    keys = [key for record in ready for key in _keys(record)]
    urls: dict[str, str] = {}
    ends = None
    if keys:
        signed, at = await objects.sign(keys, base_url)
        urls, ends = dict(zip(keys, signed, strict=True)), from_datetime(at)
    return [
        Media(
            id=record.id,
            kind=record.kind,
            mime_type=record.mime_type,
            size=record.size,
            sha256=record.sha256,
            file_name=record.file_name,
            width=record.width,
            height=record.height,
            duration_ms=record.duration_ms,
            blurhash=record.blurhash,
            state=record.state,
            url=urls.get(record.key) if record.state == "ready" else None,
            thumbnail_url=urls.get(record.thumbnail_key) if record.thumbnail else None,
            url_expires_at=ends if record.state == "ready" else None,
        )
        for record in records
    ]


def _keys(record: Record) -> list[str]:
    return [record.key, record.thumbnail_key] if record.thumbnail else [record.key]
