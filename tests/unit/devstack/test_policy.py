"""When a dead child is started again, and when it is given up."""

from hypothesis import given
from hypothesis import strategies as st

from tidings.devstack.policy import DEATHS_TO_GIVE_UP, MAX_DELAY_S, WINDOW_S, RestartPolicy

chances = st.floats(0, 1, exclude_max=True)


def test_delays_grow_and_the_sixth_death_within_a_minute_ends_it() -> None:
    policy = RestartPolicy()
    delays = [policy.died(float(second), 0.5) for second in range(DEATHS_TO_GIVE_UP)]
    assert delays[-1] is None
    waited = [delay for delay in delays if delay is not None]
    assert len(waited) == DEATHS_TO_GIVE_UP - 1
    assert waited == sorted(waited)


def test_first_restart_is_almost_at_once() -> None:
    delay = RestartPolicy().died(0.0, 0.99)
    assert delay is not None
    assert delay <= 0.1


@given(st.lists(chances, min_size=1, max_size=50))
def test_rare_deaths_never_end_it_and_stay_cheap(drawn: list[float]) -> None:
    policy = RestartPolicy()
    delays = [policy.died(number * (WINDOW_S + 1), chance) for number, chance in enumerate(drawn)]
    assert all(delay is not None and delay <= 0.1 for delay in delays)


@given(st.lists(st.tuples(st.floats(0, 30), chances), min_size=1, max_size=60))
def test_delays_are_bounded(drawn: list[tuple[float, float]]) -> None:
    policy, now = RestartPolicy(), 0.0
    for pause, chance in drawn:
        now += pause
        delay = policy.died(now, chance)
        assert delay is None or 0 < delay <= MAX_DELAY_S


def test_starts_that_come_to_nothing_end_it_however_long_each_took() -> None:
    policy = RestartPolicy()
    delays = [policy.died(n * 2 * WINDOW_S, 0.5, was_ready=False) for n in range(DEATHS_TO_GIVE_UP)]
    assert delays[-1] is None
    assert None not in delays[:-1]
    policy = RestartPolicy()
    for n in range(3 * DEATHS_TO_GIVE_UP):  # one that works in between is another matter
        assert policy.died(n * 2 * WINDOW_S, 0.5, was_ready=n % 3 == 0) is not None
