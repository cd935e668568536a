"""A wall clock that is wrong by the seconds that stand in a file named after the instance. Monotonic clocks go on."""

import time
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Any

LOOK_EVERY_S = 0.05


def install(folder: str, instance: str, service: str) -> None:
    """From now on `time.time`, `time.time_ns` and the product's `datetime.now` are off by what the file says."""
    if not folder:
        return
    path, right, right_ns = Path(folder) / instance, time.time, time.time_ns
    looked_at, off_s = -1.0, 0

    def off() -> int:
        nonlocal looked_at, off_s
        if time.monotonic() - looked_at > LOOK_EVERY_S:
            looked_at = time.monotonic()
            off_s = int(path.read_text() or 0) if path.exists() else 0
        return off_s

    time.time = lambda: right() + off()
    time.time_ns = lambda: right_ns() + off() * 1_000_000_000

    class Wrong(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Any:
            return datetime.fromtimestamp(time.time(), tz)

    from tidings.platform import bus

    bus.datetime = Wrong
    if service == "tidings.media":
        from tidings.media import objects

        objects.datetime = Wrong
