"""Who hears of what: the rules of pushes. Pure."""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from tidings.contracts.events import LogEvent


class Member(msgspec.Struct, frozen=True):
    """Someone who is or was in a chat, with the window of its log they may see; `left_seq` 0: still in."""

    user_id: str
    joined_seq: int
    left_seq: int
    muted: bool


class Chat(msgspec.Struct, frozen=True):
    """A chat as far as pushes care."""

    chat_id: str
    type: str
    name: str
    members: Sequence[Member]


class Candidate(msgspec.Struct, frozen=True):
    """A person who may have to hear of a message."""

    user_id: str
    chat: Chat
    event: LogEvent


class Unread(msgspec.Struct, frozen=True):
    """Where a person stands in a chat."""

    unread_count: int
    read_seq: int
    delivered_seq: int


def candidates(chat: Chat, events: Iterable[LogEvent]) -> list[Candidate]:
    """At most one per person: the newest message in their window that is not their own, and, where they muted
    the chat, mentions them."""
    newest_first = sorted((event for event in events if event.kind == "message"), key=lambda event: -event.seq)
    found = []
    for member in chat.members:
        event = next((event for event in newest_first if _concerns(member, event)), None)
        if event is not None:
            found.append(Candidate(member.user_id, chat, event))
    return found


def _concerns(member: Member, event: LogEvent) -> bool:
    if event.sender_id == member.user_id or (event.only is not None and member.user_id not in event.only):
        return False
    if event.seq < member.joined_seq or (member.left_seq and event.seq > member.left_seq):
        return False
    return not member.muted or member.user_id in event.mentions


def is_due(seq: int, unread: Unread | None, online: bool) -> bool:
    """Whether a message is worth a push now: neither read (or deleted meanwhile) nor, by someone who is
    connected, received."""
    if unread is None or unread.unread_count == 0 or unread.read_seq >= seq:
        return False
    return not (online and unread.delivered_seq >= seq)


def badge(unread: Mapping[str, Unread]) -> int:
    """The number on the app's icon: what is unread over all chats."""
    return sum(chat.unread_count for chat in unread.values())
