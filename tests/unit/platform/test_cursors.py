"""Cursors open only where they were sealed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidings.contracts.errors import ApiError
from tidings.platform.cursors import Cursors

CURSORS = Cursors("key")


@given(st.text(), st.text(), st.text())
def test_a_cursor_opens_for_its_owner_and_list_alone(purpose: str, owner: str, position: str) -> None:
    cursor = CURSORS.seal(purpose, owner, position)
    assert CURSORS.open(purpose, owner, cursor, str) == position
    for other in ((purpose + "x", owner), (purpose, owner + "x")):
        with pytest.raises(ApiError) as refused:
            CURSORS.open(*other, cursor, str)
        assert refused.value.code == "invalid_request"


@given(st.text(max_size=80))
def test_garbage_is_refused(text: str) -> None:
    with pytest.raises(ApiError):
        CURSORS.open("list", "me", text, str)


def test_an_altered_cursor_is_refused() -> None:
    cursor = CURSORS.seal("list", "me", "position")
    with pytest.raises(ApiError):
        CURSORS.open("list", "me", ("A" if cursor[0] != "A" else "B") + cursor[1:], str)
