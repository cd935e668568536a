"""The objects of contract section 2, as clients see them."""

from typing import Any, Literal

import msgspec
from msgspec import Raw


class _Object(msgspec.Struct, rename="camel", kw_only=True): ...


class Media(_Object, kw_only=True):
    id: str
    kind: Literal["image", "video", "audio", "document"]
    mime_type: str
    size: int
    sha256: str | None = None
    file_name: str | None = None
    width: int | None = None
    height: int | None = None
    duration_ms: int | None = None
    blurhash: str | None = None
    state: Literal["pending", "processing", "ready", "failed"] = "ready"
    url: str | None = None
    thumbnail_url: str | None = None
    url_expires_at: str | None = None


class User(_Object, kw_only=True):
    """What `viewer` may see of a person; what privacy hides is null."""

    id: str
    name: str
    about: str | None = None
    avatar: Media | None = None
    phone: str | None = None
    last_seen: str | None = None
    is_contact: bool = False
    is_blocked: bool = False
    deleted: bool = False
    updated_at: str


class Reaction(_Object, kw_only=True):
    emoji: str
    count: int
    mine: bool


class Vote(_Object, kw_only=True):
    option_id: str
    count: int
    mine: bool


class Reply(_Object, kw_only=True):
    message_id: str
    seq: int
    sender_id: str | None
    preview: str


class Message(_Object, kw_only=True):
    """A message or notice. `content` is JSON of a `content.Content`, a notice, or null."""

    kind: Literal["message", "notice"] = "message"
    message_id: str
    chat_id: str
    sender_id: str | None
    seq: int
    client_msg_id: str | None
    content: Raw
    reply_to: Reply | None = None
    mentions: list[str] = []
    forwarded: int = 0
    created_at: str
    edited_at: str | None = None
    deleted_at: str | None = None
    deleted_by: str | None = None
    expires_at: str | None = None
    reactions: list[Reaction] = []
    votes: list[Vote] | msgspec.UnsetType = msgspec.UNSET
    starred: bool | msgspec.UnsetType = msgspec.UNSET


class Change(_Object, kw_only=True):
    kind: Literal["change"] = "change"
    change: Literal["edited", "deleted", "reaction", "vote", "pinned"]
    chat_id: str
    seq: int
    message_id: str
    target_seq: int
    user_id: str
    at: str
    message: Message


class ChatSettings(_Object, kw_only=True):
    muted_until: str | None = None
    pinned: bool = False
    archived: bool = False
    marked_unread: bool = False


Who = Literal["all", "admins"]


class ChatPermissions(_Object, kw_only=True):
    send: Who = "all"
    edit_info: Who = "all"
    add_members: Who = "all"


Role = Literal["owner", "admin", "member"]
Membership = Literal["member", "left", "removed"]


class Chat(_Object, kw_only=True):
    """A chat as one of its participants sees it."""

    id: str
    type: Literal["direct", "group"]
    name: str | None
    description: str | None
    avatar: Media | None
    peer: User | None
    member_count: int
    my_role: Role
    membership: Membership
    joined_seq: int
    left_seq: int | None
    last_seq: int
    last_message: Raw
    unread_count: int
    mention_count: int
    read_seq: int
    delivered_seq: int
    others_read_seq: int
    others_delivered_seq: int
    settings: ChatSettings
    permissions: ChatPermissions
    disappearing_seconds: int | None
    pinned_message_ids: list[str]
    created_at: str
    updated_at: str


class Member(_Object, kw_only=True):
    user_id: str
    role: Role
    user: Raw
    joined_at: str


class Notice(msgspec.Struct, tag_field="kind", tag="notice", rename="camel", kw_only=True, omit_defaults=True):
    """The content of a notice; fields beyond `event` and `actorId` depend on the event."""

    event: str
    actor_id: str | None = None
    user_ids: list[str] | None = None
    role: str | None = None
    name: str | None = None
    description: str | None = None
    avatar_media_id: str | None = None
    permissions: ChatPermissions | None = None
    disappearing_seconds: int | None = None


class Page(_Object, kw_only=True):
    """Entries of a chat log. The numbers `from_seq..to_seq` are covered: one without an item does not exist
    for this caller and never will."""

    items: list[Raw]
    from_seq: int
    to_seq: int
    has_more: bool


class Listing(_Object, kw_only=True):
    """Any list: `{"items": [...], "nextCursor": ...}`."""

    items: list[Any]
    next_cursor: str | None = None
