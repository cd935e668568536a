"""A bad push service gets little of our time, a good one all it needs."""

from tidings.notification.origins import FAILURES, FIRST_AT_ONCE, MOST_AT_ONCE, PAUSE_MOST_S, Origins


def test_one_that_was_never_seen_gets_few_calls() -> None:
    origins = Origins()
    assert [origins.enter("a", 0) for _ in range(FIRST_AT_ONCE)] == [0] * FIRST_AT_ONCE
    assert 0 < origins.enter("a", 0) < 1
    assert origins.enter("b", 0) == 0


def test_one_that_answers_gets_more_and_never_too_many() -> None:
    origins = Origins()
    for _ in range(200):
        assert origins.enter("a", 0) == 0
        origins.leave("a", True, 0)
    assert [origins.enter("a", 0) for _ in range(MOST_AT_ONCE)] == [0] * MOST_AT_ONCE
    assert origins.enter("a", 0) > 0


def test_a_single_failure_among_answers_pauses_nothing() -> None:
    origins = Origins()
    for n in range(100):
        assert origins.enter("a", 0) == 0
        origins.leave("a", n % FAILURES != 0, 0)


def test_failures_in_a_row_pause_it_longer_and_longer_and_one_call_tries() -> None:
    origins, now, pauses = Origins(), 0.0, []
    for _ in range(FAILURES + 12):
        wait = origins.enter("a", now)
        if wait:
            pauses.append(wait)
            now += wait
            assert origins.enter("a", now) == 0
            assert origins.enter("a", now) > 0  # no second one while the first tries
        origins.leave("a", False, now)
    assert pauses[0] < 3
    assert max(pauses) <= PAUSE_MOST_S + 1
    assert pauses[-1] > 100
    assert origins.enter("b", now) == 0
    now += 1000
    assert origins.enter("a", now) == 0
    origins.leave("a", True, now)
    assert origins.enter("a", now) == 0
