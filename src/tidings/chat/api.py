"""HTTP: `/chats`, `/invites` and `/sync`. Decode, call one action, encode."""

from typing import Annotated, Any

import msgspec
from litestar import Response, delete, get, patch, post, put
from litestar.handlers import HTTPRouteHandler
from litestar.params import Parameter
from msgspec import UNSET, Meta, Raw, UnsetType

from tidings.chat.changes import Changes, RoleName
from tidings.chat.outbox import Outbox, settled
from tidings.chat.rules import window
from tidings.chat.settings import Settings
from tidings.chat.store import Store, seat
from tidings.chat.sync import Sync, Synced
from tidings.chat.views import Views
from tidings.contracts.errors import ApiError, invalid
from tidings.contracts.ids import ClientId, Id, is_id
from tidings.contracts.limits import Seq
from tidings.contracts.objects import Chat, Listing, Member, Who
from tidings.contracts.times import parse_ms, rfc3339
from tidings.platform.cursors import Cursors
from tidings.platform.http import Caller, there_already


class _Body(msgspec.Struct, rename="camel", kw_only=True): ...


class NewChat(_Body, kw_only=True):
    type: str
    user_id: Id | None = None
    name: str | None = None
    participant_ids: list[Id] = []
    client_chat_id: ClientId | None = None


class PermissionsPatch(_Body, kw_only=True):
    send: Who | UnsetType = UNSET
    edit_info: Who | UnsetType = UNSET
    add_members: Who | UnsetType = UNSET


class ChatPatch(_Body, kw_only=True):
    name: str | UnsetType = UNSET
    description: str | UnsetType | None = UNSET
    avatar_media_id: Id | UnsetType | None = UNSET
    permissions: PermissionsPatch | UnsetType = UNSET
    disappearing_seconds: Annotated[int, Meta(ge=1, le=366 * 86400)] | UnsetType | None = UNSET


class UserIds(_Body, kw_only=True):
    user_ids: Annotated[list[Id], Meta(min_length=1, max_length=1024)]


class RoleBody(_Body, kw_only=True):
    role: RoleName


class SettingsBody(_Body, kw_only=True):
    muted_until: str | UnsetType | None = UNSET
    pinned: bool | UnsetType = UNSET
    archived: bool | UnsetType = UNSET
    marked_unread: bool | UnsetType = UNSET


class SyncBody(_Body, kw_only=True):
    since: str | None = None
    positions: dict[str, Seq] = {}
    limit: Annotated[int, Meta(ge=1, le=2000)] = 500


class Refused(_Body, kw_only=True):
    user_id: str
    code: str


class MadeChat(Chat, kw_only=True):
    """The chat; `refused` are those whom a new group was made without, left out when there are none."""

    refused: list[Refused] | UnsetType = UNSET


class Added(_Body, kw_only=True):
    added: list[str]
    refused: list[Refused]


class Invite(_Body, kw_only=True):
    code: str
    url: str
    expires_at: str


def _set(body: msgspec.Struct, renamed: dict[str, str] | None = None) -> dict[str, Any]:
    found = {name: getattr(body, name) for name in body.__struct_fields__ if getattr(body, name) is not UNSET}
    return {(renamed or {}).get(name, name): value for name, value in found.items()}


def _refused(people: list[tuple[str, str]]) -> list[Refused]:
    return [Refused(user_id=user_id, code=code) for user_id, code in people]


