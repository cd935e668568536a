"""Identifiers and times."""

import uuid

from hypothesis import given
from hypothesis import strategies as st

from tidings.contracts.events import partition
from tidings.contracts.ids import Uuid7Sequence, id_time_ms, is_id, new_chat_id
from tidings.contracts.times import parse_ms, rfc3339


@given(st.lists(st.integers(1_600_000_000_000, 1_900_000_000_000), min_size=1, max_size=50))
def test_ids_rise_whatever_the_clock_does(clock: list[int]) -> None:
    ticks = iter(clock)
    sequence = Uuid7Sequence(lambda: next(ticks) * 1_000_000)
    ids = [sequence.next() for _ in clock]
    assert ids == sorted(set(ids))
    assert all(uuid.UUID(i).version == 7 and uuid.UUID(i).variant == uuid.RFC_4122 and is_id(i) for i in ids)
    assert id_time_ms(ids[0]) == clock[0]


def test_a_chat_id_is_a_uuid4() -> None:
    assert uuid.UUID(new_chat_id()).version == 4


@given(st.integers(0, 4_000_000_000_000))
def test_times_survive_the_wire(at: int) -> None:
    assert parse_ms(rfc3339(at)) == at


@given(st.uuids(version=4), st.integers(1, 64))
def test_a_partition_is_stable_and_in_range(chat: uuid.UUID, count: int) -> None:
    assert 0 <= partition(str(chat), count) < count
    assert partition(str(chat), count) == partition(str(chat), count)
