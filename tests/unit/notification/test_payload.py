"""What a push says."""

import msgspec
import pytest
from msgspec import Raw

from tidings.contracts.events import LogEvent
from tidings.notification.decide import Chat
from tidings.notification.payload import MessagePush, ReadPush, message_push

EVENT = LogEvent(
    chat_id="c",
    seq=7,
    kind="message",
    sender_id="ann",
    message_id="m",
    frame=Raw(b'{"type":"message.new","content":{"kind":"text","text":"hi"},"more":1}'),
)


@pytest.mark.parametrize(("kind", "name", "shown"), [("group", "Hikers", "Hikers"), ("direct", "", "Ann")])
def test_message(kind: str, name: str, shown: str) -> None:
    payload = msgspec.to_builtins(message_push(EVENT, Chat("c", kind, name, ()), "Ann", 3))
    assert payload == {
        "type": "message",
        "messageId": "m",
        "chatId": "c",
        "seq": 7,
        "senderName": "Ann",
        "chatName": shown,
        "text": "hi",
        "badge": 3,
    }


def test_read() -> None:
    payload = msgspec.to_builtins(ReadPush(chat_id="c", seq=7, badge=0))
    assert payload == {"type": "read", "chatId": "c", "seq": 7, "badge": 0}


@pytest.mark.parametrize(
    "content", [b"null", b'{"kind":"from.the.future"}', b'{"kind":"text"}', b"7", b'{"kind":"notice","event":"x"}']
)
def test_what_cannot_be_shown_has_no_text(content: bytes) -> None:
    payload = pushed(content)
    assert (payload.text, payload.kind) == (None, msgspec.UNSET)


def test_a_photo_says_so_and_what_it_is() -> None:
    media = b'{"kind":"image","mediaId":"0190f0a0-0000-7000-8000-000000000000","width":1,"height":1}'
    payload = pushed(media)
    assert (payload.text, payload.kind) == ("Photo", "image")
    assert b'"kind":"image"' in msgspec.json.encode(payload)


def pushed(content: bytes) -> MessagePush:
    event = msgspec.structs.replace(EVENT, frame=Raw(b'{"content":' + content + b"}"))
    return message_push(event, Chat("c", "direct", "", ()), "Ann", 3)
