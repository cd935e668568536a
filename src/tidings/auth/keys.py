"""Signing keys: ES256, one file a key in the secrets directory, the newest signs, all verify until removed."""

import hashlib
import time
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from jwt.algorithms import ECAlgorithm

from tidings.contracts.errors import ApiError
from tidings.contracts.ids import is_id
from tidings.platform.secrets import secret_file

ISSUER = "tidings"
AUDIENCE = "tidings-api"
ALGORITHM = "ES256"


def rotate(data_dir: Path) -> str:
    """Add a key that signs from now on; returns its file name. Services read it at their next start."""
    name = f"jwt-{time.time_ns():020d}.pem"
    secret_file(data_dir, name, _fresh())
    return name


class Keys:
    """The keys of this system."""

    def __init__(self, data_dir: Path) -> None:
        folder = data_dir / "secrets"
        files = sorted(folder.glob("jwt-*.pem")) if folder.exists() else []
        if not files:
            secret_file(data_dir, "jwt-00000000000000000001.pem", _fresh())
            files = sorted(folder.glob("jwt-*.pem"))
        self._private: dict[str, ec.EllipticCurvePrivateKey] = {}
        for file in files:
            key = load_pem_private_key(file.read_bytes(), None)
            if isinstance(key, ec.EllipticCurvePrivateKey):
                self._private[_kid(key)] = key
        self._signing = list(self._private)[-1]

    def jwks(self) -> dict[str, Any]:
        """The public keys (RFC 7517)."""
        keys = []
        for kid, key in self._private.items():
            keys.append(
                ECAlgorithm.to_jwk(key.public_key(), as_dict=True) | {"kid": kid, "alg": ALGORITHM, "use": "sig"}
            )
        return {"keys": keys}

    def sign(self, user_id: str, session_id: str, now_s: int, lasts_s: int) -> str:
        """An access token."""
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": user_id,
            "sid": session_id,
            "iat": now_s,
            "exp": now_s + lasts_s,
        }
        key = self._private[self._signing]
        return jwt.encode(claims, key, ALGORITHM, headers={"kid": self._signing, "typ": "at+jwt"})

    def verify(self, token: str) -> tuple[str, str, int]:
        """(user id, session id, end in Unix seconds) of an access token. Raises ApiError `unauthenticated` or
        `token_expired`. The header only chooses among our keys; nothing it names is fetched (RFC 8725)."""
        try:
            header = jwt.get_unverified_header(token)
            key = self._private.get(header.get("kid", ""))
            if key is None or header.get("alg") != ALGORITHM or header.get("typ") != "at+jwt" or "crit" in header:
                raise ApiError("unauthenticated", "the access token is not one of ours")
            claims = jwt.decode(
                token, key.public_key(), algorithms=[ALGORITHM], issuer=ISSUER, audience=AUDIENCE,
                options={"require": ["exp", "iat", "sub", "sid"]}, leeway=0,
            )  # fmt: skip
        except jwt.ExpiredSignatureError:
            raise ApiError("token_expired") from None
        except (jwt.PyJWTError, ValueError, TypeError):
            raise ApiError("unauthenticated", "the access token is not one of ours") from None
        if not (isinstance(claims["sid"], str) and is_id(claims["sub"]) and is_id(claims["sid"])):
            raise ApiError("unauthenticated", "the access token is not one of ours")
        return claims["sub"], claims["sid"], int(claims["exp"])


def _fresh() -> bytes:
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _kid(key: ec.EllipticCurvePrivateKey) -> str:
    numbers = key.public_key().public_numbers()
    return hashlib.sha256(f"{numbers.x}.{numbers.y}".encode()).hexdigest()[:16]
