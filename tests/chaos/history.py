"""What happened in a run, as lines a person can read: the load and the nemesis write them, the checker reads them.

A send that was answered is `ok`, refused for good `fail`, anything else stays `invoke`: it may exist or not. A device's
connection lasts from `connect` to `closed`.
"""

import time
from pathlib import Path
from typing import IO, Any, Literal

import msgspec

Op = Literal[
    "send", "change", "recv", "receipt", "delivered", "read", "final", "fault", "connect", "resync", "closed", "stuck",
    "push", "upload", "object",
]  # fmt: skip
Phase = Literal["invoke", "ok", "fail"]


class Entry(msgspec.Struct, frozen=True, omit_defaults=True):
    """An entry of a chat as the final sync of someone shows it."""

    seq: int
    mid: str
    kind: str  # message, notice, or the name of a change
    cmid: str | None = None
    sender: str | None = None
    text: str | None = None  # None: deleted
    edited: bool = False
    target: int | None = None  # of a change: the number it changes
    about: list[str] = []  # of a notice: whom it is about


class FinalChat(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A chat as the final sync of someone shows it, from nothing."""

    chat: str
    type: str
    membership: str
    joined: int
    left: int | None = None
    last: int
    unread: int
    read: int
    delivered: int
    others_read: int
    others_delivered: int
    covered: tuple[int, int]  # from..to of the pages together
    entries: list[Entry]


class Line(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One line. Which fields are there depends on `op`."""

    t: float  # seconds since the run began
    op: Op
    phase: Phase = "ok"
    person: str = ""
    device: str = ""
    chat: str = ""
    cmid: str = ""
    mid: str = ""
    seq: int = 0
    text: str = ""
    code: str = ""
    kind: str = ""  # of a change, of a fault
    target: str = ""  # of a fault: whom it hits; of a receipt: whose watermark
    status: str = ""
    epoch: str = ""
    burst: int = 0  # sends of a device with the same one were made without waiting for answers in between
    again: bool = False  # a send that is said once more, because no answer came
    final: list[FinalChat] = []


class History:
    """Owner of the file and of the clock of the run."""

    def __init__(self, path: Path | None = None) -> None:
        self.lines: list[Line] = []
        self._began = time.monotonic()
        self._file: IO[bytes] | None = path.open("wb", buffering=0) if path else None

    def now(self) -> float:
        return round(time.monotonic() - self._began, 4)

    def add(self, op: Op, phase: Phase = "ok", **fields: Any) -> None:
        line = Line(t=self.now(), op=op, phase=phase, **fields)
        self.lines.append(line)
        if self._file is not None:
            self._file.write(msgspec.json.encode(line) + b"\n")

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


def load(path: Path) -> list[Line]:
    return [msgspec.json.decode(line, type=Line) for line in path.read_bytes().splitlines()]
