"""What a listener hears."""

from tidings.client import Changed, Missed
from tidings.client.events import EVENTS_KEPT, Listener


async def test_a_slow_listener_is_told_that_it_missed_something() -> None:
    listener = Listener()
    for number in range(EVENTS_KEPT + 2):
        listener.add(Changed(frozenset({str(number)})))
    assert await listener.next() == Missed()
    assert await listener.next() == Changed(frozenset({"2"}))
    listener.add(Changed(frozenset()))
    assert await listener.next() == Changed(frozenset({"3"}))
