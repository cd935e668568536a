"""AWS Signature Version 4 for the few S3 calls that the object store's client does not have. Pure."""

import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime
from typing import Final
from urllib.parse import quote, urlsplit

_EMPTY: Final = hashlib.sha256(b"").hexdigest()
_SIGNED: Final = "host;x-amz-content-sha256;x-amz-date"


def query_string(query: Mapping[str, str]) -> str:
    """The query in the form that is signed: sorted and percent-encoded."""
    return "&".join(f"{quote(name, safe='')}={quote(query[name], safe='')}" for name in sorted(query))


def sign(
    method: str,
    endpoint: str,
    path: str,
    query: Mapping[str, str],
    now: datetime,
    region: str,
    access_key: str,
    secret_key: str,
) -> dict[str, str]:
    """The headers that authorise a request without a body at `now` (UTC). `path` is already percent-encoded."""
    stamp, day = now.strftime("%Y%m%dT%H%M%SZ"), now.strftime("%Y%m%d")
    host = urlsplit(endpoint).netloc
    canonical = (
        f"{method}\n{path}\n{query_string(query)}\n"
        f"host:{host}\nx-amz-content-sha256:{_EMPTY}\nx-amz-date:{stamp}\n\n{_SIGNED}\n{_EMPTY}"
    )
    scope = f"{day}/{region}/s3/aws4_request"
    to_sign = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = f"AWS4{secret_key}".encode()
    for part in (day, region, "s3", "aws4_request", to_sign):
        key = hmac.digest(key, part.encode(), "sha256")
    return {
        "host": host,
        "x-amz-content-sha256": _EMPTY,
        "x-amz-date": stamp,
        "authorization": (
            f"AWS4-HMAC-SHA256 Credential={access_key}/{scope}, SignedHeaders={_SIGNED}, Signature={key.hex()}"
        ),
    }
