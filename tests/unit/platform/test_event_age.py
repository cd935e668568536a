"""How old an event is follows from the clock of NATS alone: a wrong one here would skip all, or nothing."""

import time
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from tidings.platform.bus import Bus
from tidings.platform.consumer import Consumer


class JetStream:
    """Tells its time."""

    _prefix = "$JS.API"

    def __init__(self, at: datetime) -> None:
        self.at = at

    async def _api_request(self, *_: Any, **__: Any) -> dict[str, str]:
        return {"ts": self.at.isoformat().replace("+00:00", "123Z")}


@pytest.mark.parametrize("off_s", [0, 3600, -3600])
async def test_row_17_events_are_skipped_by_the_clock_of_nats(monkeypatch: pytest.MonkeyPatch, off_s: int) -> None:
    now = datetime.now(UTC)
    js = JetStream(now)
    bus = Bus(SimpleNamespace(jetstream=lambda **_: js, _server_info={}), "tidings")  # type: ignore[arg-type]
    right = time.time
    monkeypatch.setattr(time, "time", lambda: right() + off_s)
    consumer = Consumer(bus, "MESSAGES", "x", [], None, 1, 600.0)  # type: ignore[arg-type]
    await bus.read_clock("MESSAGES")

    def is_skipped(age_s: float) -> bool:
        at = now - timedelta(seconds=age_s)
        return consumer._too_old(SimpleNamespace(metadata=SimpleNamespace(timestamp=at)))  # type: ignore[arg-type]

    assert [is_skipped(1), is_skipped(599), is_skipped(602)] == [False, False, True]
    assert abs(bus.server_time() - now) < timedelta(seconds=5)
