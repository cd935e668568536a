"""The key by which push services know this system (RFC 8292): made at the first start, told by `/config`.

A private EC P-256 number in base64url, as others keep theirs too. Who changes it loses all subscriptions: browsers bind
each to the key it was made with.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tidings.platform.secrets import secret

NAME: Final = "vapid_key"


def load_key(data_dir: Path) -> ec.EllipticCurvePrivateKey:
    """The key of this system. Raises ValueError when what is kept is none."""
    fresh = ec.generate_private_key(ec.SECP256R1()).private_numbers().private_value.to_bytes(32, "big")
    return parse_key(secret(data_dir, NAME, b64(fresh)))


def parse_key(text: str) -> ec.EllipticCurvePrivateKey:
    """The key of a private number in base64url."""
    return ec.derive_private_key(int.from_bytes(unb64(text.strip()), "big"), ec.SECP256R1())


def public_key(key: ec.EllipticCurvePrivateKey) -> str:
    """What browsers take as `applicationServerKey`: the uncompressed point in base64url."""
    return b64(point(key.public_key()))


def point(key: ec.EllipticCurvePublicKey) -> bytes:
    """The 65 bytes of the uncompressed point."""
    return key.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)


def b64(raw: bytes) -> str:
    """Base64url without padding."""
    return urlsafe_b64encode(raw).decode().rstrip("=")


def unb64(text: str) -> bytes:
    """The bytes of base64url, with or without padding. Raises ValueError."""
    return urlsafe_b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4))
