"""Is a credential good? Access tokens, tickets and session ids, in batches, one query for all."""

import asyncio
import hashlib
import secrets
from collections.abc import Sequence
from typing import Final, Literal

import msgspec

from tidings.auth.store import Session, Store
from tidings.auth.tokens import Access, Tokens
from tidings.contracts.errors import ApiError
from tidings.contracts.ids import is_id
from tidings.platform import logging, metrics
from tidings.platform.redis import UNREACHABLE, Client

_log = logging.get(__name__)
_KEPT: Final = 20_000


class Credential(msgspec.Struct, frozen=True):
    """What somebody shows."""

    kind: Literal["token", "ticket", "session"]
    value: str


class Verdict(msgspec.Struct, frozen=True):
    """`code` empty: good."""

    code: str = ""
    user_id: str = ""
    session_id: str = ""
    expires_at_ms: int = 0


class Validator:
    """Owner of the cache of live sessions and of the sessions seen since the last `flush`."""

    def __init__(
        self, store: Store, tokens: Tokens, redis: Client, namespace: str, *, cache_s: float, ticket_s: int
    ) -> None:
        self._store = store
        self._tokens = tokens
        self._redis = redis
        self._prefix = f"{namespace}:ticket:"
        self._cache_s = cache_s
        self.ticket_s = ticket_s
        self._cached: dict[str, tuple[float, Session]] = {}
        self._seen: set[str] = set()
        self._drops = 0

    def drop(self, session_id: str) -> None:
        """It ended."""
        self._drops += 1
        self._cached.pop(session_id, None)

    async def make_ticket(self, user_id: str, session_id: str, authorization: str) -> str:
        """A ticket for one socket; it ends when the access token does. Raises ApiError `token_revoked`."""
        session = (await self._alive([session_id])).get(session_id)
        if session is None or session.user_id != user_id:
            raise ApiError("token_revoked")
        ends_ms = int(session.access_ends_at.timestamp() * 1000)
        kind, _, token = authorization.partition(" ")
        if kind.lower() == "bearer":
            ends_ms = self._tokens.read(token.strip()).expires_at_ms
        ticket = secrets.token_urlsafe(32)
        try:
            body = msgspec.json.encode(Access(user_id, session_id, ends_ms))
            await self._redis.set(self._ticket_key(ticket), body, ex=self.ticket_s)
        except UNREACHABLE as error:
            raise ApiError("unavailable") from error
        return ticket

    async def validate(self, credentials: Sequence[Credential]) -> list[Verdict]:
        """In the order given. Tickets are used up. Raises ApiError `unavailable`."""
        read = await asyncio.gather(*(self._read(credential) for credential in credentials))
        alive = await self._alive([access.session_id for access in read if isinstance(access, Access)])
        verdicts = []
        for access in read:
            if isinstance(access, str):
                verdicts.append(Verdict(access))
                continue
            session = alive.get(access.session_id)
            if session is None or access.user_id not in ("", session.user_id):
                verdicts.append(Verdict("token_revoked"))
                continue
            self._seen.add(session.id)
            ends_ms = access.expires_at_ms or int(session.access_ends_at.timestamp() * 1000)
            verdicts.append(Verdict("", session.user_id, session.id, ends_ms))
        return verdicts

    async def flush(self) -> None:
        """Write down which sessions were seen."""
        seen, self._seen = self._seen, set()
        if seen:
            await self._store.touch(sorted(seen))

    async def _read(self, credential: Credential) -> Access | str:
        if credential.kind == "session":
            return Access("", credential.value, 0) if is_id(credential.value) else "unauthenticated"
        if credential.kind == "token":
            try:
                return self._tokens.read(credential.value)
            except ApiError as error:
                return error.code
        try:
            body = await self._redis.getdel(self._ticket_key(credential.value))
        except UNREACHABLE as error:
            metrics.DEPENDENCY.labels("redis").inc()
            raise ApiError("unavailable") from error
        return "unauthenticated" if body is None else msgspec.json.decode(body, type=Access)

    async def _alive(self, session_ids: Sequence[str]) -> dict[str, Session]:
        now = asyncio.get_running_loop().time()
        found: dict[str, Session] = {}
        missing = []
        for session_id in dict.fromkeys(session_ids):
            at, session = self._cached.get(session_id, (0.0, None))
            if session is not None and now - at < self._cache_s:
                found[session_id] = session
            else:
                missing.append(session_id)
        if missing:
            drops = self._drops
            loaded = await self._store.alive(missing)
            found |= loaded
            if drops == self._drops:  # else what was read may be from before an end that was told meanwhile
                if len(self._cached) > _KEPT:
                    self._cached.clear()
                self._cached |= {session_id: (now, session) for session_id, session in loaded.items()}
        return found

    def _ticket_key(self, ticket: str) -> str:
        return self._prefix + hashlib.sha256(ticket.encode()).hexdigest()
