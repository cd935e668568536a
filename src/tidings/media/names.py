"""File names as others may see them, and how they stand in a header (RFC 6266). Pure."""

import re
import unicodedata
from typing import Final
from urllib.parse import quote

MOST_BYTES: Final = 255  # what file systems take
_LONGEST_EXTENSION: Final = 16
# Control, format (bidi overrides, zero width), surrogates, private use, line and paragraph separators.
_DROPPED: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_RESERVED: Final = re.compile(r'[<>:"|?*]')


def clean(name: str) -> str:
    """The base name, without what could lead elsewhere or show as something else; `file` when nothing is left."""
    base = re.split(r"[/\\]", unicodedata.normalize("NFC", name))[-1]
    kept = "".join(character for character in base if unicodedata.category(character) not in _DROPPED)
    kept = re.sub(r"\s+", " ", _RESERVED.sub("_", kept)).strip(" .")
    return _shorten(kept) or "file"


def _shorten(name: str) -> str:
    """At most 255 bytes of UTF-8, with the extension kept."""
    if len(name.encode()) <= MOST_BYTES:
        return name
    stem, dot, extension = name.rpartition(".")
    if not dot or len(extension.encode()) > _LONGEST_EXTENSION:
        stem, dot, extension = name, "", ""
    room = MOST_BYTES - len((dot + extension).encode())
    return stem.encode()[:room].decode(errors="ignore").rstrip(" .") + dot + extension


def disposition(name: str, *, inline: bool) -> str:
    """A `Content-Disposition` in plain ASCII for a name that `clean` made."""
    way = "inline" if inline else "attachment"
    plain = re.sub(r"[^A-Za-z0-9 ._()-]", "_", name)
    return f"{way}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
