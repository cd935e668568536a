"""What `tidings status` shows."""

import pytest

from tidings.cli.status import _show
from tidings.devstack.state import ProcessState, SystemState


def test_the_reason_is_shown_whole_in_a_narrow_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    reason = "it keeps dying: exit code 1: error: service ended by an error part=[relay]: ValueError: no such database"
    bad = ProcessState(name="chat-1", group="service", state="given up", reason=reason)
    _show(SystemState(pid=1, started_at=0, url="http://x", data_dir="/x", ports={}, environ={}, processes=[bad]))
    assert f"chat-1: {reason}\n" in capsys.readouterr().out
