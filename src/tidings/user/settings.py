"""Settings of user-service."""

from tidings.platform.settings import Common


class Settings(Common, kw_only=True, frozen=True):
    """Nothing of its own yet: limits are in the `[limits]` table."""
