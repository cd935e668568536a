"""The objects and frames of the wire contract, written from its page alone. A field too many, too few or of another
type is refused, so that whoever reads an answer through these has checked it."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

_HEX = r"[0-9a-f]"
Id = Annotated[str, Meta(pattern=rf"^{_HEX}{{8}}-{_HEX}{{4}}-7{_HEX}{{3}}-[89ab]{_HEX}{{3}}-{_HEX}{{12}}$")]
ChatId = Annotated[str, Meta(pattern=rf"^{_HEX}{{8}}-{_HEX}{{4}}-4{_HEX}{{3}}-[89ab]{_HEX}{{3}}-{_HEX}{{12}}$")]
Time = Annotated[str, Meta(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")]
Seq = Annotated[int, Meta(ge=1)]
Mark = Annotated[int, Meta(ge=0)]
Who = Literal["all", "admins"]
Role = Literal["owner", "admin", "member"]
Audience = Literal["everyone", "contacts", "nobody"]


class Shape(msgspec.Struct, rename="camel", forbid_unknown_fields=True, kw_only=True): ...


class FieldError(Shape, kw_only=True):
    field: str
    message: str


class Problem(Shape, kw_only=True):
    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: Annotated[str, Meta(min_length=1, max_length=64)]
    errors: list[FieldError] | UnsetType | None = UNSET


class Media(Shape, kw_only=True):
    id: Id
    kind: Literal["image", "video", "audio", "document"]
    mime_type: str
    size: int
    sha256: str | None
    file_name: str | None
    width: int | None
    height: int | None
    duration_ms: int | None
    blurhash: str | None
    state: Literal["pending", "processing", "ready", "failed"]
    url: str | None
    thumbnail_url: str | None
    url_expires_at: Time | None


class User(Shape, kw_only=True):
    id: Id
    name: str
    about: str | None
    avatar: Media | None
    phone: str | None
    last_seen: Time | None
    is_contact: bool
    is_blocked: bool
    deleted: bool
    updated_at: Time


class Reaction(Shape, kw_only=True):
    emoji: str
    count: Seq
    mine: bool


class Vote(Shape, kw_only=True):
    option_id: str
    count: Mark
    mine: bool


class Reply(Shape, kw_only=True):
    message_id: Id
    seq: Seq
    sender_id: Id | None
    preview: str


class Message(Shape, kw_only=True):
    kind: Literal["message", "notice"]
    message_id: Id
    chat_id: ChatId
    sender_id: Id | None
    seq: Seq
    client_msg_id: str | None
    content: dict[str, Any] | None
    reply_to: Reply | None
    mentions: list[Id]
    forwarded: Mark
    created_at: Time
    edited_at: Time | None
    deleted_at: Time | None
    deleted_by: Id | None
    expires_at: Time | None
    reactions: list[Reaction]
    votes: list[Vote] | UnsetType = UNSET  # of a poll
    starred: bool | UnsetType = UNSET  # where a person's own view of one message is shown

    def __post_init__(self) -> None:
        if self.content is None and self.deleted_at is None:
            raise ValueError("content without deletedAt is null")
        if self.content is not None and "kind" not in self.content:
            raise ValueError("content names no kind")


class Change(Shape, kw_only=True):
    kind: Literal["change"]
    change: Literal["edited", "deleted", "reaction", "vote", "pinned"]
    chat_id: ChatId
    seq: Seq
    message_id: Id
    target_seq: Seq
    user_id: Id
    at: Time
    message: Message


class Page(Shape, kw_only=True):
    items: list[dict[str, Any]]
    from_seq: Mark
    to_seq: Mark
    has_more: bool

    def __post_init__(self) -> None:
        for item in self.items:
            entry(item)
        numbers = [item["seq"] for item in self.items]
        if numbers != sorted(set(numbers)):
            raise ValueError(f"not ascending: {numbers}")
        if numbers and not self.from_seq <= numbers[0] <= numbers[-1] <= self.to_seq:
            raise ValueError(f"{numbers} is not within {self.from_seq}..{self.to_seq}")


class ChatSettings(Shape, kw_only=True):
    muted_until: Time | None
    pinned: bool
    archived: bool
    marked_unread: bool


class Permissions(Shape, kw_only=True):
    send: Who
    edit_info: Who
    add_members: Who


class Chat(Shape, kw_only=True):
    id: ChatId
    type: Literal["direct", "group"]
    name: str | None
    description: str | None
    avatar: Media | None
    peer: User | None
    member_count: Mark
    my_role: Role
    membership: Literal["member", "left", "removed"]
    joined_seq: Seq
    left_seq: Seq | None
    last_seq: Mark
    last_message: Message | None
    unread_count: Mark
    mention_count: Mark
    read_seq: Mark
    delivered_seq: Mark
    others_read_seq: Mark
    others_delivered_seq: Mark
    settings: ChatSettings
    permissions: Permissions
    disappearing_seconds: int | None
    pinned_message_ids: list[Id]
    created_at: Time
    updated_at: Time

    def __post_init__(self) -> None:
        if (self.type == "direct") != (self.name is None):
            raise ValueError("a group has a name, a direct chat has none")
        if self.type == "group" and self.peer is not None:
            raise ValueError("a group has no peer")


class Refused(Shape, kw_only=True):
    user_id: Id
    code: Literal["not_found", "privacy"]


class MadeChat(Chat, kw_only=True):
    refused: list[Refused] | UnsetType = UNSET


class Member(Shape, kw_only=True):
    user_id: Id
    role: Role
    user: User
    joined_at: Time


class Synced(Shape, kw_only=True):
    chats: list[Chat]
    removed: list[ChatId]
    log: dict[ChatId, Page]
    hidden: list[Id]
    since: str
    has_more: bool
    log_epoch: str
    server_time: Time


class Chats(Shape, kw_only=True):
    items: list[Chat]
    next_cursor: str | None


class Users(Shape, kw_only=True):
    items: list[User]
    next_cursor: str | None


class Members(Shape, kw_only=True):
    items: list[Member]
    next_cursor: str | None


class Messages(Shape, kw_only=True):
    items: list[Message]
    next_cursor: str | None


class Hit(Shape, kw_only=True):
    message: Message
    highlights: list[tuple[int, int]]


class Hits(Shape, kw_only=True):
    items: list[Hit]
    next_cursor: str | None


class Receipt(Shape, kw_only=True):
    user_id: Id
    delivered_at: Time | None
    read_at: Time | None


class Receipts(Shape, kw_only=True):
    items: list[Receipt]


class Privacy(Shape, kw_only=True):
    last_seen: Audience
    online: Audience
    avatar: Audience
    about: Audience
    groups: Audience
    read_receipts: bool


class Presence(Shape, kw_only=True):
    user_id: Id
    status: Literal["online", "offline"]
    last_seen: Time | None


class Invite(Shape, kw_only=True):
    code: str
    url: str
    expires_at: Time


class PushTarget(Shape, kw_only=True):
    id: Id
    kind: Literal["fcm", "webpush"]
    created_at: Time


class SignedIn(Shape, kw_only=True):
    id: Id
    phone: str
    is_new_user: bool


class Tokens(Shape, kw_only=True):
    access_token: str
    refresh_token: str | None
    expires_in: Seq
    user: SignedIn | UnsetType = UNSET


class Device(Shape, kw_only=True):
    name: str
    platform: str


class Session(Shape, kw_only=True):
    id: Id
    device: Device
    created_at: Time
    last_seen_at: Time
    current: bool


# -- frames from the server ------------------------------------------------------------------------


class Frame(Shape, tag_field="type", kw_only=True): ...


class Ready(Frame, tag="ready", kw_only=True):
    user_id: Id
    session_id: Id
    server_time: Time
    heartbeat_seconds: Literal[30]
    log_epoch: str


class Answer(Frame, kw_only=True):
    ref: Annotated[str, Meta(max_length=64)] | UnsetType = UNSET


class Sent(Answer, tag="message.sent", kw_only=True):
    client_msg_id: str
    message_id: Id
    chat_id: ChatId
    seq: Seq
    created_at: Time


class New(Message, tag_field="type", tag="message.new", kw_only=True): ...


class ChangeFrame(Answer, kw_only=True):
    message_id: Id
    chat_id: ChatId
    seq: Seq | None
    target_seq: Seq
    user_id: Id


class Edited(ChangeFrame, tag="message.edited", kw_only=True):
    content: dict[str, Any]
    edited_at: Time


class Deleted(ChangeFrame, tag="message.deleted", kw_only=True):
    for_: Literal["everyone", "me"] = msgspec.field(name="for")

    def __post_init__(self) -> None:
        if (self.seq is None) != (self.for_ == "me"):
            raise ValueError("only a deletion for oneself has no number")


class Reacted(ChangeFrame, tag="message.reaction", kw_only=True):
    emoji: str | None


class Voted(ChangeFrame, tag="message.vote", kw_only=True):
    votes: list[Vote]


class Pinned(ChangeFrame, tag="message.pinned", kw_only=True):
    pinned: bool


class Status(Frame, tag="message.status.updated", kw_only=True):
    chat_id: ChatId
    user_id: Id
    status: Literal["delivered", "read"]
    seq: Seq
    at: Time


class ChatCreated(Frame, tag="chat.created", kw_only=True):
    chat: Chat


class ChatUpdated(Frame, tag="chat.updated", kw_only=True):
    chat: Chat


class MemberAdded(Frame, tag="group.member.added", kw_only=True):
    chat_id: ChatId
    user_ids: list[Id]
    actor_id: Id
    seq: Seq


class MemberRemoved(Frame, tag="group.member.removed", kw_only=True):
    chat_id: ChatId
    user_ids: list[Id]
    actor_id: Id
    seq: Seq


class TypingStart(Frame, tag="typing.start", kw_only=True):
    chat_id: ChatId
    user_id: Id


class TypingStop(Frame, tag="typing.stop", kw_only=True):
    chat_id: ChatId
    user_id: Id


class PresenceUpdated(Frame, tag="presence.updated", kw_only=True):
    user_id: str
    status: Literal["online", "offline"]
    last_seen: Time | None


class MediaUpdated(Frame, tag="media.updated", kw_only=True):
    media: Media


class Resync(Frame, tag="resync", kw_only=True):
    reason: str


class Ack(Frame, tag="ack", kw_only=True):
    ref: str


class Refusal(Answer, tag="error", kw_only=True):
    code: str
    message: str
    frame_type: str | UnsetType = UNSET
    client_msg_id: str | UnsetType = UNSET
    retry_after_ms: Seq | UnsetType = UNSET


class Pong(Answer, tag="pong", kw_only=True): ...


AnyFrame = (
    Ready | Sent | New | Edited | Deleted | Reacted | Voted | Pinned | Status | ChatCreated | ChatUpdated
    | MemberAdded | MemberRemoved | TypingStart | TypingStop | PresenceUpdated | MediaUpdated | Resync | Ack | Refusal
    | Pong
)  # fmt: skip


def check(value: Any, kind: Any) -> None:
    """Raises AssertionError when a decoded JSON value has not this shape."""
    try:
        msgspec.convert(value, kind)
    except (msgspec.ValidationError, ValueError) as error:
        raise AssertionError(f"{getattr(kind, '__name__', kind)}: {error}\n{value}") from None


def entry(item: dict[str, Any]) -> None:
    """An entry of a page: a message, a notice or a change."""
    msgspec.convert(item, Change if item.get("kind") == "change" else Message)
