"""Settings of message-service."""

from typing import Annotated

from msgspec import Meta

from tidings.platform.settings import Common, Positive, Seconds


class Settings(Common, kw_only=True, frozen=True):
    """Times in seconds unless the name says otherwise."""

    lanes: Annotated[int, Meta(ge=1, le=64)] = 4  # inserts in flight at once; a chat is always in the same one
    batch_entries: Positive = 200  # of one insert: measured, more gains nothing
    batch_bytes: Positive = 512 * 1024
    lane_queue: Positive = 4_000  # entries that wait in a lane before sends are refused as overloaded
    unpublished_batches: Positive = 100  # whose events are kept while NATS is away; more are left to the log
    append_s: Seconds = 6.0  # begins no attempt after this
    collision_tries: Positive = 8
    chat_cache_s: Seconds = 30.0  # how old a cached membership may be; the fence keeps even an old one harmless
    chat_cache_size: Positive = 50_000
    lease_s: Seconds = 30.0  # after this silence another writer may take the log of this one over
    lease_margin_s: Seconds = 5.0  # stop answering this long before the lease ends
    checkpoint_ms: Positive = 200
    receipts_ms: Positive = 50  # watermarks are gathered for so long before they are written
    delivered_every_ms: Positive = 250  # of one person in one chat: an update a message costs a third of the throughput
    unread_most: Positive = 20_000  # unread messages are counted in the newest of so many numbers of a chat
    search_timeout_ms: Positive = 3_000
