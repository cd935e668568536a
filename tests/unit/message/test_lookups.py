"""How what is to be counted is shared out among queries."""

from hypothesis import given
from hypothesis import strategies as st

from tidings.message.lookups import Stretch, _rounds

STRETCHES = st.lists(
    st.tuples(st.sampled_from("abcde"), st.integers(1, 50), st.integers(0, 60)).map(
        lambda t: (t[0], t[1], t[1] + t[2])
    ),
    max_size=40,
    unique=True,
)


@given(STRETCHES)
def test_each_is_in_one_round_no_chat_twice_in_one_and_none_too_large(stretches: list[Stretch]) -> None:
    rounds = _rounds(stretches, most=100)
    assert sorted(stretch for one in rounds for stretch in one.values()) == sorted(stretches)
    assert all(chat == stretch[0] for one in rounds for chat, stretch in one.items())
    for one in rounds:
        assert len(one) == 1 or sum(high - low + 1 for _, low, high in one.values()) <= 100


def test_little_is_asked_together() -> None:
    assert len(_rounds([(f"c{n}", 1, 5) for n in range(100)])) == 1
