"""The only file that knows PostgreSQL: people, contacts, blocks, devices."""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from msgspec import UNSET

from tidings.contracts.errors import ApiError
from tidings.contracts.ids import new_id
from tidings.platform.postgres import Connection, Pool
from tidings.user.profile import Person, Privacy, PrivacyChange

# A person `p.id` of `asked` with everything that stands between them and its `viewer`: four primary key look-ups each.
_PERSON = """
SELECT p.*, asked.viewer, c.user_id IS NOT NULL AS is_contact, c.name AS contact_name,
       coalesce(c.by_phone, false) AS knows_phone, h.user_id IS NOT NULL AS has_viewer,
       b.user_id IS NOT NULL AS blocked, r.user_id IS NOT NULL AS blocks_viewer
  FROM ({}) asked JOIN people p ON p.id = asked.id
  LEFT JOIN contacts c ON c.owner_id = asked.viewer AND c.user_id = p.id
  LEFT JOIN contacts h ON h.owner_id = p.id AND h.user_id = asked.viewer
  LEFT JOIN blocks b ON b.owner_id = asked.viewer AND b.user_id = p.id
  LEFT JOIN blocks r ON r.owner_id = p.id AND r.user_id = asked.viewer
"""
_BY_IDS = _PERSON.format("SELECT $1::uuid AS viewer, unnest($2::uuid[]) AS id")
_BY_PHONES = _PERSON.format("SELECT $1::uuid AS viewer, id FROM people WHERE phone = ANY($2::text[])")
_BY_PAIRS = _PERSON.format("SELECT unnest($1::uuid[]) AS viewer, unnest($2::uuid[]) AS id")
_PRIVACY_COLUMNS = {
    "last_seen": "see_last_seen",
    "online": "see_online",
    "avatar": "see_avatar",
    "about": "see_about",
    "groups": "add_to_groups",
    "read_receipts": "read_receipts",
}


DEVICES_MOST: Final = 32  # push targets of a person; the oldest go: one message must not mean thousands of calls


class Device(msgspec.Struct, kw_only=True):
    """A push target."""

    id: str
    user_id: str
    session_id: str
    kind: str
    address: str
    created_at: datetime


