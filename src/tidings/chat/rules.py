"""Who may do what in a chat: values in, values out."""

from collections.abc import Sequence

import msgspec

from tidings.contracts.errors import ApiError
from tidings.contracts.limits import MAX_INT


class Seat(msgspec.Struct, frozen=True):
    """A participant. `joined_seq` and `left_seq` are None while the log has not numbered the change."""

    user_id: str
    role: str
    membership: str
    joined_seq: int | None
    left_seq: int | None
    joined_ms: int


def window(seat: Seat) -> tuple[int, int] | None:
    """(joinedSeq, leftSeq or 0), what of the log they may see; None: nothing yet.

    Who goes but has no last number yet writes no more and reads what is there.
    """
    if seat.joined_seq is None:
        return None
    if seat.membership == "member":
        return seat.joined_seq, 0
    return seat.joined_seq, MAX_INT if seat.left_seq is None else seat.left_seq


def is_settled(seat: Seat) -> bool:
    """Whether the log has numbered their coming and going."""
    return seat.joined_seq is not None and (seat.membership == "member" or seat.left_seq is not None)


def is_admin(role: str) -> bool:
    return role in ("owner", "admin")


def allows(role: str, who: str) -> bool:
    """Whether a permission that is "all" or "admins" covers a role."""
    return who == "all" or is_admin(role)


def check_remove(actor: Seat, target: Seat) -> None:
    """Owners remove anyone, admins members. Raises ApiError."""
    if not (actor.role == "owner" or (actor.role == "admin" and target.role == "member")):
        raise ApiError("forbidden", "you may not remove this member")


def check_role(actor: Seat, target: Seat, role: str) -> None:
    """The owner gives every role, their own place too; admins make members admins. Raises ApiError."""
    if actor.role == "owner":
        if target.user_id == actor.user_id and role != "owner":
            raise ApiError("conflict", "give the group to somebody else first")
        return
    if actor.role != "admin" or target.role != "member" or role == "owner":
        raise ApiError("forbidden", "you may not give this role")


def successor(seats: Sequence[Seat], leaving: str) -> str | None:
    """Who owns the group next: the oldest admin, else the oldest member."""
    rest = [s for s in seats if s.membership == "member" and s.user_id != leaving]
    rest.sort(key=lambda s: (s.role != "admin", s.joined_ms, s.user_id))
    return rest[0].user_id if rest else None


def pair_key(one: str, other: str) -> str:
    """The same for both sides of a direct chat."""
    return ":".join(sorted((one, other)))
