"""Settings of auth-service."""

from typing import Literal

from tidings.platform.settings import Common, Positive, Seconds


class Settings(Common, kw_only=True, frozen=True):
    """Times in seconds."""

    sms_provider: Literal["dev", "http"] = "dev"
    sms_url: str = ""  # http provider: where to POST
    sms_body: str = '{"to": "{phone}", "text": "{text}"}'  # JSON; {phone} and {text} are filled in, escaped
    sms_authorization: str = ""  # the Authorization header of that POST
    sms_text: str = "Your Tidings code is {code}. Do not share it."
    sms_timeout_s: Seconds = 5.0
    otp_lasts_s: Positive = 300
    otp_tries: Positive = 5  # over all addresses; then the code is burnt
    otp_resend_s: Positive = 60
    access_lasts_s: Positive = 86_400
    refresh_lasts_s: Positive = 90 * 86_400
    ticket_lasts_s: Positive = 30
    session_cache_s: Seconds = 5.0  # how long a session is taken to live without asking PostgreSQL
    web_origins: list[str] | None = None  # besides the host asked: where a web client may be served from