class Store:
    """People and what is between them."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def ensure(self, user_id: str, phone: str) -> tuple[bool, bool]:
        """Make a person at first sign-in: (made now, another account was found that must be erased).

        auth-service says whose the number is. A person who still has it was deleted there, and no further: what is
        left of them goes first. Raises ApiError `conflict` for an account that is deleted itself.
        """
        async with self._pool.transaction() as connection:
            me = await connection.fetchrow("SELECT deleted OR erasing AS gone FROM people WHERE id = $1", user_id)
            if me is not None:
                if me["gone"]:
                    raise ApiError("conflict", "this account was deleted")
                return False, False
            old = await connection.fetchval("SELECT id FROM people WHERE phone = $1 FOR UPDATE", phone)
            if old is not None:
                await _bury(connection, str(old))
                await connection.execute("UPDATE people SET erasing = true WHERE id = $1", old)
            made = await connection.fetchval(
                "INSERT INTO people (id, phone, name) VALUES ($1, $2, '') ON CONFLICT (id) DO NOTHING RETURNING 1",
                user_id,
                phone,
            )
            return made is not None, old is not None

    async def wish_erased(self, user_id: str) -> None:
        """Remember that this account is to be deleted."""
        await self._pool.execute("UPDATE people SET erasing = true WHERE id = $1 AND NOT deleted", user_id)

    async def erasing(self) -> list[str]:
        """Accounts whose deletion is not finished. Index people_erasing."""
        rows = await self._pool.fetch("SELECT id FROM people WHERE erasing LIMIT 100")
        return [str(row["id"]) for row in rows]

    async def erased(self, user_id: str) -> None:
        """Its deletion is told: nothing is left to do."""
        await self._pool.execute("UPDATE people SET erasing = false WHERE id = $1", user_id)

    async def people(self, viewer_id: str, user_ids: Sequence[str]) -> dict[str, Person]:
        """People by id, as facts for one viewer."""
        rows = await self._pool.fetch(_BY_IDS, viewer_id, list(set(user_ids)))
        return {str(row["id"]): _person(row) for row in rows}

    async def seen_by(self, pairs: Collection[tuple[str, str]]) -> dict[tuple[str, str], Person]:
        """People by (viewer, id), as facts for that viewer."""
        asked = list(set(pairs))
        rows = await self._pool.fetch(_BY_PAIRS, [viewer for viewer, _ in asked], [user_id for _, user_id in asked])
        return {(str(row["viewer"]), str(row["id"])): _person(row) for row in rows}

    async def person(self, viewer_id: str, user_id: str) -> Person:
        """One person. Raises ApiError `not_found`."""
        found = (await self.people(viewer_id, [user_id])).get(user_id)
        if found is None:
            raise ApiError("not_found", "there is no such person")
        return found

    async def by_phone(self, viewer_id: str, phones: Sequence[str]) -> dict[str, Person]:
        """People by number."""
        rows = await self._pool.fetch(_BY_PHONES, viewer_id, list(set(phones)))
        return {row["phone"]: _person(row) for row in rows}

    async def update(self, user_id: str, fields: dict[str, Any]) -> None:
        """Set profile columns; the names come from our own code."""
        if fields:
            sets = ", ".join(f"{name} = ${n}" for n, name in enumerate(fields, 2))
            statement = f"UPDATE people SET {sets}, updated_at = now() WHERE id = $1"
            await self._pool.execute(statement, user_id, *fields.values())

    async def set_privacy(self, user_id: str, change: PrivacyChange) -> None:
        """Store the privacy settings that are given."""
        given = {c: getattr(change, f) for f, c in _PRIVACY_COLUMNS.items()}
        await self.update(user_id, {column: value for column, value in given.items() if value is not UNSET})

    async def delete(self, user_id: str) -> None:
        """Turn a person into a tombstone: the id stays, everything personal goes."""
        async with self._pool.transaction() as connection:
            await _bury(connection, user_id)

    async def seen(self, at_ms: Mapping[str, int]) -> None:
        """Remember when people were last there; never moves back. All instances write it: rows are locked in the order
        of ids, and those that stand are left."""
        await self._pool.execute(
            "WITH seen AS (SELECT * FROM unnest($1::uuid[], $2::timestamptz[]) AS told (id, at)),"
            " behind AS (SELECT people.id FROM people JOIN seen USING (id) WHERE NOT deleted"
            " AND (last_seen IS NULL OR last_seen < at) ORDER BY people.id FOR NO KEY UPDATE OF people)"
            " UPDATE people SET last_seen = greatest(last_seen, seen.at) FROM behind JOIN seen USING (id)"
            " WHERE people.id = behind.id",
            list(at_ms), [datetime.fromtimestamp(at / 1000, UTC) for at in at_ms.values()],
        )  # fmt: skip

    # -- contacts and blocks ----------------------------------------------------------------------

    async def add_contacts(self, owner_id: str, user_ids: Sequence[str], name: str | None, *, by_phone: bool) -> bool:
        """Add contacts; a known one gets the new name. True: one was added."""
        status = await self._pool.fetch(
            "INSERT INTO contacts (owner_id, user_id, name, by_phone) SELECT $1, unnest($2::uuid[]), $3, $4"
            " ON CONFLICT (owner_id, user_id) DO UPDATE SET name = coalesce(excluded.name, contacts.name),"
            " by_phone = contacts.by_phone OR excluded.by_phone RETURNING (xmax = 0) AS added",
            owner_id, list(user_ids), name, by_phone,
        )  # fmt: skip
        await self._touch(owner_id, user_ids)
        return any(row["added"] for row in status)

    async def remove_contact(self, owner_id: str, user_id: str) -> None:
        """Forget a contact; need not be one."""
        await self._pool.execute("DELETE FROM contacts WHERE owner_id = $1 AND user_id = $2", owner_id, user_id)
        await self._touch(owner_id, [user_id])

    async def listed(self, table: str, owner_id: str, after: str | None, limit: int) -> list[str]:
        """Ids in `contacts` or `blocks` of a person, in the order of ids."""
        assert table in ("contacts", "blocks")  # noqa: S101  never from outside
        rows = await self._pool.fetch(
            f"SELECT user_id FROM {table} WHERE owner_id = $1 AND ($2::uuid IS NULL OR user_id > $2)"
            " ORDER BY user_id LIMIT $3",
            owner_id, after, limit,
        )  # fmt: skip
        return [str(row["user_id"]) for row in rows]

    async def block(self, owner_id: str, user_id: str) -> None:
        """Block somebody."""
        await self._pool.execute(
            "INSERT INTO blocks (owner_id, user_id) VALUES ($1, $2) ON CONFLICT DO NOTHING", owner_id, user_id
        )
        await self._touch(owner_id, [user_id])

    async def unblock(self, owner_id: str, user_id: str) -> None:
        """Unblock somebody; need not be blocked."""
        await self._pool.execute("DELETE FROM blocks WHERE owner_id = $1 AND user_id = $2", owner_id, user_id)
        await self._touch(owner_id, [user_id])

    async def apart(self, pairs: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
        """Those pairs of which one has blocked the other."""
        ones, others = [one for one, _ in pairs], [other for _, other in pairs]
        rows = await self._pool.fetch(
            "SELECT one, other FROM unnest($1::uuid[], $2::uuid[]) AS asked (one, other) WHERE EXISTS (SELECT FROM"
            " blocks WHERE owner_id = one AND user_id = other OR owner_id = other AND user_id = one)",
            ones, others,
        )  # fmt: skip
        return {(str(row["one"]), str(row["other"])) for row in rows}

    async def silent(self, user_ids: Sequence[str]) -> list[str]:
        """Those who send no read receipts."""
        rows = await self._pool.fetch(
            "SELECT id FROM people WHERE id = ANY($1::uuid[]) AND NOT read_receipts", list(user_ids)
        )
        return [str(row["id"]) for row in rows]

    async def changed(self, viewer_id: str, user_ids: Sequence[str], since_ms: int) -> tuple[list[str], list[str]]:
        """Those who may look different to the viewer since a moment, and those who were only seen since."""
        rows = await self._pool.fetch(
            "SELECT p.id, p.updated_at >= $3 OR EXISTS (SELECT 1 FROM touched t WHERE t.at >= $3"
            " AND ((t.one = $1 AND t.other = p.id) OR (t.one = p.id AND t.other = $1))) AS changed,"
            " p.last_seen >= $3 AS seen FROM people p WHERE p.id = ANY($2::uuid[])",
            viewer_id, list(set(user_ids)), datetime.fromtimestamp(since_ms / 1000, UTC),
        )  # fmt: skip
        changed = [str(row["id"]) for row in rows if row["changed"]]
        return changed, [str(row["id"]) for row in rows if row["seen"] and not row["changed"]]

    async def _touch(self, one: str, others: Sequence[str]) -> None:
        """After the change: who looks in between finds it at the next look."""
        await self._pool.execute(
            "INSERT INTO touched (one, other) SELECT $1, unnest($2::uuid[])"
            " ON CONFLICT (one, other) DO UPDATE SET at = now()",
            one, sorted(set(others)),
        )  # fmt: skip

    # -- devices ----------------------------------------------------------------------------------

    async def add_device(self, user_id: str, session_id: str, kind: str, address: str) -> tuple[Device, bool]:
        """A push target, and whether it is new. A token that comes again moves to the session that brings it."""
        row = await self._pool.fetchrow(
            "INSERT INTO devices (id, user_id, session_id, kind, address) VALUES ($1, $2, $3, $4, $5)"
            " ON CONFLICT (user_id, kind, address) DO UPDATE SET session_id = excluded.session_id"
            " RETURNING *, (xmax = 0) AS added",
            new_id(), user_id, session_id, kind, address,
        )  # fmt: skip
        await self._pool.execute(
            "DELETE FROM devices WHERE id IN (SELECT id FROM devices WHERE user_id = $1"
            " ORDER BY created_at DESC, id DESC OFFSET $2)",
            user_id, DEVICES_MOST,
        )  # fmt: skip
        return _device(row), bool(row and row["added"])

    async def devices(self, user_ids: Sequence[str]) -> list[Device]:
        """The push targets of people."""
        rows = await self._pool.fetch(
            "SELECT * FROM devices WHERE user_id = ANY($1::uuid[]) ORDER BY created_at", list(user_ids)
        )
        return [_device(row) for row in rows]

    async def drop_device(self, device_id: str, user_id: str | None = None) -> None:
        """Forget a push target: its owner's wish, or the provider's word that it is gone."""
        await self._pool.execute(
            "DELETE FROM devices WHERE id = $1 AND ($2::uuid IS NULL OR user_id = $2)", device_id, user_id
        )

    async def drop_session(self, session_id: str) -> None:
        """Push targets go with their session."""
        await self._pool.execute("DELETE FROM devices WHERE session_id = $1", session_id)


async def _bury(connection: Connection, user_id: str) -> None:
    await connection.execute(
        "UPDATE people SET phone = NULL, name = '', about = NULL, avatar_media_id = NULL, last_seen = NULL,"
        " deleted = true, updated_at = now() WHERE id = $1",
        user_id,
    )
    await connection.execute("DELETE FROM contacts WHERE owner_id = $1 OR user_id = $1", user_id)
    await connection.execute("DELETE FROM blocks WHERE owner_id = $1 OR user_id = $1", user_id)
    await connection.execute("DELETE FROM devices WHERE user_id = $1", user_id)
    await connection.execute("DELETE FROM touched WHERE one = $1 OR other = $1", user_id)


def _ms(at: datetime | None) -> int | None:
    return None if at is None else int(at.timestamp() * 1000)


def _person(row: Any) -> Person:
    return Person(
        id=str(row["id"]),
        phone=row["phone"],
        name=row["name"],
        about=row["about"],
        avatar_media_id=None if row["avatar_media_id"] is None else str(row["avatar_media_id"]),
        last_seen_ms=_ms(row["last_seen"]),
        deleted=row["deleted"],
        updated_at_ms=_ms(row["updated_at"]) or 0,
        privacy=Privacy(**{field: row[column] for field, column in _PRIVACY_COLUMNS.items()}),
        is_contact=row["is_contact"],
        contact_name=row["contact_name"],
        knows_phone=row["knows_phone"],
        has_viewer=row["has_viewer"],
        blocked=row["blocked"],
        blocks_viewer=row["blocks_viewer"],
    )


def _device(row: Any) -> Device:
    return Device(
        id=str(row["id"]),
        user_id=str(row["user_id"]),
        session_id=str(row["session_id"]),
        kind=row["kind"],
        address=row["address"],
        created_at=row["created_at"],
    )
