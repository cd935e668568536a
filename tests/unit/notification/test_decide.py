"""Who hears of what."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from tidings.contracts.events import LogEvent
from tidings.notification.decide import Chat, Member, Unread, badge, candidates, is_due


def message(seq: int, sender: str = "ann", mentions: list[str] | None = None, kind: str = "message") -> LogEvent:
    return LogEvent(
        chat_id="c",
        seq=seq,
        kind=kind,  # type: ignore[arg-type]
        sender_id=sender,
        message_id=f"m{seq}",
        frame=Raw(b"{}"),
        mentions=mentions or [],
    )


def chat(*members: Member) -> Chat:
    return Chat("c", "group", "Hikers", members)


def member(user_id: str, joined: int = 1, left: int = 0, muted: bool = False) -> Member:
    return Member(user_id, joined, left, muted)


def told(found: Chat, *events: LogEvent) -> dict[str, int]:
    return {candidate.user_id: candidate.event.seq for candidate in candidates(found, events)}


def test_one_push_for_the_newest_message_of_others() -> None:
    assert told(chat(member("ann"), member("ben")), message(5), message(6), message(7, "ben")) == {"ben": 6, "ann": 7}


def test_the_sender_hears_nothing() -> None:
    assert told(chat(member("ann")), message(5)) == {}


@pytest.mark.parametrize(("joined", "left", "heard"), [(6, 0, None), (5, 0, 5), (1, 4, None), (1, 5, 5)])
def test_only_within_the_window(joined: int, left: int, heard: int | None) -> None:
    assert told(chat(member("ben", joined, left)), message(5)).get("ben") == heard


def test_muted_hear_only_when_mentioned() -> None:
    quiet = chat(member("ben", muted=True))
    assert told(quiet, message(5)) == {}
    assert told(quiet, message(5, mentions=["ben"]), message(6)) == {"ben": 5}


def test_notices_and_changes_are_not_pushed() -> None:
    assert told(chat(member("ben")), message(5, kind="notice"), message(6, kind="change")) == {}


@pytest.mark.parametrize(
    ("unread", "online", "due"),
    [
        (Unread(1, 4, 0), False, True),
        (Unread(1, 4, 5), False, True),  # another device has it; the phone is asleep
        (Unread(1, 4, 5), True, False),  # connected and received
        (Unread(1, 4, 4), True, True),  # connected, but no sign of it
        (Unread(1, 5, 5), False, False),  # read
        (Unread(0, 4, 4), False, False),  # deleted meanwhile
        (None, False, False),  # no chat of theirs any more
    ],
)
def test_is_due(unread: Unread | None, online: bool, due: bool) -> None:
    assert is_due(5, unread, online) is due


def test_badge_is_the_sum() -> None:
    assert badge({"a": Unread(2, 0, 0), "b": Unread(3, 0, 0)}) == 5


@given(
    st.lists(
        st.builds(member, st.sampled_from("abcdef"), st.integers(1, 9), st.integers(0, 9)),
        unique_by=lambda m: m.user_id,
    ),
    st.lists(st.builds(message, st.integers(1, 9), st.sampled_from("abcdef")), unique_by=lambda e: e.seq),
)
def test_nobody_hears_what_they_may_not_see(members: list[Member], events: list[LogEvent]) -> None:
    for candidate in candidates(chat(*members), events):
        person = next(person for person in members if person.user_id == candidate.user_id)
        assert candidate.event.sender_id != person.user_id
        assert candidate.event.seq >= person.joined_seq
        assert not person.left_seq or candidate.event.seq <= person.left_seq
