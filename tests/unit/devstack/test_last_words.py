"""The end of a log tells why its process ended, whatever wrote it."""

import json
from pathlib import Path

import pytest

from tidings.devstack.last_words import WIDTH, last_words, readable
from tidings.devstack.logfiles import last_lines

TRACEBACK = 'Traceback (most recent call last):\n  File "a.py", line 1, in build\n    connect()\n'
READY = json.dumps({"level": "info", "event": "ready", "service": "chat", "http_port": 8083})


def failed(exception: str, **more: object) -> str:
    return json.dumps({"exception": exception, "level": "error", "event": "service ended by an error"} | more)


def test_a_json_line_shows_its_message_and_the_end_of_its_exception() -> None:
    line = failed(TRACEBACK + "    deep\n" * 500 + "ValueError: no such database")
    assert readable(line) == "error: service ended by an error: ValueError: no such database"


def test_a_json_line_shows_what_belongs_to_its_message_alone() -> None:
    line = failed("", part="relay", timestamp="2026-01-01", traceId="ab")
    assert readable(line) == "error: service ended by an error part=relay"


@pytest.mark.parametrize("line", ["{not json", "FATAL: role does not exist", ""])
def test_other_lines_are_shown_as_they_are(line: str) -> None:
    assert readable(line) == line


def test_long_lines_are_cut_and_keep_their_error() -> None:
    line = failed(f"{TRACEBACK}KeyError: 'x'", hanging="y" * 5000)
    assert len(readable(line)) < WIDTH + 20
    assert readable(line).endswith("KeyError: 'x'")


GROUP = """  + Exception Group Traceback (most recent call last):
  |   File "a.py", line 1
  | ExceptionGroup: unhandled errors in a TaskGroup (1 sub-exception)
  +-+---------------- 1 ----------------
    | Traceback (most recent call last):
    |   File "a.py", line 2
    | OSError: disk full
    +------------------------------------"""


@pytest.mark.parametrize(
    ("log", "words"),
    [
        ([READY, failed(f"{TRACEBACK}ValueError: x")], "error: service ended by an error: ValueError: x"),
        ([failed(f"{TRACEBACK}ValueError: x"), READY], "error: service ended by an error: ValueError: x"),
        ([READY, failed(GROUP)], "error: service ended by an error: OSError: disk full"),
        ([READY, *GROUP.splitlines()], "OSError: disk full"),
        ([READY, *f"{TRACEBACK}asyncpg.exceptions.UndefinedTableError: x\nHINT: y".splitlines()],
         "asyncpg.exceptions.UndefinedTableError: x"),
        ([READY, "tidings auth: TIDINGS_X: Expected `int`", ""], "tidings auth: TIDINGS_X: Expected `int`"),
        ([READY], "info: ready http_port=8083"),
        ([], ""),
    ],
)  # fmt: skip
def test_the_last_error_is_the_reason_and_else_the_last_line(log: list[str], words: str) -> None:
    assert last_words(log) == words


def test_one_that_ended_well_has_no_last_words_but_errors() -> None:
    assert last_words([READY], errors_only=True) == ""
    assert last_words([failed(""), READY], errors_only=True) == "error: service ended by an error"


def test_lines_of_an_earlier_life_are_left_out(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_text("old\nnew\n")
    assert last_lines(log, 9, since=4) == ["new"]
    assert last_lines(log, 9, since=400) == ["old", "new"], "it was emptied meanwhile"
