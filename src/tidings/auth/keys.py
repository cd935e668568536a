"""Signing keys: EC P-256 PEM files `jwt-<made at, ms>.pem` in the data directory's secrets, mode 0600.

The newest signs, all verify. Rotation adds a file; every running instance sees it within seconds.
"""

import hashlib
import itertools
import time
from base64 import urlsafe_b64encode
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tidings.platform.secrets import secret_file

FIRST: Final = "jwt-0000000000000.pem"
SEEN_AGAIN_S: Final = 5.0
RETIRE_AFTER_MS: Final = 7 * 86_400_000  # a key verifies this long after its successor came: well past a token's life


class Key:
    """One key pair; `kid` is its RFC 7638 thumbprint."""

    def __init__(self, private: ec.EllipticCurvePrivateKey) -> None:
        self.private = private
        self.public = private.public_key()
        numbers = self.public.public_numbers()
        x, y = _b64(numbers.x.to_bytes(32, "big")), _b64(numbers.y.to_bytes(32, "big"))
        canonical = f'{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}'
        self.kid = _b64(hashlib.sha256(canonical.encode()).digest())
        self.jwk = {"kty": "EC", "crv": "P-256", "x": x, "y": y, "kid": self.kid, "alg": "ES256", "use": "sig"}


class Keys:
    """Owner of the keys in memory; reads the folder again when it is asked something after a while."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        if not _files(data_dir):
            secret_file(data_dir, FIRST, _fresh())
        self._found: dict[str, Key] = {}
        self._newest = ""
        self._names: list[str] = []
        self._read_at = 0.0
        self._read()

    def signing(self) -> Key:
        """The newest key."""
        self._read_if_old()
        return self._found[self._newest]

    def get(self, kid: str) -> Key | None:
        """The key of this id, from those we have: never a path, a URL or a query."""
        self._read_if_old()
        return self._found.get(kid)

    def jwks(self) -> dict[str, list[dict[str, str]]]:
        """RFC 7517: the public keys."""
        self._read_if_old()
        return {"keys": [key.jwk for key in self._found.values()]}

    def _read_if_old(self) -> None:
        if time.monotonic() - self._read_at > SEEN_AGAIN_S:
            self._read()

    def _read(self) -> None:
        self._read_at = time.monotonic()
        files = _files(self._data_dir)
        names = [file.name for file in files]
        if names == self._names or not files:
            return
        keys = [_load(file) for file in files]
        self._found, self._newest, self._names = {key.kid: key for key in keys}, keys[-1].kid, names


def rotate(data_dir: Path) -> str:
    """Make a new signing key; answers its `kid`. Keys replaced more than a week ago are removed."""
    now = int(time.time() * 1000)
    name = f"jwt-{now:013d}.pem"
    key = _parse(secret_file(data_dir, name, _fresh()))
    files = _files(data_dir)
    for file, successor in itertools.pairwise(files):
        if now - _made_at(successor) > RETIRE_AFTER_MS:
            file.unlink()
    return key.kid


def _made_at(file: Path) -> int:
    return int(file.stem.removeprefix("jwt-"))


def _files(data_dir: Path) -> list[Path]:
    return sorted((data_dir / "secrets").glob("jwt-[0-9]*.pem"))


def _fresh() -> bytes:
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _load(file: Path) -> Key:
    return _parse(file.read_bytes())


def _parse(pem: bytes) -> Key:
    private = serialization.load_pem_private_key(pem, password=None)
    if not isinstance(private, ec.EllipticCurvePrivateKey) or not isinstance(private.curve, ec.SECP256R1):
        raise ValueError("a signing key must be EC P-256")
    return Key(private)


def _b64(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode().rstrip("=")
