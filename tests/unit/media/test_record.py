"""Who reads a file: whoever may see a message that shows it."""

import pytest

from tidings.media.record import Grant, Window, may_read


@pytest.mark.parametrize(
    ("joined", "left", "allowed"),
    [
        (1, 0, True),  # was there all the time
        (11, 0, True),  # joined with the message's own number
        (12, 0, False),  # joined after it
        (1, 11, True),  # saw it, then left
        (1, 10, False),  # left before it
    ],
)
def test_window_decides(joined: int, left: int, allowed: bool) -> None:
    assert may_read([Grant("m", "c", 10)], [Window("c", joined, left)]) is allowed


def test_any_grant_will_do() -> None:
    grants = [Grant("m", "c", 3), Grant("m", "c", 20), Grant("m", "d", 1)]
    assert may_read(grants, [Window("c", 15, 0)])
    assert not may_read(grants, [Window("e", 1, 0)])
    assert not may_read([], [Window("c", 1, 0)])
