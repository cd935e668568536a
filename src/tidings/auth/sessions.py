"""Sessions: opening, refreshing, ending, and telling whether a credential is good."""

import asyncio
import hashlib
import secrets
import time
from collections.abc import Awaitable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, cast

import msgspec

from tidings.auth.keys import Keys
from tidings.auth.settings import Settings
from tidings.auth.store import Store
from tidings.contracts.errors import ApiError
from tidings.contracts.events import SESSION_REVOKED, SessionRevoked
from tidings.platform import logging
from tidings.platform.bus import Bus
from tidings.platform.redis import Client
from tidings.platform.rpc import Peers
from tidings.rpc.v1 import user_pb2

if TYPE_CHECKING:
    from tidings.rpc.v1.user_pb2_grpc import UserServiceAsyncStub

_log = logging.get(__name__)


class Pair(msgspec.Struct):
    """What a device gets: an access token and the refresh token for the next."""

    session_id: str
    user_id: str
    platform: str
    access_token: str
    refresh_token: str


class Proof(msgspec.Struct):
    """Whom a valid credential belongs to; `expires_at_ms` is when its access token ends."""

    user_id: str
    session_id: str
    expires_at_ms: int


class Sessions:
    """Owner of the cache of live sessions."""

    def __init__(
        self,
        store: Store,
        keys: Keys,
        redis: Client,
        bus: Bus,
        users: "Peers[UserServiceAsyncStub]",
        settings: Settings,
    ) -> None:
        self._store, self._keys, self._redis, self._bus, self._users = store, keys, redis, bus, users
        self._settings = settings
        self._alive_until: dict[str, float] = {}

    async def open(self, user_id: str, device_name: str, platform: str, most: int) -> Pair:
        """Sign a device in."""
        token = secrets.token_urlsafe(32)
        session_id, ended = await self._store.open_session(
            user_id, device_name, platform, _hash(token), self._refresh_until(), most
        )
        await self._announce(user_id, ended)
        return self._pair(session_id, user_id, platform, token)

    async def refresh(self, token: str) -> Pair:
        """Exchange a refresh token. Raises ApiError `unauthenticated`, or `token_revoked` when an old one came
        back: then somebody else has it, and the session ends."""
        fresh = secrets.token_urlsafe(32)
        found = await self._store.rotate(_hash(token), _hash(fresh), self._refresh_until())
        if found.outcome == "reused":
            _log.warning("an old refresh token came back: session ended", session=found.session_id)
            await self._announce(found.user_id, [found.session_id])
            raise ApiError("token_revoked")
        if found.outcome == "unknown":
            raise ApiError("unauthenticated", "the refresh token is not valid")
        return self._pair(found.session_id, found.user_id, found.platform, fresh)

    async def end(self, user_id: str, session_id: str | None) -> None:
        """End one session, or all."""
        await self._announce(user_id, await self._store.end(user_id, session_id))

    async def ticket(self, user_id: str, session_id: str, token_ends_ms: int) -> str:
        """A single-use ticket for one socket."""
        ticket = secrets.token_urlsafe(24)
        value = f"{user_id} {session_id} {token_ends_ms}".encode()
        await self._redis.set(self._ticket_key(ticket), value, ex=self._settings.ticket_lasts_s)
        return ticket

    async def prove_tokens(self, tokens: Sequence[str]) -> list[Proof | ApiError]:
        """Whom these access tokens belong to."""
        out: list[Proof | ApiError] = []
        for token in tokens:
            try:
                user_id, session_id, ends = self._keys.verify(token)
                out.append(Proof(user_id, session_id, ends * 1000))
            except ApiError as error:
                out.append(error)
        alive = await self.alive([p.session_id for p in out if isinstance(p, Proof)])
        return [ApiError("token_revoked") if isinstance(p, Proof) and p.session_id not in alive else p for p in out]

    async def prove_ticket(self, ticket: str) -> Proof | ApiError:
        """Whom a ticket belongs to; it is used up."""
        found = await cast("Awaitable[bytes | None]", self._redis.getdel(self._ticket_key(ticket)))
        if found is None:
            return ApiError("unauthenticated", "the ticket is not valid")
        user_id, session_id, ends = found.decode().split(" ")
        if session_id not in await self.alive([session_id]):
            return ApiError("token_revoked")
        return Proof(user_id, session_id, int(ends))

    async def alive(self, session_ids: Sequence[str]) -> set[str]:
        """Those of these sessions that were not ended, at most a few seconds old."""
        now = asyncio.get_running_loop().time()
        asked = set(session_ids)
        unknown = [s for s in asked if self._alive_until.get(s, 0) < now]
        if unknown:
            found = await self._store.alive(unknown)
            if len(self._alive_until) > 100_000:
                self._alive_until.clear()
            for session_id in found:
                self._alive_until[session_id] = now + self._settings.session_cache_s
            for session_id in set(unknown) - found:
                self._alive_until.pop(session_id, None)
        return {s for s in asked if self._alive_until.get(s, 0) >= now}

    async def on_revoked(self, event: SessionRevoked) -> None:
        """Another instance ended it."""
        self._alive_until.pop(event.session_id, None)

    async def _announce(self, user_id: str, session_ids: Sequence[str]) -> None:
        for session_id in session_ids:
            self._alive_until.pop(session_id, None)
            await self._bus.broadcast(SESSION_REVOKED, SessionRevoked(user_id, session_id))
            try:
                await self._users.call(
                    self._users.stub().EndSession, user_pb2.EndSessionRequest(user_id=user_id, session_id=session_id)
                )
            except ApiError as error:  # a push target outlives its session until then; it shows no more than a push
                _log.warning("push targets of an ended session could not be dropped", error=str(error))

    def _pair(self, session_id: str, user_id: str, platform: str, refresh_token: str) -> Pair:
        access = self._keys.sign(user_id, session_id, int(time.time()), self._settings.access_lasts_s)
        return Pair(session_id, user_id, platform, access, refresh_token)

    def _refresh_until(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self._settings.refresh_lasts_s)

    def _ticket_key(self, ticket: str) -> str:
        return f"{self._settings.namespace}:ticket:{hashlib.sha256(ticket.encode()).hexdigest()}"


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
