"""What a log says to somebody who asks why its process ended: JSON lines in words, and the one that matters. Pure."""

import re
from collections.abc import Sequence
from typing import Any

import msgspec

WIDTH = 300
ALWAYS_THERE = frozenset(
    {"event", "level", "timestamp", "service", "instance", "module", "exception", "requestId", "traceId"}
)
BAD = frozenset({"error", "critical"})
FRAME = " |+-"  # what Python draws around the members of an exception group
TRACEBACK = "Traceback (most recent call last):"
ERROR = re.compile(r"[\w.]*(Error|Exception|Group|Exit|Interrupt|Timeout|Cancelled)\w*\b")


def readable(line: str) -> str:
    """A line of a log in words: of a JSON line its message, what belongs to it, and the end of its exception."""
    entry = _entry(line)
    if entry is None:
        return _cut(line.rstrip())
    details = "".join(f" {name}={value}" for name, value in entry.items() if name not in ALWAYS_THERE)
    ending = _ending(str(entry.get("exception", "")).splitlines())
    # Cut before the end is added: that is what the reader is after.
    said = _cut(f"{entry.get('level', '')}: {entry.get('event', '')}{details}".removeprefix(": "))
    return f"{said}: {ending}" if ending else said


def last_words(lines: Sequence[str], *, errors_only: bool = False) -> str:
    """Why it ended, as far as the end of its log tells: the last error, else (but for `errors_only`) the last line."""
    lines = [line for line in lines if line.strip()]
    if not lines:
        return ""
    begin = next((at for at in reversed(range(len(lines))) if lines[at].strip(FRAME).startswith(TRACEBACK)), None)
    if begin is not None and _entry(lines[-1]) is None:
        return _ending(lines[begin:])
    for line in reversed(lines):
        entry = _entry(line)
        if entry is not None and (entry.get("level") in BAD or entry.get("exception")):
            return readable(line)
    return "" if errors_only else readable(lines[-1])


def _entry(line: str) -> dict[str, Any] | None:
    if not line.startswith("{"):
        return None
    try:
        return msgspec.json.decode(line, type=dict[str, Any])
    except msgspec.DecodeError:
        return None


def _ending(traceback: Sequence[str]) -> str:
    """`SomeError: text`, the last of a traceback, also where hints follow it."""
    bare = [stripped for line in traceback if (stripped := line.strip(FRAME).strip())]
    if not bare:
        return ""
    return _cut(next((line for line in reversed(bare) if ERROR.match(line)), bare[-1]))


def _cut(text: str) -> str:
    return text if len(text) <= WIDTH else f"{text[: WIDTH - 1]}…"
