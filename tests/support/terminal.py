"""Commands as people run them: with a home of their own, and in a terminal."""

import os
import select
from pathlib import Path


def environ(home: Path) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("TIDINGS_")}
    return clean | {"XDG_DATA_HOME": str(home), "HOME": str(home), "COLUMNS": "200"}


def read(terminal: int, wanted: str) -> str:
    """What the terminal is told until `wanted` is there, or all of it."""
    told = ""
    while not wanted or wanted not in told:
        readable, _, _ = select.select([terminal], [], [], 20)
        assert readable, told
        try:
            told += os.read(terminal, 1 << 16).decode(errors="replace")
        except OSError:  # the other end has gone
            assert not wanted, told
            return told
    return told
