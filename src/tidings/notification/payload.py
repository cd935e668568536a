"""What a push says (contract, end of section 4). Pure."""

from typing import Any, Final

import msgspec
import regex
from msgspec import Raw

from tidings.contracts.content import Content, Text, preview
from tidings.contracts.events import LogEvent
from tidings.notification.decide import Chat


class MessagePush(msgspec.Struct, rename="camel", tag_field="type", tag="message", kw_only=True):
    """There is a new message. `text` is null when it has nothing that can be shown here. `kind`: of a content that is
    no text, whose line begins with an English word for it, so that a client can say it in its own language."""

    message_id: str
    chat_id: str
    seq: int
    sender_name: str
    chat_name: str
    text: str | None
    badge: int
    kind: str | msgspec.UnsetType = msgspec.UNSET


class ReadPush(msgspec.Struct, rename="camel", tag_field="type", tag="read", kw_only=True):
    """It was read on another device: take the notification away."""

    chat_id: str
    seq: int
    badge: int


Payload = MessagePush | ReadPush


class _Frame(msgspec.Struct):
    content: Raw = Raw(b"null")


_SIGN: Final = regex.compile(r"\X")  # an emoji of several code points is one
_FRAME: msgspec.json.Decoder[_Frame] = msgspec.json.Decoder(_Frame)
_CONTENT: msgspec.json.Decoder[Any] = msgspec.json.Decoder(Content)


def message_push(event: LogEvent, chat: Chat, sender_name: str, badge: int) -> MessagePush:
    """A direct chat is called after whom one talks to."""
    content = _content_of(event.frame)
    return MessagePush(
        message_id=event.message_id,
        chat_id=event.chat_id,
        seq=event.seq,
        sender_name=sender_name,
        chat_name=chat.name if chat.type == "group" else sender_name,
        text=(preview(content) or None) if content is not None else None,
        badge=badge,
        kind=msgspec.UNSET if content is None or isinstance(content, Text) else str(content.__struct_config__.tag),
    )


def fitted(payload: Payload, most_bytes: int) -> bytes:
    """The payload as JSON of at most `most_bytes`: the text is cut between characters as people see them, or left
    out. Names are short by the contract's limits."""
    body = msgspec.json.encode(payload)
    if len(body) <= most_bytes or isinstance(payload, ReadPush) or payload.text is None:
        return body
    signs = _SIGN.findall(payload.text)
    fits, too_many = 0, len(signs)
    while too_many - fits > 1:
        middle = (fits + too_many) // 2
        cut = msgspec.json.encode(msgspec.structs.replace(payload, text="".join(signs[:middle]) + "…"))
        fits, too_many = (middle, too_many) if len(cut) <= most_bytes else (fits, middle)
    return msgspec.json.encode(msgspec.structs.replace(payload, text="".join(signs[:fits]) + "…" if fits else None))


def _content_of(frame: Raw) -> Content | None:
    """Of a `message.new` frame; None when it is empty or of an unknown kind."""
    try:
        content: Content = _CONTENT.decode(_FRAME.decode(frame).content)
    except msgspec.DecodeError:
        return None
    return content
