"""Settings of the notification service: `TIDINGS_NOTIFICATION_<NAME>` or the file's `[notification]` table."""

from typing import Literal

from tidings.platform.settings import Common, Positive, Seconds


class Settings(Common, kw_only=True, frozen=True):
    """Times in seconds."""

    # Web Push goes to its targets whatever this says; `dev` also appends every push, of any kind, to push.jsonl in the
    # data directory, without addresses.
    provider: Literal["dev", "webpush"] = "dev"

    collect_s: Seconds = 2.0  # one push per person and chat for all that comes in this time
    settle_s: Seconds = 0.5  # then wait for the delivered marks of those who are connected
    in_flight: Positive = 2000  # events unacknowledged at a time: 9,000 messages/s come in some 200 events/s
    skip_older_s: Positive = 600  # nobody wants to hear of what was said before that while we were away
    participants_age_s: Seconds = 30.0
    participants_kept: Positive = 10_000  # chats in memory
    people_at_once: Positive = 16  # people looked up at a time
    pushed_for_s: Positive = 86_400  # how long it is remembered what was pushed

    push_contact: str = ""  # whom push services may write to, `mailto:` or `https:`; empty: the public URL
    push_ttl_s: Positive = 86_400  # how long a push service keeps a push for a device that is off
    sending: Positive = 512  # pushes on their first way to push services at a time
    waiting: Positive = 20_000  # pushes that wait for their push service; the rest waits behind them
    again_first_s: Seconds = 5.0  # the first wait; later ones double
    again_most_s: Seconds = 900.0
    try_for_s: Seconds = 21_600.0  # then a push is given up: the message waits in the app
