"""Messages out of RFC 6455 frames, checked where picows passes them on unchecked, and many into frames at once. No
I/O."""

import codecs
from collections.abc import Sequence
from typing import Final

import msgspec

CONTINUATION: Final = 0
TEXT: Final = 1
BINARY: Final = 2
CONTROL: Final = 8
MAX_PIECES: Final = 64


class ProtocolError(Exception):
    """The peer broke RFC 6455; `code` is the close code that says how."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code, self.reason = code, reason


class Message(msgspec.Struct):
    """A complete message."""

    payload: bytes
    is_text: bool


class Assembler:
    """Owner of the message that is being received in pieces on one socket."""

    __slots__ = ("_most", "_pieces", "_size", "_text")

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes
        self._pieces: list[bytes] = []
        self._size = 0
        self._text: bool | None = None

    def feed(self, opcode: int, fin: bool, reserved: bool, payload: bytes) -> Message | None:
        """Take one frame. Answers the message it completes. Raises ProtocolError."""
        if reserved:
            raise ProtocolError(1002, "a reserved bit is set and no extension was agreed on")
        if opcode >= CONTROL:
            if not fin or len(payload) > 125:
                raise ProtocolError(1002, "a control frame must be whole and at most 125 bytes")
            return None
        if opcode == CONTINUATION:
            if self._text is None:
                raise ProtocolError(1002, "a continuation of nothing")
        elif opcode in (TEXT, BINARY):
            if self._text is not None:
                raise ProtocolError(1002, "a new message within another")
            self._text = opcode == TEXT
        else:
            raise ProtocolError(1002, "an opcode that does not exist")
        self._size += len(payload)
        if self._size > self._most:
            raise ProtocolError(1009, f"a message has at most {self._most} bytes")
        self._pieces.append(payload)
        if len(self._pieces) > MAX_PIECES:
            raise ProtocolError(1009, f"a message has at most {MAX_PIECES} fragments")
        if not fin:
            return None
        whole = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        is_text = self._text
        self._pieces, self._size, self._text = [], 0, None
        if is_text and not whole.isascii():
            try:
                codecs.utf_8_decode(whole, "strict", True)
            except UnicodeDecodeError:
                raise ProtocolError(1007, "text must be UTF-8") from None
        return Message(whole, is_text)


def text_frames(payloads: Sequence[bytes]) -> bytes:
    """Each payload as one unmasked text frame (RFC 6455, section 5.2), all in one piece."""
    pieces = []
    for payload in payloads:
        size = len(payload)
        if size < 126:
            pieces.append(bytes((0x81, size)))
        elif size < 1 << 16:
            pieces.append(b"\x81\x7e" + size.to_bytes(2, "big"))
        else:
            pieces.append(b"\x81\x7f" + size.to_bytes(8, "big"))
        pieces.append(payload)
    return b"".join(pieces)
