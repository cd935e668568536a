"""The only file that knows PostgreSQL, and the outbox's way out of it."""

from collections.abc import Sequence

import asyncpg

from tidings.chat.rules import Seat
from tidings.contracts.ids import new_id
from tidings.contracts.times import now_ms
from tidings.platform.postgres import Connection, Pool

Row = asyncpg.Record

# By participants_user, then primary keys; the two subqueries by participants_pkey.
_SEEN = """
SELECT c.*, p.user_id, p.role, p.membership, p.joined_seq, p.left_seq, p.joined_ms, p.muted_until_ms, p.pinned,
  p.archived, p.marked_unread, greatest(c.updated_ms, p.updated_ms) AS changed_ms,
  (SELECT count(*) FROM participants m WHERE m.chat_id = c.id AND m.membership = 'member') AS member_count,
  CASE WHEN c.type = 'direct' THEN coalesce((SELECT m.user_id FROM participants m
    WHERE m.chat_id = c.id AND m.user_id <> p.user_id LIMIT 1), p.user_id) END AS peer_id
FROM participants p JOIN chats c ON c.id = p.chat_id
"""


def seat(row: Row) -> Seat:
    """The part of a row that rules look at."""
    return Seat(row["user_id"], row["role"], row["membership"], row["joined_seq"], row["left_seq"], row["joined_ms"])


class Store:
    """Queries; those with a connection are part of its transaction."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool

    async def seen_by(self, user_id: str) -> list[Row]:
        return await self.pool.fetch(_SEEN + "WHERE p.user_id = $1 ORDER BY c.id", user_id)

    async def seen_in(self, chat_id: str, user_ids: Sequence[str]) -> list[Row]:
        return await self.pool.fetch(
            _SEEN + "WHERE p.chat_id = $1 AND p.user_id = ANY($2::text[])", chat_id, list(user_ids)
        )

    async def chats(self, chat_ids: Sequence[str]) -> list[Row]:
        return await self.pool.fetch("SELECT * FROM chats WHERE id = ANY($1::text[])", list(chat_ids))

    async def participants(self, chat_ids: Sequence[str]) -> list[Row]:
        return await self.pool.fetch("SELECT * FROM participants WHERE chat_id = ANY($1::text[])", list(chat_ids))

    async def pending(self, chat_ids: Sequence[str]) -> list[str]:
        rows = await self.pool.fetch(
            "SELECT DISTINCT chat_id FROM outbox WHERE chat_id = ANY($1::text[])", list(chat_ids)
        )
        return [row["chat_id"] for row in rows]

    async def pending_of(self, user_id: str) -> list[str]:
        rows = await self.pool.fetch(
            "SELECT DISTINCT o.chat_id FROM outbox o JOIN participants p USING (chat_id) WHERE p.user_id = $1", user_id
        )
        return [row["chat_id"] for row in rows]

    async def by_pair(self, key: str) -> str | None:
        found: str | None = await self.pool.fetchval("SELECT id FROM chats WHERE pair_key = $1", key)
        return found

    async def by_client_id(self, user_id: str, client_chat_id: str) -> str | None:
        found: str | None = await self.pool.fetchval(
            "SELECT id FROM chats WHERE creator_id = $1 AND client_chat_id = $2", user_id, client_chat_id
        )
        return found

    async def lock(self, db: Connection, chat_id: str) -> tuple[Row, dict[str, Seat]] | None:
        """The chat, locked: its changes happen one after the other."""
        chat = await db.fetchrow("SELECT * FROM chats WHERE id = $1 FOR UPDATE", chat_id)
        if chat is None:
            return None
        rows = await db.fetch("SELECT * FROM participants WHERE chat_id = $1", chat_id)
        return chat, {row["user_id"]: seat(row) for row in rows}

    async def join(self, db: Connection, chat_id: str, roles: dict[str, str]) -> None:
        """Seat people, anew if they were here before."""
        now = now_ms()
        await db.executemany(
            """INSERT INTO participants (chat_id, user_id, role, joined_ms, updated_ms) VALUES ($1, $2, $3, $4, $4)
            ON CONFLICT (chat_id, user_id) DO UPDATE SET role = $3, membership = 'member', joined_seq = NULL,
              left_seq = NULL, joined_ms = $4, updated_ms = $4""",
            [(chat_id, user_id, role, now) for user_id, role in roles.items()],
        )

    async def put_out(
        self,
        db: Connection,
        chat_id: str,
        actor_id: str,
        subject: str,
        notice: bytes | None,
        audience: Sequence[str],
        *,
        joined: Sequence[str] = (),
        gone: Sequence[str] = (),
    ) -> None:
        """What must still be told of this change. The relay waits a moment, as the request tells it itself."""
        now = now_ms()
        await db.execute(
            """INSERT INTO outbox (change_id, chat_id, actor_id, subject, notice, joined, gone, audience, next_ms)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)""",
            new_id(), chat_id, actor_id, subject, notice.decode() if notice else None, list(joined), list(gone),
            list(audience), now + 3000,
        )  # fmt: skip
        if notice:
            await db.execute("UPDATE chats SET updated_ms = $2 WHERE id = $1", chat_id, now)
