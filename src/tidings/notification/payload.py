"""What a push says (contract, end of section 4). Pure."""

from typing import Any

import msgspec
from msgspec import Raw

from tidings.contracts.content import Content, preview
from tidings.contracts.events import LogEvent
from tidings.notification.decide import Chat


class MessagePush(msgspec.Struct, rename="camel", tag_field="type", tag="message", kw_only=True):
    """There is a new message. `text` is null when it has nothing that can be shown here."""

    message_id: str
    chat_id: str
    seq: int
    sender_name: str
    chat_name: str
    text: str | None
    badge: int


class ReadPush(msgspec.Struct, rename="camel", tag_field="type", tag="read", kw_only=True):
    """It was read on another device: take the notification away."""

    chat_id: str
    seq: int
    badge: int


Payload = MessagePush | ReadPush


class _Frame(msgspec.Struct):
    content: Raw = Raw(b"null")


_FRAME: msgspec.json.Decoder[_Frame] = msgspec.json.Decoder(_Frame)
_CONTENT: msgspec.json.Decoder[Any] = msgspec.json.Decoder(Content)


def message_push(event: LogEvent, chat: Chat, sender_name: str, badge: int) -> MessagePush:
    """A direct chat is called after whom one talks to."""
    return MessagePush(
        message_id=event.message_id,
        chat_id=event.chat_id,
        seq=event.seq,
        sender_name=sender_name,
        chat_name=chat.name if chat.type == "group" else sender_name,
        text=text_of(event.frame),
        badge=badge,
    )


def text_of(frame: Raw) -> str | None:
    """The line shown for a `message.new` frame; None for a content that is empty or of an unknown kind."""
    try:
        content: Content = _CONTENT.decode(_FRAME.decode(frame).content)
    except msgspec.DecodeError:
        return None
    return preview(content) or None
