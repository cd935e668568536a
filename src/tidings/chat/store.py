"""The only file that knows PostgreSQL, and the outbox's way out of it."""

from collections import defaultdict
from collections.abc import Collection, Sequence

from tidings.chat.rules import Seat
from tidings.contracts.ids import is_id, new_id
from tidings.contracts.times import now_ms
from tidings.platform.joined import Joined
from tidings.platform.postgres import Connection, Pool, Row

# By participants_user, then primary keys; the two subqueries by participants_pkey.
_SEEN = """
SELECT c.*, p.user_id, p.role, p.membership, p.joined_seq, p.left_seq, p.joined_ms, p.muted_until_ms, p.pinned,
  p.archived, p.marked_unread, greatest(c.updated_ms, p.updated_ms) AS changed_ms,
  (SELECT count(*) FROM participants m WHERE m.chat_id = c.id AND m.membership = 'member') AS member_count,
  CASE WHEN c.type = 'direct' THEN coalesce((SELECT m.user_id FROM participants m
    WHERE m.chat_id = c.id AND m.user_id <> p.user_id LIMIT 1), p.user_id) END AS peer_id
FROM participants p JOIN chats c ON c.id = p.chat_id
"""

PEOPLE_A_QUERY = 50


def seat(row: Row) -> Seat:
    """The part of a row that rules look at."""
    return Seat(row["user_id"], row["role"], row["membership"], row["joined_seq"], row["left_seq"], row["joined_ms"])


