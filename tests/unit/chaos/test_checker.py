"""The checker finds what is wrong: a valid history passes, and any one line changed turns the verdict."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.chaos.checker import check
from tests.chaos.history import Entry, FinalChat, Line

CHAT = "chat"


def valid(messages: int = 6) -> list[Line]:
    """Anna sends to Ben, who reads all but the last two; a fault in between."""
    lines: list[Line] = []
    t = 0.0
    for number in range(1, messages + 1):
        seq, cmid, text = number + 1, f"c{number}", f"t{number}"
        own = {"person": "anna", "device": "0a", "chat": CHAT, "cmid": cmid, "text": text}
        lines.append(Line(t=t, op="send", phase="invoke", **own))
        lines.append(Line(t=t + 0.1, op="send", phase="ok", mid=f"m{number}", seq=seq, **own))
        lines.append(Line(t=t + 0.2, op="recv", person="ben", device="1a", chat=CHAT, seq=seq, mid=f"m{number}"))
        lines.append(Line(t=t + 0.2, op="delivered", phase="invoke", person="ben", device="1a", chat=CHAT, seq=seq))
        if number == messages // 2:
            lines.append(Line(t=t + 0.3, op="fault", phase="invoke", kind="kill", target="message-1"))
            lines.append(Line(t=t + 0.4, op="fault", kind="kill", target="message-1"))
        t += 1
    read = messages - 1
    lines.append(Line(t=t, op="read", phase="ok", person="ben", device="1a", chat=CHAT, seq=read))
    lines.append(
        Line(t=t, op="receipt", person="anna", device="0a", chat=CHAT, target="ben", status="delivered", seq=messages)
    )
    return lines + [
        Line(t=t + 1, op="final", person=person, epoch="e", final=[final(person, messages, read)])
        for person in ("anna", "ben")
    ]


def final(person: str, messages: int, read: int) -> FinalChat:
    entries = [Entry(seq=1, mid="n", kind="notice", text="chat.created")]
    entries += [
        Entry(seq=n + 1, mid=f"m{n}", kind="message", cmid=f"c{n}", sender="anna", text=f"t{n}")
        for n in range(1, messages + 1)
    ]
    last = messages + 1
    mine = (last, last) if person == "anna" else (read, last)
    return FinalChat(
        chat=CHAT, type="direct", membership="member", joined=1, last=last,
        unread=0 if person == "anna" else last - read,
        read=mine[0], delivered=mine[1], others_read=read, others_delivered=last, covered=(1, last), entries=entries,
    )  # fmt: skip


def rules(lines: list[Line]) -> set[str]:
    return {rule for rule, _ in check(lines)}


def change_final(lines: list[Line], person: str, **fields: object) -> list[Line]:
    return [
        msgspec.structs.replace(line, final=[msgspec.structs.replace(line.final[0], **fields)])
        if line.op == "final" and line.person == person
        else line
        for line in lines
    ]


def entries_of(lines: list[Line], person: str) -> list[Entry]:
    return next(line.final[0].entries for line in lines if line.op == "final" and line.person == person)


def test_a_valid_history_passes() -> None:
    assert check(valid()) == []


@given(st.integers(1, 6), st.sampled_from(["anna", "ben"]))
def test_a_message_taken_away_is_lost(number: int, person: str) -> None:
    lines = valid()
    entries = [entry for entry in entries_of(lines, person) if entry.mid != f"m{number}"]
    assert {"lost", "gap"} <= rules(change_final(lines, person, entries=entries))


@given(st.integers(1, 6))
def test_a_message_shown_twice_is_found(number: int) -> None:
    lines = valid()
    entries = entries_of(lines, "ben")
    twice = [*entries, msgspec.structs.replace(entries[number], seq=8)]
    assert "duplicated" in rules(change_final(lines, "ben", entries=twice, last=8, covered=(1, 8)))


@given(st.integers(1, 5))
def test_two_messages_swapped_are_found(number: int) -> None:
    lines = valid()
    entries = list(entries_of(lines, "ben"))
    a, b = entries[number], entries[number + 1]
    entries[number], entries[number + 1] = msgspec.structs.replace(b, seq=a.seq), msgspec.structs.replace(a, seq=b.seq)
    assert "disordered" in rules(change_final(lines, "ben", entries=entries))


@given(st.integers(1, 6))
def test_an_answer_that_differs_from_the_first_is_found(number: int) -> None:
    lines = valid()
    ok = [line for line in lines if line.op == "send" and line.phase == "ok"][number - 1]
    assert "duplicated" in rules([*lines, msgspec.structs.replace(ok, mid="other", seq=99)])


@given(st.integers(1, 6))
def test_what_nobody_sent_is_found(number: int) -> None:
    lines = [line for line in valid() if not (line.op == "send" and line.cmid == f"c{number}")]
    assert "phantom" in rules(lines)


def test_another_text_is_found_unless_it_was_edited() -> None:
    lines = valid()
    for edited in (False, True):
        changed = lines
        for person in ("anna", "ben"):
            entries = list(entries_of(lines, person))
            entries[2] = msgspec.structs.replace(entries[2], text="other", edited=edited)
            changed = change_final(changed, person, entries=entries)
        assert ("phantom" in rules(changed)) is not edited


def test_a_refused_message_that_is_there_is_found() -> None:
    lines = [
        msgspec.structs.replace(line, phase="fail")
        if line.op == "send" and line.phase == "ok" and line.cmid == "c2"
        else line
        for line in valid()
    ]
    assert "phantom" in rules(lines)


@given(st.integers(2, 6))
def test_entries_after_leaving_and_before_joining_are_leaks(at: int) -> None:
    assert "leak" in rules(change_final(valid(), "ben", left=at, membership="left"))
    assert "leak" in rules(change_final(valid(), "ben", joined=at + 1))


def test_a_stranger_who_receives_is_found() -> None:
    lines = valid()
    stranger = Line(t=1, op="recv", person="eve", device="9a", chat=CHAT, seq=2, mid="m1")
    nothing = Line(t=9, op="final", person="eve", epoch="e", final=[])
    assert "leak" in rules([*lines, stranger, nothing])


def test_watermarks_that_fall_or_run_ahead_are_found() -> None:
    assert "regressed" in rules(change_final(valid(), "ben", read=3))
    assert "regressed" in rules(change_final(valid(), "ben", delivered=2))
    assert "regressed" in rules(change_final(valid(), "anna", others_delivered=50))


def test_a_receipt_nobody_gave_is_found() -> None:
    lines = valid()
    early = Line(t=0, op="receipt", person="anna", chat=CHAT, target="ben", status="delivered", seq=7)
    assert "invented" in rules([early, *lines])


@given(st.integers(0, 9).filter(lambda count: count != 2))
def test_a_wrong_unread_count_is_found(count: int) -> None:
    assert "unread" in rules(change_final(valid(), "ben", unread=count))


def test_a_new_epoch_is_found() -> None:
    assert "epoch" in rules([*valid(), Line(t=1, op="connect", person="ben", epoch="other")])


def test_silence_after_a_fault_is_found() -> None:
    lines = [
        msgspec.structs.replace(line, t=line.t + 10) if line.t > 2.5 and line.op != "fault" else line
        for line in valid()
    ]
    assert rules(lines) == {"slow"}


def test_a_send_that_was_never_answered_is_found() -> None:
    assert "stuck" in rules([*valid(), Line(t=9, op="stuck", phase="fail", person="anna", chat=CHAT, cmid="c9")])


@pytest.mark.parametrize("op", ["fault", "send", "final"])
def test_a_run_that_proves_nothing_is_void(op: str) -> None:
    assert "void" in rules([line for line in valid() if line.op != op])
