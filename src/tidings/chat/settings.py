"""Settings of the chat service: `TIDINGS_CHAT_<NAME>` or the file's `[chat]` table."""

from tidings.platform.settings import Common, Positive, Seconds


class Settings(Common, kw_only=True, frozen=True):
    """Times in seconds."""

    pool_size: Positive = 16  # connections are held for statements alone, never while another service is called
    relay_interval_s: Seconds = 1.0  # how soon a change that a killed process left is taken up
    claim_s: Seconds = 8.0  # a claim on a chat's outbox: longer than one call and one transaction may take
    sync_at_once: Positive = 64  # the others wait in a line
    sync_chats: Positive = 100  # chats in one answer
    sync_hidden: Positive = 5_000  # ids of messages deleted for oneself in one answer
    sync_margin_s: Seconds = 30.0  # a change counts from when it began, is seen when committed, and clocks differ
    since_age_s: Positive = 30 * 86_400
    invite_age_s: Positive = 30 * 86_400
    block_cache_s: Seconds = 5.0
