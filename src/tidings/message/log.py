"""The chat log without I/O: entries, numbering, windows, and who may write."""

from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec
from opentelemetry.trace import SpanContext

from tidings.contracts.errors import ApiError

Document = dict[str, Any]


class Seat(msgspec.Struct, frozen=True):
    """One participant's place in a chat: the part of the log they see, and their role."""

    role: str
    joined_seq: int
    left_seq: int  # 0: a member now
    muted: bool = False

    @property
    def is_member(self) -> bool:
        """Whether they take part at this moment."""
        return self.left_seq == 0

    def sees(self, seq: int) -> bool:
        """Whether an entry with this number is theirs to see."""
        return self.joined_seq <= seq and (self.left_seq == 0 or seq <= self.left_seq)


class Chat(msgspec.Struct, kw_only=True):
    """A chat as a writer knows it: membership and head, read in this order: head, then membership. A membership
    change raises the head, so a writer whose membership is old also has an old head and collides."""

    chat_id: str
    type: str
    seats: dict[str, Seat]
    send: str
    blocked: bool
    edit_info: str
    disappearing_s: int
    head: int
    until: float  # cached
    members_at: int = 0  # the highest number of a change of who takes part
    unsettled: bool = False  # a membership change has no number yet: enough to write by, not to read by

    def member(self, user_id: str) -> Seat:
        """The seat of a present member. Raises ApiError `not_found` for everyone else."""
        seat = self.seats.get(user_id)
        if seat is None or not seat.is_member:
            raise ApiError("not_found", "there is no such chat")
        return seat

    def reader(self, user_id: str) -> Seat:
        """The seat of somebody who is or was a member. Raises ApiError `not_found`."""
        seat = self.seats.get(user_id)
        if seat is None:
            raise ApiError("not_found", "there is no such chat")
        return seat

    def check_send(self, user_id: str, mentions: Iterable[str] = ()) -> None:
        """May this person write here now? Raises ApiError `not_found`, `forbidden` or `blocked`."""
        seat = self.member(user_id)
        if self.blocked:
            raise ApiError("blocked")
        if self.send == "admins" and seat.role == "member":
            raise ApiError("forbidden", "only admins may write here")
        for mentioned in mentions:
            if mentioned not in self.seats or not self.seats[mentioned].is_member:
                raise ApiError("not_found", "mentions: somebody who is no member")


class Entry(msgspec.Struct, kw_only=True):
    """An entry on its way into the log. `document` lacks `_id`, `seq`, `at` and `writer` until it is numbered."""

    document: Document
    size: int
    # The sender's right to write, by the membership that goes with the number; raises ApiError. Notices need none:
    # they come from chat-service.
    check: Callable[[Chat], object] | None
    origin: str | None = None
    membership: bool = False
    asked: SpanContext | None = None  # the recorded span of whoever wants it stored

    @property
    def key(self) -> tuple[str, str, str]:
        """The idempotency key."""
        d = self.document
        return d["chatId"], d["senderId"], d["clientMsgId"]


def number(entries: Iterable[Entry], heads: dict[str, int]) -> dict[str, int]:
    """Give each entry its chat's next number, in order. Returns the new heads; `heads` stays as it is."""
    after = dict(heads)
    for entry in entries:
        chat_id = entry.document["chatId"]
        after[chat_id] += 1
        entry.document["seq"] = after[chat_id]
    return after


def collapse(keys: Iterable[tuple[str, str, str]]) -> tuple[list[int], list[int]]:
    """For a batch: the positions of the first of each key, and for every position the index of its first among
    those. Repeats inside a batch get one entry and the same answer."""
    first: dict[tuple[str, str, str], int] = {}
    kept: list[int] = []
    owner: list[int] = []
    for position, key in enumerate(keys):
        if key not in first:
            first[key] = len(kept)
            kept.append(position)
        owner.append(first[key])
    return kept, owner


def is_gone(d: Document, now_ms: int) -> bool:
    """Whether the content of an entry was deleted or its time is over, also where it is not emptied yet."""
    return d.get("content") is None or 0 < (d.get("expiresAt") or 0) <= now_ms


def window_end(seat: Seat, head: int) -> int:
    """The last number this person may see."""
    return head if seat.left_seq == 0 else min(head, seat.left_seq)


def clamp_mark(seat: Seat, head: int, seq: int) -> int:
    """A watermark never lies above the head or outside the window; 0: nothing to mark."""
    return max(0, min(seq, window_end(seat, head)))


def first_at(marks: list[list[int]], seq: int) -> int | None:
    """When a watermark first reached `seq`: `marks` are (seq, at) pairs in rising order. None: not yet.

    Of advances older than the kept pairs the oldest kept time is told, which is at most too late."""
    for reached, at in marks:
        if reached >= seq:
            return at
    return None


EDIT: Final = "edited"
DELETE: Final = "deleted"
REACTION: Final = "reaction"
VOTE: Final = "vote"
PIN: Final = "pinned"
