"""What `tidings up --detach` prints and answers."""

import subprocess
import sys
from pathlib import Path

import pytest

from tidings.cli.up import _await_announcement, _summary
from tidings.devstack.plan import Request


@pytest.mark.parametrize("all_up", [True, False])
def test_detach_tells_whether_all_is_up_and_else_what_was_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], all_up: bool
) -> None:
    log = tmp_path / "supervisor.log"
    log.write_text("of an earlier run\n")
    began = log.stat().st_size
    with log.open("a") as file:
        file.write("12:00:00  auth-1         given up, exit code 2: TIDINGS_X: wrong\n")
        file.write(f"\n{_summary('http://localhost:1', Request(data_dir=tmp_path), all_up, 1.0)}\n")
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        assert _await_announcement(child, log, began) is all_up
    said = capsys.readouterr().out
    assert ("TIDINGS_X: wrong" in said) is not all_up
    assert "of an earlier run" not in said
    assert "Stop      " in said
    assert "Ctrl-C" not in said
