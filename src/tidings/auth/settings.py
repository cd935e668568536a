"""Settings of auth-service: `TIDINGS_AUTH_<NAME>` or the file's `[auth]` table."""

from typing import Literal

import msgspec

from tidings.platform.settings import Common, HttpUrlOrNone, Positive, Seconds, SettingsError

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class Settings(Common, kw_only=True, frozen=True):
    """Times in seconds."""

    otp_lifetime_s: Positive = 300
    otp_tries: Positive = 5  # wrong guesses from all addresses together, then the code is burnt
    otp_resend_s: Positive = 60
    # Codes an hour that were asked for and not used, to numbers that differ in the last four digits alone: from many
    # addresses it is a machine that earns by text messages. Loopback is exempt.
    otp_range_hour: Positive = 50

    issuer: str = "tidings"
    access_token_s: Positive = 86_400
    refresh_token_s: Positive = 60 * 86_400  # of not being used
    ticket_s: Positive = 30
    web_origins: list[str] = msgspec.field(
        default_factory=list
    )  # besides the gateway's own origin: where a web client may be served from

    session_cache_s: Seconds = 3.0  # how long an ended session may pass when its broadcast was lost
    touch_s: Seconds = 10.0  # `lastSeenAt` is written for all seen sessions at once
    keep_ended_s: Positive = 30 * 86_400  # ended sessions are kept so long: reuse of their tokens is still told

    sms_provider: Literal["dev", "http"] = "dev"
    sms_url: HttpUrlOrNone = ""
    sms_authorization: str = ""  # the header's whole value
    sms_content_type: str = "application/json"  # or application/x-www-form-urlencoded: values are escaped for it
    sms_body: str = '{"to": "{phone}", "text": "{text}"}'  # {phone}, {code} and {text} are filled in
    sms_text: str = "Your Tidings code is {code}. It is valid for 5 minutes. Tell it to nobody."
    sms_tries: Positive = 3
    sms_timeout_s: Seconds = 2.0  # of one try; a client waits 10 s in all


def check(settings: Settings) -> None:
    """Refuse what would be unsafe. Raises SettingsError."""
    exposed = settings.host not in LOOPBACK or settings.listen not in LOOPBACK
    if settings.sms_provider == "dev" and exposed and not settings.insecure_dev:
        raise SettingsError(
            "TIDINGS_AUTH_SMS_PROVIDER: `dev` shows sign-in codes to whoever is on this machine, and the listener "
            "reaches beyond it. Configure the provider `http`, or accept it with TIDINGS_INSECURE_DEV=true."
        )
    if settings.sms_provider == "http" and not settings.sms_url:
        raise SettingsError("TIDINGS_AUTH_SMS_URL: the provider `http` needs the URL to send to")
