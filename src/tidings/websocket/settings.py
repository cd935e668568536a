"""Settings of websocket-service."""

from tidings.platform.settings import Common, Positive, Seconds


class Settings(Common, kw_only=True, frozen=True):
    """Times in seconds unless the name says otherwise."""

    heartbeat_s: Positive = 30  # a socket is pinged so often; after two without an answer it is closed
    sockets_per_user: Positive = 30  # on one instance; more are refused with 429 at the upgrade
    outgoing_bytes: Positive = 1024 * 1024  # what may wait for a slow reader before it is closed with 4008
    early_frames: Positive = 16  # frames taken before `ready`
    malformed_frames: Positive = 10  # within a minute; then 4400
    flood_s: Seconds = 10.0  # over the rate for so long: 4029
    batch_items: Positive = 200  # of one call to message-service
    marks_pause_ms: Positive = 20  # between two batches of watermarks: of those that come meanwhile the highest counts
    queue_items: Positive = 8_000  # waiting for message-service before sends are refused as overloaded
    pressed_items: Positive = 1_000  # sends waiting: from there typing is dropped and changes of presence wait
    participants_age_s: Seconds = 30.0
    participants_kept: Positive = 50_000
    session_check_s: Seconds = 60.0
    resync_spread_s: Seconds = 5.0
    close_spread_s: Seconds = 3.0  # sockets are closed over this time when the service stops
    skip_older_s: Positive = 3_600  # older events reach nobody who is still waiting for them
