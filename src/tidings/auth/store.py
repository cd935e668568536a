"""The only file that knows PostgreSQL: identities, sessions, refresh tokens."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from tidings.contracts.errors import ApiError
from tidings.contracts.ids import new_id
from tidings.platform.postgres import Pool, Row


class Session(msgspec.Struct, frozen=True):
    """One sign-in of one device."""

    id: str
    user_id: str
    device_name: str
    platform: str
    created_at: datetime
    last_seen_at: datetime
    access_ends_at: datetime


class ReusedError(Exception):
    """A spent refresh token came again; its session is ended."""

    def __init__(self, user_id: str, session_id: str, ended: bool) -> None:
        super().__init__(session_id)
        self.user_id = user_id
        self.session_id = session_id
        self.ended = ended


_SESSION = "id::text, user_id::text, device_name, platform, created_at, last_seen_at, access_ends_at"


class Store:
    """Queries, each atomic."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def identify(self, phone: str) -> str:
        """The user id of a number, a new one at first sign-in. Two first sign-ins at once agree."""
        async with self._pool.acquire() as c:
            await c.execute("INSERT INTO identities (phone, user_id) VALUES ($1, $2) ON CONFLICT DO NOTHING",
                            phone, new_id())  # fmt: skip
            return str(await c.fetchval("SELECT user_id FROM identities WHERE phone = $1", phone))

    async def open(
        self, user_id: str, device_name: str, platform: str, token_hash: bytes, refresh_s: int, access_s: int, most: int
    ) -> tuple[Session, list[str]]:
        """A new session, and the oldest ones ended to make room. Locks the person, so that the bound holds.

        Raises ApiError `conflict` when the account was deleted meanwhile.
        """
        async with self._pool.transaction() as c:
            if not await c.fetchval("SELECT 1 FROM identities WHERE user_id = $1 FOR UPDATE", user_id):
                raise ApiError("conflict", "the account was deleted")
            row = await c.fetchrow(
                "INSERT INTO sessions (id, user_id, device_name, platform, refresh_ends_at, access_ends_at) "
                "VALUES ($1, $2, $3, $4, now() + make_interval(secs => $5), now() + make_interval(secs => $6)) "
                f"RETURNING {_SESSION}",
                new_id(), user_id, device_name, platform, float(refresh_s), float(access_s),
            )  # fmt: skip
            session = _session(row)
            await c.execute("INSERT INTO refresh_tokens (hash, session_id) VALUES ($1, $2)", token_hash, session.id)
            ended = await c.fetch(
                "UPDATE sessions SET ended_at = now() WHERE ended_at IS NULL AND id IN (SELECT id FROM sessions "
                "WHERE user_id = $1 AND ended_at IS NULL ORDER BY created_at DESC, id DESC OFFSET $2) "
                "RETURNING id::text",
                user_id, most,
            )  # fmt: skip
            return session, [row["id"] for row in ended]

    async def rotate(self, old: bytes, new: bytes, refresh_s: int, access_s: int) -> Session:
        """Put `new` in the place of the token `old`.

        The session's row lock serialises: of two that bring the same token one is first, and the other is a reuse.
        Raises ApiError `unauthenticated` or `token_revoked`, and ReusedError after ending the session.
        """
        async with self._pool.acquire() as c:
            async with c.transaction():
                row = await c.fetchrow(
                    "SELECT s.id::text, s.user_id::text, s.ended_at, s.refresh_ends_at < now() AS lapsed "
                    "FROM sessions s WHERE s.id = (SELECT session_id FROM refresh_tokens WHERE hash = $1) FOR UPDATE",
                    old,
                )
                if row is None:
                    raise ApiError("unauthenticated")
                spent = await c.fetchval("SELECT spent FROM refresh_tokens WHERE hash = $1", old)
                if not spent:
                    if row["ended_at"] is not None:
                        raise ApiError("token_revoked")
                    if row["lapsed"]:
                        raise ApiError("token_expired")
                    await c.execute("UPDATE refresh_tokens SET spent = true WHERE hash = $1", old)
                    await c.execute("INSERT INTO refresh_tokens (hash, session_id) VALUES ($1, $2)", new, row["id"])
                    return _session(
                        await c.fetchrow(
                            "UPDATE sessions SET last_seen_at = now(), "
                            "refresh_ends_at = now() + make_interval(secs => $2), "
                            f"access_ends_at = now() + make_interval(secs => $3) WHERE id = $1 RETURNING {_SESSION}",
                            row["id"],
                            float(refresh_s),
                            float(access_s),
                        )  # fmt: skip
                    )
                await c.execute("UPDATE sessions SET ended_at = now() WHERE id = $1 AND ended_at IS NULL", row["id"])
            raise ReusedError(row["user_id"], row["id"], ended=row["ended_at"] is None)

    async def alive(self, session_ids: Sequence[str]) -> dict[str, Session]:
        """Those of these sessions that are not ended. By primary key."""
        rows = await self._pool.fetch(
            f"SELECT {_SESSION} FROM sessions WHERE id = ANY($1::uuid[]) AND ended_at IS NULL", list(session_ids)
        )
        return {row["id"]: _session(row) for row in rows}

    async def of_user(self, user_id: str) -> list[Session]:
        """A person's sessions, newest first. Index sessions_alive."""
        rows = await self._pool.fetch(
            f"SELECT {_SESSION} FROM sessions WHERE user_id = $1 AND ended_at IS NULL "
            "ORDER BY created_at DESC, id DESC",
            user_id,
        )
        return [_session(row) for row in rows]

    async def end(self, user_id: str, session_id: str) -> bool:
        """End a session. False: it was ended before, or is not this person's."""
        async with self._pool.acquire() as c:
            done = await c.fetchval(
                "UPDATE sessions SET ended_at = now() WHERE id = $1 AND user_id = $2 AND ended_at IS NULL RETURNING 1",
                session_id, user_id,
            )  # fmt: skip
            return done is not None

    async def delete_account(self, user_id: str) -> list[str]:
        """Free the number and end all sessions; answers those that were alive. Safe to repeat."""
        async with self._pool.transaction() as c:
            await c.execute("DELETE FROM identities WHERE user_id = $1", user_id)
            rows = await c.fetch(
                "UPDATE sessions SET ended_at = now(), user_service_told = true, device_name = '' "
                "WHERE user_id = $1 AND ended_at IS NULL RETURNING id::text",
                user_id,
            )
            return [row["id"] for row in rows]

    async def touch(self, session_ids: Sequence[str]) -> None:
        """These sessions were seen now."""
        async with self._pool.acquire() as c:
            await c.execute("UPDATE sessions SET last_seen_at = now() WHERE id = ANY($1::uuid[])", list(session_ids))

    async def untold(self) -> list[tuple[str, str]]:
        """Ended sessions (user, session) whose push targets may still be there. Index sessions_untold."""
        async with self._pool.acquire() as c:
            rows = await c.fetch(
                "SELECT user_id::text, id::text FROM sessions WHERE ended_at IS NOT NULL AND NOT user_service_told "
                "ORDER BY ended_at LIMIT 100"
            )
            return [(row["user_id"], row["id"]) for row in rows]

    async def told(self, session_id: str) -> None:
        """The user service has dropped the push targets."""
        async with self._pool.acquire() as c:
            await c.execute("UPDATE sessions SET user_service_told = true WHERE id = $1", session_id)

    async def purge(self, older_than_s: int) -> None:
        """Remove sessions that ended, or were last refreshed, long ago."""
        async with self._pool.acquire() as c:
            await c.execute(
                "DELETE FROM sessions WHERE user_service_told AND ended_at < now() - make_interval(secs => $1) "
                "OR refresh_ends_at < now() - make_interval(secs => $1)",
                float(older_than_s),
            )


def _session(row: Row | None) -> Session:
    if row is None:
        raise ApiError("internal")
    return Session(**dict(row))
