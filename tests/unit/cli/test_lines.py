"""What `tidings tail` prints for people."""

from typing import Any

import pytest

from tidings.cli import lines
from tidings.client import Message
from tidings.contracts.objects import Reaction

AT, LATER = "2026-01-01T10:00:00.000Z", "2026-01-01T10:05:00.000Z"
NAMES = {"a": "Ada", "b": "Ben", "me": "You", None: "Someone"}


def message(**fields: Any) -> Message:
    whole: dict[str, Any] = {"chat_id": "c", "sender_id": "a", "created_at": AT, "content": text("hello")}
    return Message(**(whole | {"message_id": "m", "seq": 5} | fields))


def text(said: str) -> dict[str, str]:
    return {"kind": "text", "text": said}


def happened(now: Message, before: Message | None = None) -> list[str]:
    return [line for _, line in lines.happened(before or message(), now, None, NAMES.__getitem__)]


@pytest.mark.parametrize(
    ("notice", "sentence"),
    [
        ({"event": "member.added", "actorId": "a", "userIds": ["b"]}, "Ada added Ben"),
        ({"event": "member.added", "actorId": "a", "userIds": ["b", "me"]}, "Ada added Ben, you"),
        ({"event": "member.left", "actorId": "b", "userIds": ["b"]}, "Ben left"),
        ({"event": "from.the.future", "actorId": "b"}, "Ben changed something"),
    ],
)
def test_notices_are_sentences_with_names(notice: dict[str, Any], sentence: str) -> None:
    row = message(kind="notice", content={"kind": "notice"} | notice)
    assert lines.said(row, NAMES.__getitem__) == sentence
    assert lines.people_of(row) >= {notice["actorId"], *notice.get("userIds", [])}


def test_what_became_of_a_message_is_told_once() -> None:
    edited = message(content=text("hello all"), edited_at=LATER)
    assert happened(edited)[0].startswith("Ada edited what was said at ")
    assert happened(edited)[0].endswith(": hello all")
    assert happened(edited, edited) == []
    deleted = message(content=None, deleted_at=LATER, deleted_by="b")
    assert happened(deleted)[0].startswith("Ben deleted what Ada said at ")
    assert happened(deleted, deleted) == []


def test_reactions_are_told_when_they_come() -> None:
    one = message(reactions=[Reaction(emoji="❤", count=1, mine=False)])
    both = message(reactions=[Reaction(emoji="❤", count=2, mine=True)])
    assert happened(one) == ["Somebody reacted ❤ to Ada: hello"]
    assert happened(both, one) == ["You reacted ❤ to Ada: hello"]
    assert happened(one, both) == []


def test_reactions_that_come_together_are_told_apart() -> None:
    def hearts(count: int, mine: bool) -> Message:
        return message(reactions=[Reaction(emoji="❤", count=count, mine=mine)] if count else [])

    you, somebody = "You reacted ❤ to Ada: hello", "Somebody reacted ❤ to Ada: hello"
    assert happened(hearts(2, True)) == [you, somebody]
    assert happened(hearts(4, True), hearts(1, False)) == [you, "2 people reacted ❤ to Ada: hello"]
    assert happened(hearts(2, True), hearts(1, True)) == [somebody]
    assert happened(hearts(1, False), hearts(1, True)) == [somebody]  # while one took one's own back
    assert happened(hearts(1, True), hearts(1, False)) == [you]


def test_a_star_or_a_pin_is_no_line() -> None:
    assert happened(message(starred=True, pinned=True)) == []


def test_texts_of_others_cannot_steer_the_terminal() -> None:
    hostile = message(content=text("\x1b[2J"), edited_at=LATER)
    assert "\x1b" not in lines.said(hostile, NAMES.__getitem__) + "".join(happened(hostile))
