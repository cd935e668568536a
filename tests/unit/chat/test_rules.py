"""Who may do what, who owns a group next, and what of the log a seat sees."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidings.chat.rules import Seat, check_remove, check_role, pair_key, successor, window
from tidings.contracts.errors import ApiError
from tidings.contracts.limits import MAX_INT

SEATS = st.lists(
    st.builds(
        Seat,
        user_id=st.text("abcdef", min_size=1, max_size=3),
        role=st.sampled_from(["admin", "member"]),
        membership=st.sampled_from(["member", "left", "removed"]),
        joined_seq=st.integers(1, 9),
        left_seq=st.none(),
        joined_ms=st.integers(0, 9),
    ),
    unique_by=lambda s: s.user_id,
)


def seat(role: str, user_id: str = "x", membership: str = "member", left: int | None = None) -> Seat:
    return Seat(user_id, role, membership, 3, left, 0)


@given(SEATS)
def test_the_oldest_admin_follows_else_the_oldest_member(seats: list[Seat]) -> None:
    heir = successor(seats, "a")
    rest = [s for s in seats if s.membership == "member" and s.user_id != "a"]
    best = [s for s in rest if s.role == "admin"] or rest
    assert (heir is None) == (not best)
    if heir:
        assert next(s for s in best if s.user_id == heir).joined_ms == min(s.joined_ms for s in best)


def test_who_goes_writes_no_more_before_the_number_is_known() -> None:
    assert window(seat("member")) == (3, 0)
    assert window(seat("member", membership="left")) == (3, MAX_INT)
    assert window(seat("member", membership="removed", left=7)) == (3, 7)
    assert window(Seat("x", "member", "member", None, None, 0)) is None


def test_admins_remove_members_only() -> None:
    check_remove(seat("admin"), seat("member", "y"))
    check_remove(seat("owner"), seat("admin", "y"))
    for actor, target in (("admin", "admin"), ("admin", "owner"), ("member", "member")):
        with pytest.raises(ApiError):
            check_remove(seat(actor), seat(target, "y"))


def test_an_owner_does_not_step_down_without_an_heir() -> None:
    with pytest.raises(ApiError):
        check_role(seat("owner"), seat("owner"), "member")


def test_a_pair_has_one_key() -> None:
    assert pair_key("a", "b") == pair_key("b", "a")
