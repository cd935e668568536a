"""How much of our time a push service gets, so that a bad one costs the others none. Pure: the clock is handed in.

Every push service (the origin of an endpoint) begins with few calls at a time, gets more while it answers, and pauses
of growing length while it does not. Nobody queues here: who is not let in comes again by JetStream.
"""

import random
from collections import OrderedDict
from typing import Final

FIRST_AT_ONCE: Final = 8
MOST_AT_ONCE: Final = 64
FAILURES: Final = 5  # in a row, before a pause: a single subscription's troubles are not the service's
PAUSE_FIRST_S: Final = 2.0
PAUSE_MOST_S: Final = 300.0
CROWDED_S: Final = 0.5  # until the next look when all places are taken
KEPT: Final = 2000


class Origin:
    """One push service."""

    def __init__(self) -> None:
        self.at_once = FIRST_AT_ONCE
        self.busy = 0
        self.failures = 0
        self.paused_until = 0.0


class Origins:
    """All of them. Owner: the service's event loop."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, Origin] = OrderedDict()

    def enter(self, name: str, now_s: float) -> float:
        """0: call it now, and tell by `leave`. Else the seconds after which to ask again."""
        origin = self._known.setdefault(name, Origin())
        self._known.move_to_end(name)
        self._forget()
        if now_s < origin.paused_until:
            return origin.paused_until - now_s + random.uniform(0, CROWDED_S)  # noqa: S311
        if origin.busy >= (origin.at_once if origin.failures < FAILURES else 1):
            return random.uniform(CROWDED_S / 2, CROWDED_S)  # noqa: S311
        origin.busy += 1
        return 0.0

    def leave(self, name: str, answered: bool, now_s: float) -> None:
        """The call is over. `answered`: with anything but a request to come again."""
        origin = self._known[name]
        origin.busy -= 1
        if answered:
            origin.at_once = min(MOST_AT_ONCE, origin.at_once + 1)
            origin.failures = 0
            origin.paused_until = 0.0
            return
        origin.at_once = max(1, origin.at_once // 2)
        origin.failures += 1
        if origin.failures >= FAILURES:
            pause = min(PAUSE_MOST_S, PAUSE_FIRST_S * 2.0 ** min(origin.failures - FAILURES, 16))
            origin.paused_until = now_s + pause * random.uniform(0.5, 1)  # noqa: S311

    def _forget(self) -> None:
        """The longest unused; one that is being called stays."""
        for name in list(self._known)[: max(0, len(self._known) - KEPT)]:
            if not self._known[name].busy:
                del self._known[name]
