"""What the terminal client shows of texts, ticks and kinds it does not know."""

import io
from typing import Any

import msgspec
from rich.console import Console

from tidings.cli.chat import draw
from tidings.client import Chat, ChatRow, Message
from tidings.contracts.objects import ChatPermissions, ChatSettings, User

AT = "2026-01-01T10:00:00.000Z"


def message(**fields: Any) -> Message:
    whole: dict[str, Any] = {
        "chat_id": "c", "sender_id": "me", "created_at": AT, "content": {"kind": "text", "text": "hello"},
        "message_id": "m", "client_msg_id": "x", "seq": 5,
    }  # fmt: skip
    return Message(**(whole | fields))


def row(read: int = 0, delivered: int = 0) -> ChatRow:
    chat = Chat(
        id="c", type="group", name="G", description=None, avatar=None, peer=None, member_count=2, my_role="member",
        membership="member", joined_seq=1, left_seq=None, last_seq=5, last_message=b"null", unread_count=0,  # type: ignore[arg-type]
        mention_count=0, read_seq=0, delivered_seq=0, others_read_seq=read, others_delivered_seq=delivered,
        settings=ChatSettings(), permissions=ChatPermissions(), disappearing_seconds=None, pinned_message_ids=[],
        created_at=AT, updated_at=AT,
    )  # fmt: skip
    return ChatRow(chat=chat, unread=0, last=None, read_seq=0, others_read_seq=read, others_delivered_seq=delivered)


def shown(what: Message, width: int = 60) -> str:
    console = Console(width=width, record=True, file=io.StringIO(), color_system=None)
    console.print(draw.bubble(what, row(), lambda user: str(user), "me", first=True, width=width))
    return console.export_text()


def test_texts_cannot_steer_the_terminal() -> None:
    hostile = "\x1b[2J\x1b]0;owned\x07 \u202egnp.exe \x9b31m"
    assert "\x1b" not in draw.clean(hostile)
    assert not set(draw.clean(hostile)) & {"\x07", "\x9b", "\u202e"}
    assert draw.clean("two\nlines\tÄ 👍🏽 \u200d") == "two\nlines\tÄ 👍🏽 \u200d"
    whole = shown(message(content={"kind": "text", "text": hostile}))
    assert "\x1b" not in whole


def test_names_in_notices_cannot_steer_either() -> None:
    content = {"kind": "document", "fileName": "a\x1b[31m.txt", "mediaId": "m", "size": 1}
    assert "\x1b" not in shown(message(content=content))


def test_ticks_follow_the_watermarks() -> None:
    mine = message()
    assert draw.tick(mine, row())[0] == "✓"
    assert draw.tick(mine, row(delivered=5)) == ("✓✓", "dim")
    assert draw.tick(mine, row(delivered=5, read=5)) == ("✓✓", draw.READ)
    assert draw.tick(message(seq=None, state="pending"), row())[0] == "○"
    assert "not sent" in draw.tick(message(seq=None, state="failed"), row())[0]


def test_every_kind_has_a_line_and_an_unknown_one_is_told_as_such() -> None:
    assert draw.summary(message(content={"kind": "hologram"})) == "[hologram: not supported here]"
    assert draw.summary(message(content=None, deleted_at=AT)) == "deleted"
    poll = {"kind": "poll", "question": "Which?", "options": [{"id": "a", "text": "one"}, {"id": "b", "text": "three"}]}
    lines = shown(message(content=poll))
    assert "Which?" in lines
    assert "2 three" in lines


def test_a_long_text_is_wrapped_inside_its_bubble() -> None:
    lines = shown(message(content={"kind": "text", "text": "word " * 60}), width=80).splitlines()
    assert len(lines) > 4
    assert max(len(line.strip()) for line in lines) <= int(80 * 0.72)


def test_a_chat_is_called_by_who_is_in_it_and_ones_own_is_notes() -> None:
    chat, nameless = row().chat, User(id="b", name="", phone="+49151", updated_at=AT)
    direct = msgspec.structs.replace(chat, type="direct", name=None, peer=nameless)
    assert msgspec.structs.replace(row(), chat=direct).title == "+49151"
    assert msgspec.structs.replace(row(), chat=direct, notes=True).title == "Notes to self"
    gone = msgspec.structs.replace(nameless, phone=None, deleted=True)
    assert msgspec.structs.replace(row(), chat=msgspec.structs.replace(direct, peer=gone)).title == "Deleted account"
    assert row().title == "G"
