"""What a program sees of the local store: typed rows, made from the JSON the server told."""

from typing import Any, Final, Literal

import msgspec

from tidings.client.model import Json
from tidings.contracts.objects import Chat, Reaction, Vote


class ReplyTo(msgspec.Struct, rename="camel", kw_only=True):
    """What a message answers. Of one's own unsent message only the id is known."""

    message_id: str
    seq: int | None = None
    sender_id: str | None = None
    preview: str | None = None


class Message(msgspec.Struct, rename="camel", kw_only=True):
    """A message or notice as it is held. `seq` and `message_id` are null until the server has stored it."""

    kind: Literal["message", "notice"] = "message"
    message_id: str | None = None
    chat_id: str
    sender_id: str | None
    seq: int | None = None
    client_msg_id: str | None = None
    content: Json | None = None
    reply_to: ReplyTo | None = None
    mentions: list[str] = []
    forwarded: int = 0
    created_at: str
    edited_at: str | None = None
    deleted_at: str | None = None
    deleted_by: str | None = None
    expires_at: str | None = None
    reactions: list[Reaction] = []
    votes: list[Vote] = []
    starred: bool = False
    pinned: bool = False
    state: Literal["pending", "stored", "failed"] = "stored"
    error: str | None = None

    @property
    def text(self) -> str:
        """The text of a text message, else the caption, else empty."""
        content: dict[str, Any] = self.content or {}
        return content.get("text") or content.get("caption") or ""


class ChatRow(msgspec.Struct, kw_only=True):
    """A chat as it is held: the server's object, and what is derived from the rows held here."""

    chat: Chat
    unread: int
    last: Message | None
    read_seq: int  # one's own
    others_read_seq: int
    others_delivered_seq: int
    notes: bool = False  # the chat with oneself

    @property
    def id(self) -> str:
        return self.chat.id

    @property
    def title(self) -> str:
        """The group's name, or what the other is called."""
        peer = self.chat.peer
        if self.chat.name or self.notes:
            return self.chat.name or "Notes to self"
        if peer is None:  # the server could not ask who it is, just then
            return "Someone"
        return peer.name or ("Deleted account" if peer.deleted else peer.phone or "Someone")


class _Content(msgspec.Struct):
    text: str = ""
    caption: str = ""


class _Body(msgspec.Struct):
    content: _Content | None = None


_decode_text: Final = msgspec.json.Decoder(_Body, strict=False).decode


def text_of(body: bytes) -> str:
    """The text of a message's JSON that may be searched for; empty where there is none."""
    try:
        content = _decode_text(body).content
    except msgspec.ValidationError:
        return ""  # a kind that is not known here
    return "" if content is None else content.text or content.caption
