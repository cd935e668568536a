"""What is asked of a request: whether it is public, which buckets it takes from. Pure."""

import ipaddress
from typing import Final
from urllib.parse import parse_qs, urlsplit

from tidings.contracts.ids import new_id
from tidings.contracts.limits import Rates
from tidings.contracts.pages import is_page
from tidings.gateway.buckets import Bucket

PUBLIC: Final = frozenset(
    {
        ("GET", "/health"),
        ("GET", "/ready"),
        ("GET", "/openapi.json"),
        ("GET", "/.well-known/jwks.json"),
        ("GET", "/.well-known/assetlinks.json"),
        ("GET", "/api/v1/config"),
        ("GET", "/api/v1/dev/sms"),
        ("POST", "/api/v1/auth/request-otp"),
        ("POST", "/api/v1/auth/verify-otp"),
        ("POST", "/api/v1/auth/refresh"),
    }
)
"""What needs no token (contract section 1 and the calls marked * in section 3), beside the web client."""


def needs_token(method: str, target: str) -> bool:
    """Whether a request must carry an access token, or at the socket a ticket."""
    asked = method.upper().replace("HEAD", "GET")
    path = urlsplit(target).path
    return (asked, path) not in PUBLIC and not (asked == "GET" and is_page(path))


def ticket(target: str) -> str:
    """The ticket of a socket's address; empty when there is none."""
    parts = urlsplit(target)
    return parse_qs(parts.query).get("ticket", [""])[0] if parts.path == "/ws" else ""


def same_origin(origin: str, host: str, public_url: str) -> bool:
    """Whether a page of ours opens the socket (RFC 6454). Programs name no origin."""
    if not origin:
        return True
    page = urlsplit(origin)
    return page.scheme in ("http", "https") and page.netloc in (host, urlsplit(public_url).netloc)


def bearer(authorization: str) -> str:
    """The token of an Authorization header (RFC 6750); empty when there is none."""
    scheme, _, token = authorization.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def address_buckets(address: str, path: str, rates: Rates) -> list[Bucket]:
    """The buckets of an address; this machine has none."""
    try:
        if ipaddress.ip_address(address).is_loopback:
            return []
    except ValueError:
        pass
    buckets = [Bucket("ip", f"ip:{address}", rates.ip_per_second, rates.ip_burst)]
    if urlsplit(path).path == "/ws":
        per_second = rates.ip_sockets_per_second
        buckets.append(Bucket("sockets", f"sockets:{address}", per_second, per_second))
    return buckets


def user_bucket(user_id: str, rates: Rates) -> Bucket:
    """The bucket of a person."""
    return Bucket("user", f"user:{user_id}", rates.user_per_second, rates.user_burst)


def request_id(given: str) -> str:
    """A client's request id when it is usable, else a new one."""
    return given if 0 < len(given) <= 64 and given.isascii() and given.isprintable() else new_id()
