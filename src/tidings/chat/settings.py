"""Settings of the chat service: `TIDINGS_CHAT_<NAME>` or the file's `[chat]` table."""

from tidings.platform.settings import Common, Positive, Seconds


class Settings(Common, kw_only=True, frozen=True):
    """Times in seconds."""

    pool_size: Positive = 16  # a change holds a connection while its notice is appended
    relay_interval_s: Seconds = 1.0  # how soon a change that a killed process left is taken up
    settle_s: Seconds = 0.3  # a lane may wait for us while we wait for it: answer pending windows as such then
    sync_at_once: Positive = 32  # beyond: `overloaded`; one costs several batched calls
    sync_chats: Positive = 100  # chats in one answer
    since_age_s: Positive = 30 * 86_400
    invite_age_s: Positive = 30 * 86_400
    block_cache_s: Seconds = 5.0
