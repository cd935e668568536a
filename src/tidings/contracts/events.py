"""What services tell one another over NATS. A JetStream message carries a batch; broadcasts are core NATS.

Hot subjects end in `.<partition>`; every consumer is idempotent on `(chatId, seq)`, since an event may come
again in another batch.
"""

import zlib
from typing import Final, Literal

import msgspec
from msgspec import Raw

MESSAGES: Final = "MESSAGES"
CHATS: Final = "CHATS"
USERS: Final = "USERS"
PUSHES: Final = "PUSHES"
DEAD: Final = "DEAD"

STREAMS: Final = {
    MESSAGES: ["msg.new.*", "msg.edited.*", "msg.deleted.*", "msg.reaction.*", "msg.status.updated.*", "msg.probe"],
    CHATS: ["chat.created", "chat.updated", "group.member.added", "group.member.removed", "chat.probe"],
    USERS: ["user.deleted"],
    PUSHES: ["push.out", "push.again"],
    DEAD: ["dead.>"],
}
"""Stream to subjects, without the namespace prefix."""

PROBES: Final = ("msg.probe", "chat.probe")
"""Subjects nobody consumes: a supervisor publishes to them to see whether the streams still take anything."""


def partition(chat_id: str, partitions: int) -> int:
    """The partition of a chat: the same in every process and release."""
    return zlib.crc32(chat_id.encode()) % partitions


class LogEvent(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True):
    """One stored entry of a chat log, with the frame its readers get, encoded once by message-service.

    `frame` is the same for everyone, except `message.vote`, whose `votes` are completed per reader from `ballots`.
    """

    chat_id: str
    seq: int
    kind: Literal["message", "notice", "change"]
    sender_id: str | None
    message_id: str  # of a change: the message it changes
    frame: Raw
    origin: str | None = None  # the socket that sent it: it gets `message.sent` instead
    membership: bool = False  # a notice that changes who reads: drop what is cached of this chat
    members_at: int = 0  # the last change of who reads that comes before this: what is cached from before it is too old
    mentions: list[str] = []
    ballots: dict[str, list[str]] | None = None
    only: list[str] | None = None  # deliver to these alone (delete for me); `seq` is then 0
    at_ms: int = 0


class LogBatch(msgspec.Struct, rename="camel"):
    """`msg.new`, `msg.edited`, `msg.deleted`, `msg.reaction`: entries of one partition in log order."""

    events: list[LogEvent]


class StatusEvent(msgspec.Struct, rename="camel", kw_only=True):
    """One watermark that moved; `to` are the people who may know."""

    chat_id: str
    user_id: str
    status: Literal["delivered", "read"]
    seq: int
    at: str
    to: list[str]


class StatusBatch(msgspec.Struct, rename="camel"):
    """`msg.status.updated`."""

    events: list[StatusEvent]


class ChatEvent(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True):
    """`chat.created`, `chat.updated`, `group.member.added`, `group.member.removed`.

    `audience` are the people whose devices get a frame; each gets the chat as they see it. `seq` is the notice's.
    """

    event_id: str
    chat_id: str
    actor_id: str | None
    audience: list[str]
    user_ids: list[str] = []
    seq: int = 0
    at: str = ""


USER_DELETED: Final = "user.deleted"


class UserDeleted(msgspec.Struct, rename="camel"):
    """An account was deleted. In its stream until everyone it matters to has worked on it; sockets hear it as well."""

    user_id: str


# -- broadcasts: at most once, so everything they touch expires by itself besides ---------------------


SESSION_REVOKED: Final = "session.revoked"
BLOCKS_CHANGED: Final = "blocks.changed"
PRIVACY_CHANGED: Final = "privacy.changed"
PRESENCE_CHANGED: Final = "presence.changed"
MEDIA_UPDATED: Final = "media.updated"
MEMBERSHIP_CHANGED: Final = "membership.changed"


class SessionRevoked(msgspec.Struct, rename="camel"):
    """Gateway and websocket instances drop the session at once."""

    user_id: str
    session_id: str


class BlocksChanged(msgspec.Struct, rename="camel"):
    """`user_id` blocked or unblocked `other_id`."""

    user_id: str
    other_id: str
    blocked: bool


class PrivacyChanged(msgspec.Struct, rename="camel"):
    user_id: str
    read_receipts: bool


class PresenceChanged(msgspec.Struct, rename="camel"):
    """Told by the websocket instance that saw the first socket open or the last one gone for 10 s."""

    user_id: str
    online: bool
    at_ms: int


class MembershipChanged(msgspec.Struct, rename="camel"):
    """A notice that changes who reads a chat is being delivered: what is cached of its participants is old."""

    chat_id: str


class MediaUpdatedEvent(msgspec.Struct, rename="camel"):
    """The state of a file changed; its owner's sockets get `media.updated`."""

    owner_id: str
    media: Raw


class PushEvent(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True):
    """`push.out`, and `push.again` when the push service could not take it: one push to one target.

    The target's address is looked up when it is sent: it is a credential, and may be gone by then.
    """

    user_id: str
    target_id: str
    chat_id: str
    seq: int
    payload: Raw  # see section 7 of the protocol page
    kind: Literal["message", "read"]
    at_ms: int  # when it was decided
    not_before_ms: int = 0
