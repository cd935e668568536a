"""The only file that knows PostgreSQL: accounts and sessions."""

from datetime import datetime
from typing import Any

import asyncpg
import msgspec

from tidings.contracts.ids import new_id
from tidings.platform.postgres import Pool


class Session(msgspec.Struct, kw_only=True):
    """One signed-in device."""

    id: str
    user_id: str
    device_name: str
    platform: str
    created_at: datetime
    last_seen_at: datetime


class Refreshed(msgspec.Struct):
    """What became of a refresh token: `rotated`, `reused` (the session is over now) or `unknown`."""

    outcome: str
    session_id: str = ""
    user_id: str = ""
    platform: str = ""


class Store:
    """Accounts and sessions."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def account(self, phone: str) -> tuple[str, bool]:
        """The account of a number and whether it is new; two first sign-ins at once get the same one."""
        row = await self._pool.fetchrow(
            "INSERT INTO accounts (id, phone) VALUES ($1, $2) ON CONFLICT (phone) DO NOTHING RETURNING id",
            new_id(),
            phone,
        )
        if row is not None:
            return str(row["id"]), True
        return str(await self._pool.fetchval("SELECT id FROM accounts WHERE phone = $1", phone)), False

    async def phone(self, user_id: str) -> str | None:
        """The number of an account; None when it was deleted."""
        found: str | None = await self._pool.fetchval("SELECT phone FROM accounts WHERE id = $1", user_id)
        return found

    async def open_session(
        self, user_id: str, device_name: str, platform: str, refresh_hash: bytes, until: datetime, most: int
    ) -> tuple[str, list[str]]:
        """A new session; the oldest ones beyond `most` end. Returns its id and theirs."""
        session_id = new_id()
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute("SELECT 1 FROM accounts WHERE id = $1 FOR UPDATE", user_id)
            await connection.execute(
                "INSERT INTO sessions (id, user_id, device_name, platform, refresh_hash, refresh_until)"
                " VALUES ($1, $2, $3, $4, $5, $6)",
                session_id, user_id, device_name, platform, refresh_hash, until,
            )  # fmt: skip
            ended = await connection.fetch(
                "UPDATE sessions SET revoked_at = now() WHERE id IN (SELECT id FROM sessions WHERE user_id = $1"
                " AND revoked_at IS NULL ORDER BY last_seen_at DESC, id DESC OFFSET $2) RETURNING id",
                user_id, most,
            )  # fmt: skip
        return session_id, [str(row["id"]) for row in ended]

    async def rotate(self, old_hash: bytes, new_hash: bytes, until: datetime) -> Refreshed:
        """Exchange a refresh token. The row lock makes one of two simultaneous uses the second, and that is reuse."""
        async with self._pool.acquire() as connection, connection.transaction():
            row = await connection.fetchrow(
                "SELECT id, user_id, platform, refresh_hash, refresh_until < now() AS late FROM sessions"
                " WHERE (refresh_hash = $1 OR previous_hash = $1) AND revoked_at IS NULL FOR UPDATE",
                old_hash,
            )
            if row is None or row["late"]:
                return Refreshed("unknown")
            found = Refreshed("rotated", str(row["id"]), str(row["user_id"]), row["platform"])
            if row["refresh_hash"] != old_hash:
                await connection.execute("UPDATE sessions SET revoked_at = now() WHERE id = $1", row["id"])
                return msgspec.structs.replace(found, outcome="reused")
            await connection.execute(
                "UPDATE sessions SET previous_hash = refresh_hash, refresh_hash = $2, refresh_until = $3,"
                " last_seen_at = now() WHERE id = $1",
                row["id"], new_hash, until,
            )  # fmt: skip
            return found

    async def alive(self, session_ids: list[str]) -> set[str]:
        """Those that were not ended."""
        rows = await self._pool.fetch(
            "SELECT id FROM sessions WHERE id = ANY($1::uuid[]) AND revoked_at IS NULL", session_ids
        )
        return {str(row["id"]) for row in rows}

    async def sessions(self, user_id: str) -> list[Session]:
        """A person's sessions, the newest first."""
        rows = await self._pool.fetch(
            "SELECT * FROM sessions WHERE user_id = $1 AND revoked_at IS NULL ORDER BY created_at DESC", user_id
        )
        return [_session(row) for row in rows]

    async def end(self, user_id: str, session_id: str | None) -> list[str]:
        """End one session of a person, or all. Returns the ids that ended."""
        rows = await self._pool.fetch(
            "UPDATE sessions SET revoked_at = now() WHERE user_id = $1 AND ($2::uuid IS NULL OR id = $2)"
            " AND revoked_at IS NULL RETURNING id",
            user_id, session_id,
        )  # fmt: skip
        return [str(row["id"]) for row in rows]

    async def delete_account(self, user_id: str) -> None:
        """Free the phone number; the id stays taken."""
        await self._pool.execute("UPDATE accounts SET phone = NULL, deleted_at = now() WHERE id = $1", user_id)


def _session(row: "asyncpg.Record") -> Session:
    value: dict[str, Any] = dict(row)
    return Session(
        id=str(value["id"]),
        user_id=str(value["user_id"]),
        device_name=value["device_name"],
        platform=value["platform"],
        created_at=value["created_at"],
        last_seen_at=value["last_seen_at"],
    )
