"""What Web Push asks of a sender, as values: encryption (RFC 8188 `aes128gcm`, RFC 8291), identification (RFC 8292),
headers and answers (RFC 8030). Pure, but for the random numbers and the clock that are handed in.

Written on `cryptography`: it is some thirty lines, and tests hold them against the vector of RFC 8291, `http-ece` and
`pywebpush` (docs/decisions/0005).
"""

import hashlib
import os
from collections import OrderedDict
from email.utils import parsedate_to_datetime
from typing import Final, Literal

import jwt
import msgspec
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from tidings.platform.outer import origin_of
from tidings.platform.vapid import b64, point, public_key, unb64

RECORD_BYTES: Final = 4096  # RFC 8291, section 4: push services take no larger record, and no second one
OVERHEAD_BYTES: Final = 16 + 4 + 1 + 65 + 1 + 16  # salt, record size, length and key, delimiter, tag
TOPIC_CHARS: Final = 32  # RFC 8030, section 5.4
TOKEN_LIFE_S: Final = 12 * 3600  # RFC 8292 allows a day; clocks differ
TOKEN_MARGIN_S: Final = 3600
TOKENS_KEPT: Final = 1000

Verdict = Literal["sent", "gone", "too large", "later", "refused"]


class Keys(msgspec.Struct, frozen=True):
    p256dh: str
    auth: str


class Subscription(msgspec.Struct, frozen=True):
    """As the browser gave it. Whoever has it can push: a credential, `endpoint` too."""

    endpoint: str
    keys: Keys


class UnusableError(Exception):
    """The subscription's keys are none: nothing will ever reach it."""


def encrypt(
    text: bytes, keys: Keys, *, private: ec.EllipticCurvePrivateKey | None = None, salt: bytes | None = None
) -> bytes:
    """The body of a push: one record that only the subscriber can open. `private` and `salt` are fresh ones unless
    given. Raises UnusableError, and ValueError for a text that is too long for one record."""
    if len(text) + OVERHEAD_BYTES > RECORD_BYTES:
        raise ValueError(f"{len(text)} bytes do not fit into a push")
    try:
        theirs = unb64(keys.p256dh)
        receiver = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), theirs)
        secret = unb64(keys.auth)
    except ValueError as error:
        raise UnusableError("the keys are not those of a subscription") from error
    if len(secret) != 16:
        raise UnusableError("the secret is not 16 bytes")
    sender = private or ec.generate_private_key(ec.SECP256R1())
    salt = salt or os.urandom(16)
    ours = point(sender.public_key())
    shared = sender.exchange(ec.ECDH(), receiver)
    material = _hkdf(shared, secret, b"WebPush: info\0" + point(receiver) + ours, 32)
    key = _hkdf(material, salt, b"Content-Encoding: aes128gcm\0", 16)
    nonce = _hkdf(material, salt, b"Content-Encoding: nonce\0", 12)
    header = salt + RECORD_BYTES.to_bytes(4, "big") + bytes([len(ours)]) + ours
    return header + AESGCM(key).encrypt(nonce, text + b"\x02", None)  # 2: the last record


def _hkdf(material: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    return HKDF(hashes.SHA256(), length, salt, info).derive(material)


class Tokens:
    """Signs who we are, once per push service and half a day. Owner: the service's event loop."""

    def __init__(self, key: ec.EllipticCurvePrivateKey, contact: str) -> None:
        self._key = key
        self._public = public_key(key)
        self._contact = contact
        self._kept: OrderedDict[str, tuple[float, str]] = OrderedDict()

    def authorization(self, endpoint: str, now_s: float) -> str:
        """The header for this endpoint."""
        origin = origin_of(endpoint)
        until, value = self._kept.get(origin, (0.0, ""))
        if until - now_s < TOKEN_MARGIN_S:
            until = now_s + TOKEN_LIFE_S
            claims = {"aud": origin, "exp": int(until), "sub": self._contact}
            value = f"vapid t={jwt.encode(claims, self._key, 'ES256')}, k={self._public}"
            self._kept[origin] = (until, value)
            while len(self._kept) > TOKENS_KEPT:
                self._kept.popitem(last=False)
        return value


def topic(chat_id: str, target_id: str) -> str:
    """A later push of the same chat takes the place of one that is still on its way. The target is in it so that a
    push service learns nothing by comparing topics."""
    return b64(hashlib.sha256(f"{target_id}:{chat_id}".encode()).digest())[:TOPIC_CHARS]


def verdict(status: int) -> Verdict:
    """What an answer means for the push and its target. A redirect is not followed: it may lead anywhere."""
    if status in (200, 201, 202, 204):
        return "sent"
    if status in (404, 410):
        return "gone"
    if status == 413:
        return "too large"
    if status in (408, 425, 429) or status >= 500:
        return "later"
    return "refused"


def retry_after_s(value: str, now_s: float, most_s: float) -> float:
    """The seconds that a `Retry-After` asks for, as a number or a date; 0 when it asks for none."""
    if value.isascii() and value.isdigit():
        return min(float(value), most_s)
    try:
        asked = parsedate_to_datetime(value).timestamp() - now_s
    except (ValueError, OverflowError):
        return 0.0
    return max(0.0, min(asked, most_s))
