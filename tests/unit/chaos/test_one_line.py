"""Hypothesis changes one line of a valid history, and the verdict must turn, for the reason that was put in."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.chaos.checker import check
from tests.chaos.history import Line
from tests.support.histories import ADDED, REMOVED, change, change_final, talk

Change = Callable[[list[Line], int, Any], list[Line]]


def _without(lines: list[Line], index: int, _: Any) -> list[Line]:
    return [*lines[:index], *lines[index + 1 :]]


def _twice(lines: list[Line], index: int, _: Any) -> list[Line]:
    return [*lines[: index + 1], lines[index], *lines[index + 1 :]]


def _entries(lines: list[Line], index: int, draw: Any, make: Callable[[list[Any], int], list[Any]]) -> list[Line]:
    """A `final` line whose entries are changed at one message of Anna's."""
    entries = lines[index].final[0].entries
    at = draw(st.sampled_from([i for i, entry in enumerate(entries) if entry.kind == "message"]))
    return change_final(lines, index, entries=make(list(entries), at))


def _replaced(**fields: Any) -> Callable[[list[Any], int], list[Any]]:
    return lambda entries, at: [*entries[:at], msgspec.structs.replace(entries[at], **fields), *entries[at + 1 :]]


def _exchanged(entries: list[Any], at: int) -> list[Any]:
    """Two neighbours have each other's numbers."""
    other = at - 1 if at else at + 1
    entries[at], entries[other] = (
        msgspec.structs.replace(entries[other], seq=entries[at].seq),
        msgspec.structs.replace(entries[at], seq=entries[other].seq),
    )
    return entries


def _answered_again(lines: list[Line], index: int, _: Any) -> list[Line]:
    return [*lines, msgspec.structs.replace(lines[index], mid="x")]


def _doubled(entries: list[Any], at: int) -> list[Any]:
    return [*entries[: at + 1], *entries[at:]]


def _on_final(make: Callable[[list[Any], int], list[Any]]) -> Change:
    return lambda lines, index, draw: _entries(lines, index, draw, make)


def _line(**fields: Any) -> Change:
    return lambda lines, index, draw: change(lines, index, **fields)


def _chat(**changes: int) -> Change:
    """A field of what a final sync says of the chat, more or less by so much."""

    def changed(lines: list[Line], index: int, _: Any) -> list[Line]:
        found = lines[index].final[0]
        return change_final(lines, index, **{name: getattr(found, name) + by for name, by in changes.items()})

    return changed


def _of(op: str, phase: str = "", person: str = "") -> Callable[[Line], bool]:
    return lambda line: line.op == op and phase in ("", line.phase) and person in ("", line.person)


CHANGES: dict[str, tuple[Callable[[Line], bool], Change, set[str]]] = {
    "an answer names a number that nobody has": (_of("send", "ok"), _line(seq=99), {"disordered", "lost"}),
    "an answer names another message": (_of("send", "ok"), _line(mid="x"), {"lost"}),
    "a second answer differs": (_of("send", "ok"), _answered_again, {"duplicated"}),
    "a send was never made": (_of("send", "invoke"), _without, {"phantom"}),
    "a send had another text": (_of("send", "invoke"), _line(text="x"), {"phantom"}),
    "a send was refused": (_of("send", "ok"), _line(phase="fail"), {"phantom"}),
    "somebody is not shown a message": (_of("final"), _on_final(lambda e, at: e[:at] + e[at + 1 :]), {"lost", "gap"}),
    "somebody is shown a message twice": (_of("final"), _on_final(_doubled), {"duplicated"}),
    "two messages have changed places": (_of("final"), _on_final(_exchanged), {"disordered"}),
    "somebody is shown another text": (_of("final"), _on_final(_replaced(text="x")), {"disordered", "phantom"}),
    "somebody is shown another message": (_of("final"), _on_final(_replaced(mid="x")), {"disordered"}),
    "pages end too early": (_of("final"), lambda lines, i, _: change_final(lines, i, covered=(1, 3)), {"gap"}),
    "the unread count is too high": (_of("final"), _chat(unread=1), {"unread"}),
    "a read mark fell": (_of("final", person="ben"), _chat(read=-2), {"regressed"}),
    "a read mark without the delivered one": (_of("final"), _chat(delivered=-99), {"regressed"}),
    "others read what is not there": (_of("final"), _chat(others_read=99), {"regressed"}),
    "a window is shorter than what is shown": (_of("final", person="ben"), _chat(joined=1), {"leak"}),
    "a receipt is above what was said": (_of("receipt"), _line(seq=98), {"invented"}),
    "a receipt of somebody who said nothing": (_of("receipt"), _line(target="anna", seq=98), {"invented"}),
    "a frame never came": (_of("recv", person="ben"), _without, {"unheard"}),
    "a frame came while they were no member": (_of("recv", person="cleo"), _line(seq=REMOVED + 1), {"leak"}),
    "a frame came of a foreign chat": (_of("recv"), _line(chat="other"), {"leak"}),
    "a push came twice": (_of("push"), _twice, {"pushed"}),
    "a push went to who sent it": (_of("push"), _line(person="anna"), {"pushed"}),
    "a push went to who was no member": (_of("push"), _line(person="cleo", seq=ADDED - 1), {"pushed"}),
    "a push came long after it was read": (_of("push"), _line(seq=2, t=35.0), {"pushed"}),
    "a file is another": (_of("object"), _line(text="x"), {"mislaid"}),
    "the epoch changed": (_of("connect"), _line(epoch="other"), {"epoch"}),
    "a send is open for ever": (_of("closed"), _line(op="stuck", phase="fail"), {"stuck"}),
    "the fault was long healed before anybody was answered": (_of("fault", "ok"), _line(t=-9.0), {"slow"}),
    "there was no fault": (_of("fault", "invoke"), _without, {"void"}),
}  # fmt: skip


def broken(lines: list[Line]) -> set[str]:
    return {rule for rule, _ in check(lines)}


@given(st.integers(6, 20))
def test_the_history_is_valid(messages: int) -> None:
    assert check(talk(messages)) == []


@pytest.mark.parametrize("name", CHANGES)
@settings(max_examples=15, deadline=None)
@given(data=st.data(), messages=st.integers(6, 20))
def test_one_line_changed_turns_the_verdict(name: str, data: st.DataObject, messages: int) -> None:
    where, make, rules = CHANGES[name]
    lines = talk(messages)
    index = data.draw(st.sampled_from([i for i, line in enumerate(lines) if where(line)]))
    assert broken(make(lines, index, data.draw)) & rules
