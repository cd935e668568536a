"""Validated access tokens, remembered for a few seconds and forgotten at once when their session ends."""

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Collection
from typing import TYPE_CHECKING, Final

import msgspec

from tidings.contracts.errors import ApiError
from tidings.contracts.events import SessionRevoked
from tidings.contracts.times import now_ms
from tidings.gateway.settings import Settings
from tidings.platform.joined import Joined
from tidings.platform.rpc import Peers
from tidings.rpc.v1 import auth_pb2

if TYPE_CHECKING:
    from tidings.rpc.v1.auth_pb2_grpc import AuthServiceAsyncStub

ANSWER_S: Final = 2.0
TOKENS_A_CALL: Final = 100


class Identity(msgspec.Struct):
    """Whom a token belongs to."""

    user_id: str
    session_id: str
    expires_at_ms: int
    checked_at: float


class Tokens:
    """Owner of the cache. Tokens stand in it as hashes."""

    def __init__(self, auth: "Peers[AuthServiceAsyncStub]", settings: Settings) -> None:
        self._auth, self._settings = auth, settings
        self._known: OrderedDict[bytes, Identity] = OrderedDict()
        self._asked = Joined(self._validate, TOKENS_A_CALL)  # tickets are not: each is good for one who asks
        self._revoked = 0  # sessions that were told to have ended

    async def identify(self, token: str) -> Identity:
        """Whose token this is. Raises ApiError `unauthenticated`, `token_expired`, `token_revoked`, `unavailable`."""
        if not token or len(token) > 4096:
            raise ApiError("unauthenticated")
        key = hashlib.sha256(token.encode()).digest()
        now = asyncio.get_running_loop().time()
        known = self._known.get(key)
        if known is not None:
            if known.expires_at_ms <= now_ms():
                del self._known[key]
                raise ApiError("token_expired")
            if now - known.checked_at < self._settings.token_cache_s:
                return known
        revoked = self._revoked
        try:
            async with asyncio.timeout(ANSWER_S):  # also while a call that hangs is under way
                result = (await self._asked.get([token]))[token]
        except (ApiError, TimeoutError) as error:
            if known is not None and now - known.checked_at < self._settings.stale_token_s:
                return known
            raise error if isinstance(error, ApiError) else ApiError("unavailable") from error
        if result.code:
            self._known.pop(key, None)
            raise ApiError(result.code)
        fresh = Identity(result.user_id, result.session_id, result.expires_at_ms, now)
        if revoked != self._revoked:  # what was read may be from before the end of this very session
            return fresh
        self._known[key] = fresh
        self._known.move_to_end(key)
        while len(self._known) > self._settings.token_cache_size:
            self._known.popitem(last=False)
        return fresh

    async def _validate(self, tokens: Collection[str]) -> dict[str, auth_pb2.TokenResult]:
        request = auth_pb2.ValidateTokenRequest(credentials=[auth_pb2.Credential(access_token=t) for t in tokens])
        answer = await self._auth.call(self._auth.stub().ValidateToken, request, timeout_s=ANSWER_S)
        return dict(zip(tokens, answer.results, strict=True))

    async def redeem(self, ticket: str) -> Identity:
        """Whose ticket this is; it is used up. Raises as `identify`."""
        if len(ticket) > 256:
            raise ApiError("unauthenticated")
        request = auth_pb2.ValidateTokenRequest(credentials=[auth_pb2.Credential(ticket=ticket)])
        result = (await self._auth.call(self._auth.stub().ValidateToken, request, timeout_s=ANSWER_S)).results[0]
        if result.code:
            raise ApiError(result.code)
        return Identity(result.user_id, result.session_id, result.expires_at_ms, 0.0)

    async def on_revoked(self, event: SessionRevoked) -> None:
        """Forget all tokens of an ended session."""
        self._revoked += 1
        for key in [k for k, identity in self._known.items() if identity.session_id == event.session_id]:
            del self._known[key]
