"""When a child that died is started again, and when it is given up. Pure: times and chance come in as values."""

from collections import deque
from dataclasses import dataclass, field

FIRST_DELAY_S = 0.1  # a single crash costs its users next to nothing
MAX_DELAY_S = 10.0
DEATHS_TO_GIVE_UP = 6
WINDOW_S = 60.0


@dataclass
class RestartPolicy:
    """Exponential backoff with jitter; given up after DEATHS_TO_GIVE_UP deaths within WINDOW_S, or as many starts in a
    row that came to nothing, however long each took."""

    _deaths: deque[float] = field(default_factory=deque)
    _failed_starts: int = 0

    def died(self, now_s: float, chance: float, *, was_ready: bool = True) -> float | None:
        """Seconds to wait before the next start, or None to give up. `chance` is uniform in [0, 1)."""
        self._failed_starts = 0 if was_ready else self._failed_starts + 1
        self._deaths.append(now_s)
        while self._deaths[0] <= now_s - WINDOW_S:
            self._deaths.popleft()
        if max(len(self._deaths), self._failed_starts) >= DEATHS_TO_GIVE_UP:
            return None
        delay = min(MAX_DELAY_S, FIRST_DELAY_S * 2.0 ** (2 * (len(self._deaths) - 1)))
        return delay * (0.5 + chance / 2)
