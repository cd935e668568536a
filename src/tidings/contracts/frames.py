"""WebSocket frames (contract section 4): JSON objects told apart by `type`."""

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Raw

from tidings.contracts.ids import ClientId, Id
from tidings.contracts.limits import Lifetime, Seq

Ref = Annotated[str, Meta(max_length=64)]


class _Frame(msgspec.Struct, tag_field="type", rename="camel", kw_only=True): ...


# -- from the client ------------------------------------------------------------------------------


class _Ask(_Frame, kw_only=True):
    ref: Ref | None = None


class Send(_Ask, tag="message.send", kw_only=True):
    chat_id: Id
    client_msg_id: ClientId
    content: Raw
    reply_to: Id | None = None
    mentions: list[Id] = []
    expires_in: Lifetime | None = None


class Edit(_Ask, tag="message.edit", kw_only=True):
    message_id: Id
    content: Raw


class Delete(_Ask, tag="message.delete", kw_only=True):
    message_id: Id
    for_: Literal["everyone", "me"] = msgspec.field(default="everyone", name="for")


class React(_Ask, tag="message.react", kw_only=True):
    message_id: Id
    emoji: Annotated[str, Meta(max_length=64)] | None


class CastVote(_Ask, tag="message.vote", kw_only=True):
    message_id: Id
    option_ids: Annotated[list[Annotated[str, Meta(max_length=64)]], Meta(max_length=12)]


class Delivered(_Ask, tag="message.delivered", kw_only=True):
    chat_id: Id
    seq: Seq


class Read(_Ask, tag="message.read", kw_only=True):
    chat_id: Id
    seq: Seq


class TypingStart(_Ask, tag="typing.start", kw_only=True):
    chat_id: Id


class TypingStop(_Ask, tag="typing.stop", kw_only=True):
    chat_id: Id


class PresenceSubscribe(_Ask, tag="presence.subscribe", kw_only=True):
    user_ids: list[Id] = []
    user_id: Id | None = None


class PresenceUnsubscribe(_Ask, tag="presence.unsubscribe", kw_only=True):
    user_ids: list[Id] = []
    user_id: Id | None = None


class Auth(_Ask, tag="auth", kw_only=True):
    access_token: Annotated[str, Meta(max_length=4096)]


class Ping(_Ask, tag="ping", kw_only=True): ...


ClientFrame = (
    Send
    | Edit
    | Delete
    | React
    | CastVote
    | Delivered
    | Read
    | TypingStart
    | TypingStop
    | PresenceSubscribe
    | PresenceUnsubscribe
    | Auth
    | Ping
)

decode_client_frame: Final = msgspec.json.Decoder(ClientFrame).decode
"""Bytes to a ClientFrame. Raises msgspec.DecodeError (ValidationError too), UnicodeDecodeError, RecursionError."""


# -- from the server ------------------------------------------------------------------------------


class Ready(_Frame, tag="ready", kw_only=True):
    user_id: str
    session_id: str
    server_time: str
    heartbeat_seconds: int
    log_epoch: str


class Sent(_Frame, tag="message.sent", kw_only=True):
    client_msg_id: str
    message_id: str
    chat_id: str
    seq: int
    created_at: str
    ref: str | msgspec.UnsetType = msgspec.UNSET


class ChangeFrame(_Frame, kw_only=True):
    """Fields common to the frames that tell of a change; `seq` is the change's own, null for delete-for-me."""

    message_id: str
    chat_id: str
    seq: int | None
    target_seq: int
    user_id: str
    ref: str | msgspec.UnsetType = msgspec.UNSET


class Edited(ChangeFrame, tag="message.edited", kw_only=True):
    content: Raw
    edited_at: str


class Deleted(ChangeFrame, tag="message.deleted", kw_only=True):
    for_: Literal["everyone", "me"] = msgspec.field(default="everyone", name="for")


class Reacted(ChangeFrame, tag="message.reaction", kw_only=True):
    emoji: str | None


class Voted(ChangeFrame, tag="message.vote", kw_only=True):
    votes: Raw


class Pinned(ChangeFrame, tag="message.pinned", kw_only=True):
    pinned: bool


class StatusUpdated(_Frame, tag="message.status.updated", kw_only=True):
    chat_id: str
    user_id: str
    status: Literal["delivered", "read"]
    seq: int
    at: str


class ChatCreated(_Frame, tag="chat.created", kw_only=True):
    chat: Raw


class ChatUpdated(_Frame, tag="chat.updated", kw_only=True):
    chat: Raw


class MembersAdded(_Frame, tag="group.member.added", kw_only=True):
    chat_id: str
    user_ids: list[str]
    actor_id: str | None
    seq: int


class MembersRemoved(_Frame, tag="group.member.removed", kw_only=True):
    chat_id: str
    user_ids: list[str]
    actor_id: str | None
    seq: int


class TypingStarted(_Frame, tag="typing.start", kw_only=True):
    chat_id: str
    user_id: str


class TypingStopped(_Frame, tag="typing.stop", kw_only=True):
    chat_id: str
    user_id: str


class PresenceUpdated(_Frame, tag="presence.updated", kw_only=True):
    user_id: str
    status: Literal["online", "offline"]
    last_seen: str | None


class MediaUpdated(_Frame, tag="media.updated", kw_only=True):
    media: Raw


class Resync(_Frame, tag="resync", kw_only=True):
    reason: str


class Ack(_Frame, tag="ack", kw_only=True):
    ref: str


class Pong(_Frame, tag="pong", kw_only=True):
    ref: str | msgspec.UnsetType = msgspec.UNSET


class ErrorFrame(_Frame, tag="error", kw_only=True):
    code: str
    message: str
    ref: str | msgspec.UnsetType = msgspec.UNSET
    frame_type: str | msgspec.UnsetType = msgspec.UNSET
    client_msg_id: str | msgspec.UnsetType = msgspec.UNSET
    retry_after_ms: int | msgspec.UnsetType = msgspec.UNSET


encode_frame: Final = msgspec.json.Encoder().encode


class CloseCode:
    """Why the server closed a socket."""

    RESTART = 1012
    TOKEN = 4001
    SLOW = 4008
    RATE = 4029
    MALFORMED = 4400
