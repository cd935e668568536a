"""AWS Signature Version 4 for the few S3 calls that the object store's client does not have. Pure."""

import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime
from typing import Final
from urllib.parse import quote, urlsplit

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
    body: bytes = b"",
) -> dict[str, str]:
    """The headers that authorise a request at `now` (UTC). `path` is already percent-encoded."""
    stamp, host, digest = _stamp(now), urlsplit(endpoint).netloc, hashlib.sha256(body).hexdigest()
    canonical = (
        f"{method}\n{path}\n{query_string(query)}\n"
        f"host:{host}\nx-amz-content-sha256:{digest}\nx-amz-date:{stamp}\n\n{_SIGNED}\n{digest}"
    )
    signature = _signature(canonical, stamp, region, secret_key)
    return {
        "host": host,
        "x-amz-content-sha256": digest,
        "x-amz-date": stamp,
        "authorization": (
            f"AWS4-HMAC-SHA256 Credential={access_key}/{_scope(stamp, region)}, SignedHeaders={_SIGNED}, "
            f"Signature={signature}"
        ),
    }


def presign(
    method: str,
    endpoint: str,
    path: str,
    query: Mapping[str, str],
    now: datetime,
    lifetime_s: int,
    region: str,
    access_key: str,
    secret_key: str,
    size_bytes: int | None = None,
) -> str:
    """The query string that lets whoever has it make this one request for a while, with a body of just `size_bytes`
    where that is given. (S3 API Reference, "Authenticating Requests: Using Query Parameters".)"""
    stamp = _stamp(now)
    headers = ({} if size_bytes is None else {"content-length": str(size_bytes)}) | {"host": urlsplit(endpoint).netloc}
    signed = query_string(
        {
            **query,
            "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
            "X-Amz-Credential": f"{access_key}/{_scope(stamp, region)}",
            "X-Amz-Date": stamp,
            "X-Amz-Expires": str(lifetime_s),
            "X-Amz-SignedHeaders": ";".join(headers),
        }
    )
    lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
    canonical = f"{method}\n{path}\n{signed}\n{lines}\n{';'.join(headers)}\nUNSIGNED-PAYLOAD"
    return f"{signed}&X-Amz-Signature={_signature(canonical, stamp, region, secret_key)}"


def _stamp(now: datetime) -> str:
    return now.strftime("%Y%m%dT%H%M%SZ")


def _scope(stamp: str, region: str) -> str:
    return f"{stamp[:8]}/{region}/s3/aws4_request"


def _signature(canonical: str, stamp: str, region: str, secret_key: str) -> str:
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    to_sign = f"AWS4-HMAC-SHA256\n{stamp}\n{_scope(stamp, region)}\n{digest}"
    key = f"AWS4{secret_key}".encode()
    for part in (stamp[:8], region, "s3", "aws4_request", to_sign):
        key = hmac.digest(key, part.encode(), "sha256")
    return key.hex()
