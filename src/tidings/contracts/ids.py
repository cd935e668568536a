"""Identifiers: UUIDv4 for chats (they shard and must spread), UUIDv7 for everything else (RFC 9562)."""

import os
import re
import time
import uuid
from typing import Annotated, Final

from msgspec import Meta

UUID_PATTERN: Final = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
_UUID: Final = re.compile(UUID_PATTERN)

Id = Annotated[str, Meta(pattern=UUID_PATTERN)]
"""A UUID in canonical lower-case text; what every id is inside and on the wire."""

ClientId = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
"""A client's own id for something it creates: clientMsgId, clientChatId."""


def is_id(text: str) -> bool:
    """Whether `text` is a canonical id."""
    return _UUID.match(text) is not None


def new_chat_id() -> str:
    """A random UUIDv4."""
    return str(uuid.uuid4())


def new_id() -> str:
    """A UUIDv7, increasing within this process even when the clock steps back."""
    return _SEQUENCE.next()


class Uuid7Sequence:
    """Strictly increasing UUIDv7 (RFC 9562 section 6.2, method 2: the random bits count up within a
    millisecond). Owned by one thread. A clock that steps back is waited out on the last millisecond seen.
    """

    def __init__(self, clock_ns: object = time.time_ns) -> None:
        self._clock_ns = clock_ns
        self._last_ms = 0
        self._tail = 0

    def next(self) -> str:
        """The next id as text."""
        now_ms: int = self._clock_ns() // 1_000_000  # type: ignore[operator]
        if now_ms > self._last_ms:
            self._last_ms = now_ms
            # 74 random bits with the top one clear: room to count up.
            self._tail = int.from_bytes(os.urandom(10)) >> 7
        else:
            self._tail += 1 + (os.urandom(1)[0] << 8)
        tail = self._tail
        value = (self._last_ms & 0xFFFFFFFFFFFF) << 80 | 0x7 << 76 | (tail >> 62 & 0xFFF) << 64
        value |= 0b10 << 62 | (tail & 0x3FFFFFFFFFFFFFFF)
        text = f"{value:032x}"
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def id_time_ms(identifier: str) -> int:
    """The Unix time in milliseconds that a UUIDv7 carries."""
    return int(identifier[:8] + identifier[9:13], 16)


_SEQUENCE = Uuid7Sequence()
