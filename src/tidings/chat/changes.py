"""Every change of a chat: checked under the chat's lock, committed with its outbox row, told, then answered."""

import secrets
from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from tidings.chat import rules
from tidings.chat.outbox import Outbox
from tidings.chat.rules import Seat
from tidings.chat.store import Store
from tidings.chat.views import Views
from tidings.contracts.content import bound, clean_name
from tidings.contracts.errors import ApiError
from tidings.contracts.ids import new_chat_id
from tidings.contracts.limits import Limits
from tidings.contracts.objects import ChatPermissions, Notice
from tidings.contracts.times import now_ms
from tidings.platform.postgres import Connection, Row
from tidings.rpc.v1 import media_pb2, user_pb2

_encode = msgspec.json.Encoder().encode
Fields = dict[str, Any]


class Changes:
    """The actions behind the HTTP routes."""

    def __init__(self, store: Store, outbox: Outbox, views: Views, limits: Limits) -> None:
        self._store, self._outbox, self._views, self._limits = store, outbox, views, limits

    async def _relations(self, user_id: str, others: Sequence[str]) -> dict[str, user_pb2.Relation]:
        users = self._views.users
        answer = await users.call(
            users.stub().GetRelations, user_pb2.GetRelationsRequest(user_id=user_id, other_ids=list(others))
        )
        return {r.other_id: r for r in answer.relations}

    async def _addable(self, user_id: str, others: Sequence[str]) -> tuple[list[str], list[tuple[str, str]]]:
        """Who may be added, and who not with the code that says why."""
        if not others:
            return [], []
        relations = await self._relations(user_id, others)
        good, refused = [], []
        for other in others:
            r = relations.get(other)
            if r is None or not r.exists or r.deleted:
                refused.append((other, "not_found"))
            elif r.blocked_by_me or r.blocked_me or not r.may_add_to_group:
                refused.append((other, "privacy"))
            else:
                good.append(other)
        return good, refused

    async def _locked(self, db: Connection, chat_id: str, user_id: str) -> tuple[Row, dict[str, Seat], Seat]:
        found = await self._store.lock(db, chat_id)
        if found is None or user_id not in found[1]:
            raise ApiError("not_found")
        chat, seats = found
        if seats[user_id].membership != "member":
            raise ApiError("not_found", "you are no longer a member")
        return chat, seats, seats[user_id]

    async def create_direct(self, user_id: str, peer_id: str) -> tuple[str, bool]:
        """(chat id, whether it is new). One per pair, whoever is first."""
        key = rules.pair_key(user_id, peer_id)
        found = await self._store.by_pair(key)
        if found is None and peer_id != user_id:
            r = (await self._relations(user_id, [peer_id])).get(peer_id)
            if r is None or not r.exists or r.deleted:
                raise ApiError("not_found", "there is no such person")
            if r.blocked_by_me or r.blocked_me:
                raise ApiError("blocked")
        return await self._create(user_id, dict.fromkeys((user_id, peer_id), "member"), found, pair_key=key)

    async def create_group(
        self, user_id: str, name: str, others: list[str], client_chat_id: str | None
    ) -> tuple[str, bool, list[tuple[str, str]]]:
        """(chat id, whether it is new, who was left out of it with the code that says why)."""
        name = clean_name("name", name, self._limits.group_name_chars)
        others = [u for u in dict.fromkeys(others) if u != user_id]
        if len(others) + 1 > self._limits.group_members:
            raise ApiError("limit_exceeded", "too many members")
        found = await self._store.by_client_id(user_id, client_chat_id) if client_chat_id else None
        good, refused = ([], []) if found else await self._addable(user_id, others)
        roles = {user_id: "owner"} | dict.fromkeys(good, "member")
        chat_id, made = await self._create(user_id, roles, found, name=name, client_chat_id=client_chat_id)
        return chat_id, made, refused if made else []

    async def _create(
        self, user_id: str, roles: dict[str, str], found: str | None, *, pair_key: str | None = None,
        name: str | None = None, client_chat_id: str | None = None,
    ) -> tuple[str, bool]:  # fmt: skip
        made = False
        if found is None:
            chat_id = new_chat_id()
            async with self._store.pool.transaction() as db:
                # A race ends here: the second waits for the first and inserts nothing.
                made = bool(
                    await db.fetchval(
                        "INSERT INTO chats"
                        " (id, type, pair_key, creator_id, client_chat_id, name, created_ms, updated_ms)"
                        " VALUES ($1, $2, $3, $4, $5, $6, $7, $7) ON CONFLICT DO NOTHING RETURNING id",
                        chat_id, "direct" if pair_key else "group", pair_key, user_id, client_chat_id, name, now_ms(),
                    )
                )  # fmt: skip
                if made:
                    await self._store.join(db, chat_id, roles)
                    notice = Notice(event="chat.created", actor_id=user_id, user_ids=list(roles), name=name)
                    await self._store.put_out(
                        db, chat_id, user_id, "chat.created", _encode(notice), list(roles), joined=list(roles)
                    )
            found = chat_id if made else (
                await self._store.by_pair(pair_key) if pair_key
                else await self._store.by_client_id(user_id, client_chat_id or "")
            )  # fmt: skip
        if found is None:
            raise ApiError("conflict")
        await self._outbox.drive(found)
        return found, made

    async def add(self, chat_id: str, user_id: str, others: list[str]) -> tuple[list[str], list[tuple[str, str]]]:
        """(added, refused with codes)."""
        others = list(dict.fromkeys(others))
        await self._check_member(chat_id, user_id)
        good, refused = await self._addable(user_id, others)
        async with self._store.pool.transaction() as db:
            chat, seats, me = await self._locked(db, chat_id, user_id)
            if chat["type"] != "group" or not rules.allows(me.role, chat["add_members"]):
                raise ApiError("forbidden")
            good = [u for u in good if u not in seats or seats[u].membership != "member"]
            await self._seat(db, chat_id, user_id, good, seats)
        await self._outbox.drive(chat_id)
        return good, refused

    async def _check_member(self, chat_id: str, user_id: str) -> None:
        if not await self._store.seen_in(chat_id, [user_id]):
            raise ApiError("not_found")

    async def _seat(
        self, db: Connection, chat_id: str, actor_id: str, joining: list[str], seats: dict[str, Seat]
    ) -> None:
        members = [u for u, s in seats.items() if s.membership == "member"]
        if len(members) + len(joining) > self._limits.group_members:
            raise ApiError("limit_exceeded", "the group is full")
        if joining:
            await self._store.join(db, chat_id, dict.fromkeys(joining, "member"))
            notice = Notice(event="member.added", actor_id=actor_id, user_ids=joining)
            await self._store.put_out(
                db, chat_id, actor_id, "group.member.added", _encode(notice), [*members, *joining], joined=joining
            )

    async def remove(self, chat_id: str, user_id: str, target_id: str) -> None:
        """Take somebody (or oneself) out. One who is not there is gone already."""
        await self._take_out(chat_id, user_id, target_id)
        await self._outbox.drive(chat_id)

    async def leave_all(self, user_id: str) -> None:
        """An account was deleted: out of every group. Direct chats stay, with a deleted account as the peer."""
        for row in await self._store.seen_by(user_id):
            if row["type"] == "group" and row["membership"] == "member":
                await self._take_out(row["id"], user_id, user_id)
                self._outbox.number_soon(row["id"])

    async def _take_out(self, chat_id: str, user_id: str, target_id: str) -> None:
        async with self._store.pool.transaction() as db:
            chat, seats, me = await self._locked(db, chat_id, user_id)
            if chat["type"] != "group":
                raise ApiError("forbidden", "a direct chat keeps its two people")
            target = seats.get(target_id)
            if target is None or target.membership != "member":
                if not rules.is_admin(me.role):
                    raise ApiError("forbidden")
                return
            own = target_id == user_id
            if not own:
                rules.check_remove(me, target)
            now = now_ms()
            await db.execute(
                "UPDATE participants SET membership = $3, role = 'member', left_seq = NULL, updated_ms = $4"
                " WHERE chat_id = $1 AND user_id = $2", chat_id, target_id, "left" if own else "removed", now,
            )  # fmt: skip
            audience = [u for u, s in seats.items() if s.membership == "member"]
            event = "member.left" if own else "member.removed"
            notice = Notice(event=event, actor_id=user_id, user_ids=[target_id])
            await self._store.put_out(
                db, chat_id, user_id, "group.member.removed", _encode(notice), audience, gone=[target_id]
            )
            heir = rules.successor(list(seats.values()), target_id) if target.role == "owner" else None
            if heir:
                await self._give_role(db, chat_id, user_id, heir, "owner", [u for u in audience if u != target_id])

    async def leave(self, chat_id: str, user_id: str) -> None:
        rows = await self._store.seen_in(chat_id, [user_id])
        if rows and rows[0]["type"] == "group" and rows[0]["membership"] != "member":
            return
        await self.remove(chat_id, user_id, user_id)

    async def _give_role(
        self, db: Connection, chat_id: str, actor_id: str, user_id: str, role: str, audience: list[str]
    ) -> None:
        await db.execute(
            "UPDATE participants SET role = $3, updated_ms = $4 WHERE chat_id = $1 AND user_id = $2",
            chat_id, user_id, role, now_ms(),
        )  # fmt: skip
        notice = Notice(event="role.changed", actor_id=actor_id, user_ids=[user_id], role=role)
        await self._store.put_out(db, chat_id, actor_id, "chat.updated", _encode(notice), audience)

    async def set_role(self, chat_id: str, user_id: str, target_id: str, role: str) -> None:
        async with self._store.pool.transaction() as db:
            chat, seats, me = await self._locked(db, chat_id, user_id)
            target = seats.get(target_id)
            if not rules.is_admin(me.role) or chat["type"] != "group":
                raise ApiError("forbidden")
            if target is None or target.membership != "member":
                raise ApiError("not_found", "no member")
            rules.check_role(me, target, role)
            audience = [u for u, s in seats.items() if s.membership == "member"]
            if target.role != role:
                if role == "owner":
                    await self._give_role(db, chat_id, user_id, user_id, "admin", audience)
                await self._give_role(db, chat_id, user_id, target_id, role, audience)
        await self._outbox.drive(chat_id)

    async def edit(self, chat_id: str, user_id: str, fields: Fields, permissions: Fields) -> None:
        """`fields` by column: name, description, avatar_media_id, disappearing_s."""
        await self._check_member(chat_id, user_id)
        if "name" in fields:
            fields["name"] = clean_name("name", fields["name"], self._limits.group_name_chars)
        if fields.get("description"):
            bound("description", fields["description"], self._limits.group_description_chars)
        if avatar := fields.get("avatar_media_id"):
            media = self._views.media
            answer = await media.call(
                media.stub().AttachMedia,
                media_pb2.AttachMediaRequest(attachments=[media_pb2.Attachment(user_id=user_id, media_ids=[avatar])]),
            )
            if answer.results[0].code:
                raise ApiError(answer.results[0].code, "the picture cannot be used")
        async with self._store.pool.transaction() as db:
            chat, seats, me = await self._locked(db, chat_id, user_id)
            info = {k: v for k, v in fields.items() if k != "disappearing_s"}
            if chat["type"] == "direct" and (info or permissions):
                raise ApiError("forbidden", "a direct chat has no name, picture or permissions")
            if chat["type"] == "group" and (
                (fields and not rules.allows(me.role, chat["edit_info"]))
                or (permissions and not rules.is_admin(me.role))
            ):
                raise ApiError("forbidden")
            changed = {k: v for k, v in (fields | permissions).items() if chat[k] != v}
            for column, value in changed.items():  # columns are named by api.py, never by a client
                await db.execute(f"UPDATE chats SET {column} = $2 WHERE id = $1", chat_id, value)  # noqa: S608
            if not changed:
                return
            audience = [u for u, s in seats.items() if s.membership == "member"]
            now = {k: changed.get(k, chat[k]) for k in ("send", "edit_info", "add_members")}
            told = {k: v for k, v in changed.items() if k in info}
            notices = []
            if told or permissions.keys() & changed.keys():
                rights = ChatPermissions(**now) if permissions.keys() & changed.keys() else None
                notices.append(Notice(event="info.changed", actor_id=user_id, permissions=rights, **told))
            if "disappearing_s" in changed:
                seconds = changed["disappearing_s"] or 0
                notices.append(Notice(event="disappearing.changed", actor_id=user_id, disappearing_seconds=seconds))
            for notice in notices:
                await self._store.put_out(db, chat_id, user_id, "chat.updated", _encode(notice), audience)
        await self._outbox.drive(chat_id)

    async def set_settings(self, chat_id: str, user_id: str, fields: Fields) -> None:
        """Per person; only their own devices hear of it."""
        await self._check_member(chat_id, user_id)
        async with self._store.pool.transaction() as db:
            for column, value in fields.items():
                await db.execute(
                    f"UPDATE participants SET {column} = $3, updated_ms = $4 WHERE chat_id = $1 AND user_id = $2",  # noqa: S608
                    chat_id, user_id, value, now_ms(),
                )  # fmt: skip
            await self._store.put_out(db, chat_id, user_id, "chat.updated", None, [user_id])
        self._outbox.tell_soon(chat_id)

    async def pin(self, chat_id: str, user_id: str, message_id: str, pinned: bool) -> None:
        """Taking a pin off is also what deleting its message does, so the right to that is message-service's."""
        async with self._store.pool.transaction() as db:
            chat, seats, me = await self._locked(db, chat_id, user_id)
            if pinned and chat["type"] == "group" and not rules.allows(me.role, chat["edit_info"]):
                raise ApiError("forbidden")
            ids = [i for i in chat["pinned_ids"] if i != message_id] + ([message_id] if pinned else [])
            if pinned and len(ids) > self._limits.pinned_messages:
                raise ApiError("limit_exceeded", "too many pinned messages")
            if ids == chat["pinned_ids"]:
                return
            await db.execute("UPDATE chats SET pinned_ids = $2, updated_ms = $3 WHERE id = $1", chat_id, ids, now_ms())
            audience = [u for u, s in seats.items() if s.membership == "member"]
            await self._store.put_out(db, chat_id, user_id, "chat.updated", None, audience)
        self._outbox.tell_soon(chat_id)

    async def make_invite(self, chat_id: str, user_id: str, age_s: int) -> tuple[str, int, bool]:
        """(code, expiry, whether it is new)."""
        async with self._store.pool.transaction() as db:
            chat, _, me = await self._locked(db, chat_id, user_id)
            if chat["type"] != "group" or not rules.is_admin(me.role):
                raise ApiError("forbidden")
            row = await db.fetchrow("SELECT * FROM invites WHERE chat_id = $1 AND expires_ms > $2", chat_id, now_ms())
            if row:
                return row["code"], row["expires_ms"], False
            code, expires = secrets.token_urlsafe(16), now_ms() + age_s * 1000
            await db.execute(
                "INSERT INTO invites VALUES ($1, $2, $3)"
                " ON CONFLICT (chat_id) DO UPDATE SET code = $2, expires_ms = $3",
                chat_id, code, expires,
            )  # fmt: skip
            return code, expires, True

    async def revoke_invite(self, chat_id: str, user_id: str) -> None:
        async with self._store.pool.transaction() as db:
            _, _, me = await self._locked(db, chat_id, user_id)
            if not rules.is_admin(me.role):
                raise ApiError("forbidden")
            await db.execute("DELETE FROM invites WHERE chat_id = $1", chat_id)

    async def invited(self, code: str) -> Row:
        """The group of an invite. Raises ApiError `not_found`."""
        if "\x00" in code:
            raise ApiError("not_found")
        row = await self._store.pool.fetchrow(
            "SELECT c.*, i.code, i.expires_ms, (SELECT count(*) FROM participants p WHERE p.chat_id = c.id"
            " AND p.membership = 'member') AS member_count FROM invites i JOIN chats c ON c.id = i.chat_id"
            " WHERE i.code = $1 AND i.expires_ms > $2", code, now_ms(),
        )  # fmt: skip
        if row is None:
            raise ApiError("not_found", "this invite is not valid any more")
        return row

    async def join(self, code: str, user_id: str) -> tuple[str, bool]:
        """(chat id, whether they were not in it). Who was removed comes back only when added."""
        chat_id: str = (await self.invited(code))["id"]
        async with self._store.pool.transaction() as db:
            found = await self._store.lock(db, chat_id)
            if found is None or not await db.fetchval("SELECT 1 FROM invites WHERE code = $1", code):
                raise ApiError("not_found")
            seat = found[1].get(user_id)
            if seat and seat.membership == "removed":
                raise ApiError("forbidden", "you were removed from this group")
            new = seat is None or seat.membership != "member"
            if new:
                await self._seat(db, chat_id, user_id, [user_id], found[1])
        await self._outbox.drive(chat_id)
        return chat_id, new


RoleName = Literal["owner", "admin", "member"]
