"""Access tokens (RFC 9068 `at+jwt`, ES256): made here, and verified strictly. No I/O but the keys."""

from typing import Any, Final

import jwt
import msgspec

from tidings.auth.keys import Keys
from tidings.contracts.errors import ApiError
from tidings.contracts.ids import is_id, new_id
from tidings.contracts.times import now_ms

ALGORITHM: Final = "ES256"
TYPE: Final = "at+jwt"
AUDIENCE: Final = "tidings-api"
MAX_CHARS: Final = 2048
# Headers by which a token would choose its own key, or demand something we do not know.
REFUSED_HEADERS: Final = frozenset({"crit", "jku", "jwk", "x5u", "x5c", "b64", "zip"})


class Access(msgspec.Struct, frozen=True):
    """What a valid access token says."""

    user_id: str
    session_id: str
    expires_at_ms: int


class Tokens:
    """Makes and reads access tokens."""

    def __init__(self, keys: Keys, issuer: str, lifetime_s: int) -> None:
        self._keys = keys
        self._issuer = issuer
        self.lifetime_s = lifetime_s

    def make(self, user_id: str, session_id: str, *, now_s: int | None = None) -> str:
        """A token that is valid from now on."""
        now = now_ms() // 1000 if now_s is None else now_s
        claims = {
            "iss": self._issuer, "aud": AUDIENCE, "sub": user_id, "sid": session_id, "jti": new_id(), "iat": now,
            "exp": now + self.lifetime_s,
        }  # fmt: skip
        key = self._keys.signing()
        return jwt.encode(claims, key.private, algorithm=ALGORITHM, headers={"typ": TYPE, "kid": key.kid})

    def read(self, token: str) -> Access:
        """Raises ApiError `unauthenticated` or `token_expired`."""
        if len(token) > MAX_CHARS:
            raise ApiError("unauthenticated")
        try:
            header = jwt.get_unverified_header(token)
            if header.get("alg") != ALGORITHM or header.get("typ") != TYPE or REFUSED_HEADERS & header.keys():
                raise ApiError("unauthenticated")
            kid = header.get("kid")
            key = self._keys.get(kid) if isinstance(kid, str) else None
            if key is None:
                raise ApiError("unauthenticated")
            claims: dict[str, Any] = jwt.decode(
                token,
                key.public,
                algorithms=[ALGORITHM],
                audience=AUDIENCE,
                issuer=self._issuer,
                options={"require": ["exp", "iat", "iss", "aud", "sub", "sid"]},
            )
        except jwt.ExpiredSignatureError:
            raise ApiError("token_expired") from None
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
            raise ApiError("unauthenticated") from None
        user_id, session_id = claims["sub"], claims["sid"]
        if not (isinstance(session_id, str) and is_id(user_id) and is_id(session_id)):
            raise ApiError("unauthenticated")
        return Access(user_id, session_id, int(claims["exp"]) * 1000)
