"""Sessions: opened by a code, kept by refreshing, ended by their owner, by reuse of a token or with the account."""

import asyncio
import hashlib
import secrets
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from tidings.auth.events import Events
from tidings.auth.otp import Codes
from tidings.auth.settings import Settings
from tidings.auth.store import ReusedError, Session, Store
from tidings.auth.tokens import Tokens
from tidings.contracts.errors import ApiError
from tidings.contracts.ids import is_id
from tidings.platform import logging
from tidings.platform.rpc import Peers
from tidings.rpc.v1 import user_pb2

if TYPE_CHECKING:
    from tidings.rpc.v1.user_pb2_grpc import UserServiceAsyncStub

_log = logging.get(__name__)


class Pair(msgspec.Struct, frozen=True):
    """What a device gets, and what it was for."""

    session: Session
    access_token: str
    refresh_token: str
    is_new_user: bool = False


class Sessions:
    """The rules of sessions."""

    def __init__(
        self,
        settings: Settings,
        most: int,
        store: Store,
        tokens: Tokens,
        codes: Codes,
        users: "Peers[UserServiceAsyncStub]",
        events: Events,
    ) -> None:
        self._settings = settings
        self._most = most
        self._store = store
        self._tokens = tokens
        self._codes = codes
        self._users = users
        self._events = events

    async def sign_in(self, phone: str, code: str, device_name: str, platform: str) -> Pair:
        """Raises ApiError `otp_invalid`, `otp_expired`."""
        used = await self._codes.use(phone, code)
        try:
            return await self._open(phone, device_name, platform)
        except (ApiError, asyncio.CancelledError):
            await self._codes.put_back(used)
            raise

    async def _open(self, phone: str, device_name: str, platform: str) -> Pair:
        user_id = await self._store.identify(phone)
        try:
            created = await self._ensure_user(user_id, phone)
        except ApiError as error:
            if error.code != "conflict":
                raise
            # A deletion that got no further than the user service: finish it, and begin anew.
            await self.delete_account(user_id)
            user_id = await self._store.identify(phone)
            created = await self._ensure_user(user_id, phone)
        refresh_token = _new_refresh_token()
        session, ended = await self._store.open(
            user_id, device_name, platform, _hash(refresh_token), self._settings.refresh_token_s,
            self._settings.access_token_s, self._most,
        )  # fmt: skip
        await self._tell_ended(user_id, ended)
        return Pair(session, self._tokens.make(user_id, session.id), refresh_token, created)

    async def refresh(self, refresh_token: str) -> Pair:
        """A new pair for this one. Raises ApiError `unauthenticated`, `token_expired` or `token_revoked`."""
        fresh = _new_refresh_token()
        try:
            session = await self._store.rotate(
                _hash(refresh_token), _hash(fresh), self._settings.refresh_token_s, self._settings.access_token_s
            )
        except ReusedError as reuse:
            if reuse.ended:
                _log.warning("a spent refresh token came again: session ended", session_id=reuse.session_id)
                await self._tell_ended(reuse.user_id, [reuse.session_id])
            raise ApiError("token_revoked") from None
        return Pair(session, self._tokens.make(session.user_id, session.id), fresh)

    async def list(self, user_id: str) -> Sequence[Session]:
        """Newest first."""
        return await self._store.of_user(user_id)

    async def end(self, user_id: str, session_id: str) -> None:
        """Done also when there is no such session of this person any more."""
        if is_id(session_id) and await self._store.end(user_id, session_id):
            await self._tell_ended(user_id, [session_id])

    async def delete_account(self, user_id: str) -> None:
        """Free the number, end everything. Safe to repeat."""
        for session_id in await self._store.delete_account(user_id):
            await self._events.session_revoked(user_id, session_id)

    async def tell_untold(self) -> None:
        """Push targets of ended sessions that the user service could not be told about."""
        for user_id, session_id in await self._store.untold():
            await self._drop_targets(user_id, session_id)

    async def _tell_ended(self, user_id: str, session_ids: Sequence[str]) -> None:
        for session_id in session_ids:
            await self._events.session_revoked(user_id, session_id)
        for session_id in session_ids:
            try:
                await self._drop_targets(user_id, session_id)
            except ApiError as error:  # the session is ended all the same; `tell_untold` comes by again
                _log.warning("push targets not dropped yet", session_id=session_id, error=error.code)

    async def _drop_targets(self, user_id: str, session_id: str) -> None:
        request = user_pb2.EndSessionRequest(user_id=user_id, session_id=session_id)
        await self._users.call(self._users.stub().EndSession, request, timeout_s=2)
        await self._store.told(session_id)

    async def _ensure_user(self, user_id: str, phone: str) -> bool:
        request = user_pb2.EnsureUserRequest(user_id=user_id, phone=phone)
        return (await self._users.call(self._users.stub().EnsureUser, request)).created


def _new_refresh_token() -> str:
    return secrets.token_urlsafe(32)


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
