"""Numbered bundles: whatever is lost shows."""

from hypothesis import given
from hypothesis import strategies as st

from tidings.websocket.bundles import Bundle, Item, Tracker

ITEM = [Item(["u"], b"{}")]


def told(numbers: list[int], lost: set[int]) -> bool:
    """Whether a tracker that hears these, heartbeats after each, notices something."""
    tracker = Tracker()
    tracker.heard(Bundle("a/1", 0, []), 0)
    fine = True
    for number in numbers:
        if number not in lost:
            fine &= tracker.heard(Bundle("a/1", number, ITEM), 0)
        fine &= tracker.heard(Bundle("a/1", number, []), 0)
    return not fine


@given(st.integers(1, 20), st.sets(st.integers(1, 20)))
def test_a_lost_bundle_is_noticed_and_only_that(count: int, lost: set[int]) -> None:
    lost = {number for number in lost if number <= count}
    assert told(list(range(1, count + 1)), lost) == bool(lost)


def test_silence_is_told_once_and_the_gone_are_forgotten() -> None:
    tracker = Tracker()
    tracker.heard(Bundle("a/1", 0, []), 0)
    assert tracker.silent(["a"], 2) == []
    assert tracker.silent(["a"], 4) == ["a/1"]
    assert tracker.silent(["a"], 5) == []
    assert tracker.silent([], 9) == []
    assert tracker.silent(["a"], 20) == []


def test_a_publisher_that_was_there_before_us_may_have_sent_what_we_missed() -> None:
    assert not Tracker().heard(Bundle("a/1", 7, []), 0)
