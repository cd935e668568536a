"""Opaque, signed cursors: a client can neither read meaning into them nor use another's or another list's."""

import base64
import binascii
import hashlib
import hmac
from typing import TypeVar

import msgspec

from tidings.contracts.errors import ApiError

T = TypeVar("T")
_MAC_BYTES = 12


class Cursors:
    """Seals and opens cursors with the key `cursor_key`; `purpose` is the list, `owner` the user it is for."""

    def __init__(self, key: str) -> None:
        self._key = key.encode()

    def seal(self, purpose: str, owner: str, position: object) -> str:
        """A cursor holding `position` (anything msgpack can)."""
        body = msgspec.msgpack.encode(position)
        return base64.urlsafe_b64encode(self._mac(purpose, owner, body) + body).decode().rstrip("=")

    def open(self, purpose: str, owner: str, cursor: str, kind: type[T]) -> T:
        """The position in a cursor. Raises ApiError `invalid_request` if altered or made for something else."""
        try:
            raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
            mac, body = raw[:_MAC_BYTES], raw[_MAC_BYTES:]
            if not hmac.compare_digest(mac, self._mac(purpose, owner, body)):
                raise ApiError("invalid_request", "cursor: not one of ours")
            return msgspec.msgpack.decode(body, type=kind)
        except (binascii.Error, ValueError, msgspec.DecodeError):
            raise ApiError("invalid_request", "cursor: not one of ours") from None

    def _mac(self, purpose: str, owner: str, body: bytes) -> bytes:
        text = f"{purpose}\x00{owner}\x00".encode() + body
        return hmac.digest(self._key, text, hashlib.sha256)[:_MAC_BYTES]
