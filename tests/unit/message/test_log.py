"""Rules of the chat log that need no store."""

from hypothesis import given
from hypothesis import strategies as st

from tidings.message.log import Entry, Seat, clamp_mark, collapse, first_at, number
from tidings.message.writer import InFlight, Lease

KEYS = st.tuples(st.sampled_from("ab"), st.sampled_from("xy"), st.sampled_from("12345"))


@given(st.lists(KEYS, max_size=40))
def test_repeats_in_a_batch_are_one_entry_with_one_answer(keys: list[tuple[str, str, str]]) -> None:
    kept, owner = collapse(keys)
    firsts = [keys[position] for position in kept]
    assert len(set(firsts)) == len(firsts)
    assert kept == sorted(kept)
    assert [firsts[o] for o in owner] == keys


@given(st.lists(st.sampled_from("abc"), max_size=60), st.integers(0, 1000))
def test_numbers_of_a_chat_follow_its_head_without_gap(chats: list[str], head: int) -> None:
    entries = [Entry(document={"chatId": chat}, size=1, check=None) for chat in chats]
    after = number(entries, dict.fromkeys("abc", head))
    for chat in "abc":
        given_ = [e.document["seq"] for e in entries if e.document["chatId"] == chat]
        assert given_ == list(range(head + 1, head + 1 + len(given_)))
        assert after[chat] == head + len(given_)


@given(st.integers(1, 100), st.integers(0, 200), st.integers(0, 300), st.integers(0, 400))
def test_a_mark_is_never_above_the_head_or_outside_the_window(joined: int, left: int, head: int, seq: int) -> None:
    found = clamp_mark(Seat(role="member", joined_seq=joined, left_seq=left), head, seq)
    assert found <= max(head, 0)
    assert found <= seq
    assert not left or found <= left


@given(st.lists(st.tuples(st.integers(1, 50), st.integers(0, 9)), max_size=20), st.integers(1, 60))
def test_read_at_is_the_first_advance_at_or_past_a_message(steps: list[tuple[int, int]], seq: int) -> None:
    marks, high, at = [], 0, 0
    for up, wait in steps:
        high, at = high + up, at + wait
        marks.append([high, at])
    found = first_at(marks, seq)
    assert (found is None) == (high < seq)
    if found is not None:
        assert found == min(at for reached, at in marks if reached >= seq)


def test_an_answer_is_given_only_while_the_lease_surely_holds() -> None:
    now = [100.0]
    lease = Lease(30, 5, lambda: now[0])
    assert not lease.holds()
    lease.renewed(100)
    now[0] = 124.9
    assert lease.holds()
    now[0] = 125.1
    assert not lease.holds()


@given(st.lists(st.integers(0, 5), max_size=30))
def test_the_checkpoint_stays_below_everything_that_is_not_published(finish: list[int]) -> None:
    flight, open_, done = InFlight(), list[tuple[int, str, str]](), list[str]()
    for step, which in enumerate(finish):
        first, last = f"{step:04d}a", f"{step:04d}c"
        open_.append((flight.begin(first, last), first, last))
        if which < len(open_):
            token, _, published = open_.pop(which)
            flight.done(token)
            done.append(published)
        through = flight.through()
        assert all(through < f for _, f, _ in open_)
        if not open_:
            assert all(d <= through for d in done)
