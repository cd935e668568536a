"""Times on the wire: RFC 3339, UTC, milliseconds; inside they are integers of milliseconds since 1970."""

import time
from datetime import UTC, datetime


def now_ms() -> int:
    """The wall clock in milliseconds. Order never depends on it: that is what `seq` is for."""
    return time.time_ns() // 1_000_000


def rfc3339(at_ms: int) -> str:
    """`1790000000123` as `2026-09-21T13:33:20.123Z`."""
    seconds, ms = divmod(at_ms, 1000)
    t = time.gmtime(seconds)
    return f"{t.tm_year:04d}-{t.tm_mon:02d}-{t.tm_mday:02d}T{t.tm_hour:02d}:{t.tm_min:02d}:{t.tm_sec:02d}.{ms:03d}Z"


def rfc3339_or_none(at_ms: int | None) -> str | None:
    """The same, for a time that may be absent."""
    return None if at_ms is None else rfc3339(at_ms)


def from_datetime(at: datetime | None) -> str | None:
    """A database timestamp (with zone) on the wire."""
    return None if at is None else rfc3339(int(at.timestamp() * 1000))


def parse_ms(text: str) -> int:
    """Milliseconds of an RFC 3339 text. Raises ValueError."""
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError("a time needs a zone")
    return round(at.timestamp() * 1000)


def utc(at_ms: int) -> datetime:
    """For database drivers that take datetimes."""
    return datetime.fromtimestamp(at_ms / 1000, UTC)