class Store:
    """Queries; those with a connection are part of its transaction."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self._seen_by = Joined(self._load_seen_by, PEOPLE_A_QUERY, at_once=4)

    async def seen_by(self, user_id: str) -> list[Row]:
        """All chats of a person in the order of their ids; one query with those who ask meanwhile."""
        return (await self._seen_by.get([user_id])).get(user_id, [])

    async def _load_seen_by(self, user_ids: Collection[str]) -> dict[str, list[Row]]:
        found: dict[str, list[Row]] = defaultdict(list)
        for row in await self.pool.fetch(_SEEN + "WHERE p.user_id = ANY($1::text[]) ORDER BY c.id", list(user_ids)):
            found[row["user_id"]].append(row)
        return found

    async def seen_in(self, chat_id: str, user_ids: Sequence[str]) -> list[Row]:
        if not is_id(chat_id):  # a path may hold anything, and PostgreSQL no NUL
            return []
        return await self.pool.fetch(
            _SEEN + "WHERE p.chat_id = $1 AND p.user_id = ANY($2::text[])", chat_id, list(user_ids)
        )

    async def chats(self, chat_ids: Sequence[str]) -> list[Row]:
        return await self.pool.fetch("SELECT * FROM chats WHERE id = ANY($1::text[])", list(chat_ids))

    async def participants(self, chat_ids: Sequence[str]) -> list[Row]:
        return await self.pool.fetch("SELECT * FROM participants WHERE chat_id = ANY($1::text[])", list(chat_ids))

    async def members(self, chat_ids: Sequence[str]) -> list[tuple[str, str]]:
        """(chat, person) of everyone who is in these chats."""
        rows = await self.pool.fetch(
            "SELECT chat_id, user_id FROM participants WHERE chat_id = ANY($1::text[]) AND membership = 'member'",
            list(chat_ids),
        )
        return [(row["chat_id"], row["user_id"]) for row in rows]

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
        chat = await db.fetchrow("SELECT * FROM chats WHERE id = $1 FOR UPDATE", chat_id) if is_id(chat_id) else None
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

    # -- the outbox: rows in the order of a chat's changes, as those hold the chat's row -----------------------------

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
            """INSERT INTO outbox (change_id, chat_id, actor_id, subject, notice, joined, gone, audience, next_ms, seq)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)""",
            new_id(), chat_id, actor_id, subject, notice.decode() if notice else None, list(joined), list(gone),
            list(audience), now + 3000, None if notice else 0,
        )  # fmt: skip
        if notice:
            await db.execute("UPDATE chats SET updated_ms = $2 WHERE id = $1", chat_id, now)

    async def unnumbered(self, chat_ids: Sequence[str]) -> dict[str, int]:
        """The last change without a number, of those chats that have one."""
        rows = await self.pool.fetch(
            "SELECT chat_id, max(id) AS last FROM outbox WHERE chat_id = ANY($1::text[]) AND seq IS NULL"
            " GROUP BY chat_id",
            list(chat_ids),
        )
        return {row["chat_id"]: row["last"] for row in rows}

    async def first_unnumbered(self, chat_id: str) -> int | None:
        found: int | None = await self.pool.fetchval(
            "SELECT min(id) FROM outbox WHERE chat_id = $1 AND seq IS NULL", chat_id
        )
        return found

    async def next_unnumbered(self, chat_id: str) -> Row | None:
        return await self.pool.fetchrow(
            "SELECT * FROM outbox WHERE chat_id = $1 AND seq IS NULL ORDER BY id LIMIT 1", chat_id
        )

    async def next_untold(self, chat_id: str) -> Row | None:
        """The chat's first change, if it has its number."""
        row = await self.pool.fetchrow("SELECT * FROM outbox WHERE chat_id = $1 ORDER BY id LIMIT 1", chat_id)
        return row if row is not None and row["seq"] is not None else None

    async def due(self, at_ms: int) -> list[str]:
        """Chats with something left to do."""
        rows = await self.pool.fetch(
            "SELECT chat_id, min(next_ms) FROM outbox WHERE next_ms <= $1 GROUP BY chat_id ORDER BY 2 LIMIT 100", at_ms
        )
        return [row["chat_id"] for row in rows]

    async def put_off(self, chat_id: str, until_ms: int) -> None:
        """It did not work now. Nothing is waited for: the row at work belongs to somebody who does better."""
        await self.pool.execute(
            "UPDATE outbox SET tries = tries + 1, next_ms = $2 WHERE id IN (SELECT id FROM outbox"
            " WHERE chat_id = $1 FOR UPDATE SKIP LOCKED)", chat_id, until_ms,
        )  # fmt: skip

    async def claim(self, name: str, token: str, instance: str, at_ms: int, lease_ms: int) -> bool:
        """Take a claim that nobody holds, or that lapsed. False: somebody holds it."""
        done = await self.pool.fetchval(
            "INSERT INTO outbox_claims (name, token, instance, until_ms) VALUES ($1, $2, $3, $4)"
            " ON CONFLICT (name) DO UPDATE SET token = $2, instance = $3, until_ms = $4"
            " WHERE outbox_claims.until_ms <= $5 RETURNING 1",
            name, token, instance, at_ms + lease_ms, at_ms,
        )  # fmt: skip
        return done is not None

    async def release(self, name: str, token: str) -> None:
        await self.pool.execute("DELETE FROM outbox_claims WHERE name = $1 AND token = $2", name, token)

    async def drop_claims(self, instance: str) -> None:
        """Its holder is dead, as the supervisor says."""
        await self.pool.execute("DELETE FROM outbox_claims WHERE instance = $1", instance)

    async def number(self, name: str, token: str, row: Row, seq: int, at_ms: int, lease_ms: int) -> bool:
        """A change got its number: the windows of whom it seats or unseats begin and end there. False: the claim is
        lost, and nothing is written."""
        chat_id, now = row["chat_id"], now_ms()
        # Not who was seated anew since: that later change has their number.
        latest = (
            " AND NOT EXISTS (SELECT 1 FROM outbox o WHERE o.chat_id = $1 AND o.id > $5 AND user_id = ANY(o.joined))"
        )
        async with self.pool.transaction() as db:
            if not await _renew(db, name, token, now + lease_ms):
                return False
            await db.execute(
                "UPDATE participants SET joined_seq = $3, updated_ms = $4"
                " WHERE chat_id = $1 AND user_id = ANY($2::text[])" + latest,
                chat_id, row["joined"], seq, now, row["id"],
            )  # fmt: skip
            await db.execute(
                "UPDATE participants SET left_seq = $3, updated_ms = $4"
                " WHERE chat_id = $1 AND user_id = ANY($2::text[]) AND membership <> 'member'" + latest,
                chat_id, row["gone"], seq, now, row["id"],
            )  # fmt: skip
            await db.execute("UPDATE outbox SET seq = $2, at_ms = $3 WHERE id = $1", row["id"], seq, at_ms)
        return True

    async def told(self, name: str, token: str, row_id: int, lease_ms: int) -> bool:
        """Its event is in the stream. False: the claim is lost."""
        async with self.pool.transaction() as db:
            if not await _renew(db, name, token, now_ms() + lease_ms):
                return False
            await db.execute("DELETE FROM outbox WHERE id = $1", row_id)
        return True


async def _renew(db: Connection, name: str, token: str, until_ms: int) -> bool:
    """The claim's row is locked till the end of the transaction: it cannot be taken over meanwhile."""
    done = await db.fetchval(
        "UPDATE outbox_claims SET until_ms = $3 WHERE name = $1 AND token = $2 RETURNING 1", name, token, until_ms
    )
    return done is not None
