"""Settings of user-service."""

from tidings.platform.settings import Common, Seconds


class Settings(Common, kw_only=True, frozen=True):
    """Times in seconds. Limits are in the `[limits]` table."""

    erase_interval_s: Seconds = 15.0  # how soon a deletion that was interrupted is finished