def routes(
    store: Store, outbox: Outbox, changes: Changes, views: Views, sync: Sync, cursors: Cursors, settings: Settings
) -> list[HTTPRouteHandler]:
    """The handlers."""

    async def shown(chat_id: str, caller: Caller) -> Chat:
        found = await views.show(await store.seen_in(chat_id, [caller.user_id]), caller.base_url)
        if not found:
            raise ApiError("not_found")
        return found[0]

    @post("/api/v1/chats", summary="Begin a chat", responses=there_already(MadeChat))
    async def create(data: NewChat, caller: Caller) -> Response[MadeChat]:
        refused: list[tuple[str, str]] = []
        if data.type == "direct" and data.user_id:
            chat_id, new = await changes.create_direct(caller.user_id, data.user_id)
        elif data.type == "group" and data.name:
            chat_id, new, refused = await changes.create_group(
                caller.user_id, data.name, data.participant_ids, data.client_chat_id
            )
        elif data.type in ("direct", "group"):
            raise invalid("userId" if data.type == "direct" else "name", "is needed")
        else:
            raise invalid("type", "direct or group")
        chat = await shown(chat_id, caller)
        fields = {name: getattr(chat, name) for name in chat.__struct_fields__}
        made = MadeChat(**fields, refused=_refused(refused) or UNSET)
        return Response(made, status_code=201 if new else 200)

    @get("/api/v1/chats", summary="Chats, pinned first, then by newest activity")
    async def listing(
        caller: Caller, cursor: str | None = None, limit: Annotated[int, Parameter(ge=1, le=100)] = 50
    ) -> Listing:
        place = cursors.open("chats", caller.user_id, cursor, tuple[bool, int, str]) if cursor else None
        rows = [row for row in await settled(store, outbox, caller.user_id) if window(seat(row))]
        lasts = await views.lasts(rows)
        keyed = []
        for row in rows:
            last = lasts.get((caller.user_id, row["id"]))
            active = (last.last_at_ms if last else 0) or row["created_ms"]
            keyed.append(((not row["pinned"], -active, row["id"]), row))
        keyed.sort(key=lambda pair: pair[0])
        rest = [pair for pair in keyed if place is None or pair[0] > place]
        page = rest[:limit]
        items = await views.show([row for _, row in page], caller.base_url, lasts)
        more = cursors.seal("chats", caller.user_id, page[-1][0]) if len(rest) > limit else None
        return Listing(items=items, next_cursor=more)

    @get("/api/v1/chats/{chat_id:str}", summary="A chat")
    async def read(chat_id: str, caller: Caller) -> Chat:
        return await shown(chat_id, caller)

    @patch("/api/v1/chats/{chat_id:str}", summary="Change a chat")
    async def edit(chat_id: str, data: ChatPatch, caller: Caller) -> Chat:
        fields = _set(data, {"disappearing_seconds": "disappearing_s"})
        rights = fields.pop("permissions", None)
        await changes.edit(chat_id, caller.user_id, fields, _set(rights) if rights else {})
        return await shown(chat_id, caller)

    @get("/api/v1/chats/{chat_id:str}/members", summary="Members")
    async def members(
        chat_id: str, caller: Caller, cursor: str | None = None, limit: Annotated[int, Parameter(ge=1, le=200)] = 50
    ) -> Listing:
        purpose = f"members {chat_id}"
        place = cursors.open(purpose, caller.user_id, cursor, tuple[int, str]) if cursor else (0, "")
        seats = {row["user_id"]: seat(row) for row in await store.participants([chat_id] if is_id(chat_id) else [])}
        me = seats.get(caller.user_id)
        if me is None:
            raise ApiError("not_found")
        if me.membership != "member":
            raise ApiError("not_found", "you are no longer a member")
        rest = sorted(
            (s for s in seats.values() if s.membership == "member" and (s.joined_ms, s.user_id) > place),
            key=lambda s: (s.joined_ms, s.user_id),
        )
        page = rest[:limit]
        people = await views.people(caller.user_id, [s.user_id for s in page], caller.base_url)
        items = [
            {"userId": s.user_id, "role": s.role, "user": Raw(people.get(s.user_id) or b"null"),
             "joinedAt": rfc3339(s.joined_ms)}
            for s in page
        ]  # fmt: skip
        last = (page[-1].joined_ms, page[-1].user_id) if len(rest) > limit else None
        return Listing(items=items, next_cursor=cursors.seal(purpose, caller.user_id, last) if last else None)

    @post("/api/v1/chats/{chat_id:str}/members", status_code=200, summary="Add members")
    async def add(chat_id: str, data: UserIds, caller: Caller) -> Added:
        added, refused = await changes.add(chat_id, caller.user_id, data.user_ids)
        return Added(added=added, refused=_refused(refused))

    @delete("/api/v1/chats/{chat_id:str}/members/{user_id:str}", summary="Remove a member")
    async def remove(chat_id: str, user_id: str, caller: Caller) -> None:
        await changes.remove(chat_id, caller.user_id, user_id)

    @put("/api/v1/chats/{chat_id:str}/members/{user_id:str}/role", summary="Give a role")
    async def role(chat_id: str, user_id: str, data: RoleBody, caller: Caller) -> Member:
        await changes.set_role(chat_id, caller.user_id, user_id, data.role)
        people = await views.people(caller.user_id, [user_id], caller.base_url)
        row = (await store.seen_in(chat_id, [user_id]))[0]
        return Member(
            user_id=user_id, role=row["role"], user=Raw(people.get(user_id) or b"null"),
            joined_at=rfc3339(row["joined_ms"]),
        )  # fmt: skip

    @post("/api/v1/chats/{chat_id:str}/leave", status_code=200, summary="Leave a group")
    async def leave(chat_id: str, caller: Caller) -> Chat:
        await changes.leave(chat_id, caller.user_id)
        return await shown(chat_id, caller)

    @put("/api/v1/chats/{chat_id:str}/settings", summary="One's own settings of a chat")
    async def set_settings(chat_id: str, data: SettingsBody, caller: Caller) -> Chat:
        fields = _set(data, {"muted_until": "muted_until_ms"})
        if muted := fields.get("muted_until_ms"):
            try:
                fields["muted_until_ms"] = parse_ms(muted)
            except (ValueError, OverflowError):
                raise invalid("mutedUntil", "an RFC 3339 time") from None
        await changes.set_settings(chat_id, caller.user_id, fields)
        return await shown(chat_id, caller)

    @post("/api/v1/chats/{chat_id:str}/invite", summary="The group's invite", responses=there_already(Invite))
    async def invite(chat_id: str, caller: Caller) -> Response[Invite]:
        code, expires, new = await changes.make_invite(chat_id, caller.user_id, settings.invite_age_s)
        body = Invite(code=code, url=f"{caller.base_url}/invite/{code}", expires_at=rfc3339(expires))
        return Response(body, status_code=201 if new else 200)

    @delete("/api/v1/chats/{chat_id:str}/invite", summary="Revoke the invite")
    async def revoke(chat_id: str, caller: Caller) -> None:
        await changes.revoke_invite(chat_id, caller.user_id)

    @get("/api/v1/invites/{code:str}", summary="What an invite leads to")
    async def invited(code: str, caller: Caller) -> dict[str, Any]:  # noqa: ARG001  asking for it demands a sign-in
        row = await changes.invited(code)
        return {
            "code": code, "chatId": row["id"], "name": row["name"], "description": row["description"],
            "memberCount": row["member_count"], "expiresAt": rfc3339(row["expires_ms"]),
        }  # fmt: skip

    @post("/api/v1/invites/{code:str}/join", summary="Join by an invite", responses=there_already(Chat))
    async def join(code: str, caller: Caller) -> Response[Chat]:
        chat_id, new = await changes.join(code, caller.user_id)
        return Response(await shown(chat_id, caller), status_code=201 if new else 200)

    @post("/api/v1/sync", status_code=200, summary="What changed, and the log beyond each position")
    async def synchronise(data: SyncBody, caller: Caller) -> Synced:
        return await sync.sync(caller, data.since, data.positions, data.limit)

    return [
        create, listing, read, edit, members, add, remove, role, leave, set_settings, invite, revoke, invited, join,
        synchronise,
    ]  # fmt: skip
