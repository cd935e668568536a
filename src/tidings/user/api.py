"""HTTP routes of user-service: decode, call one action, encode."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import msgspec
import phonenumbers
from litestar import Response, Router, delete, get, patch, post, put
from litestar.params import Parameter
from msgspec import UNSET, Meta, UnsetType

from tidings.contracts.content import bound, clean_name
from tidings.contracts.errors import ApiError, invalid
from tidings.contracts.events import (
    BLOCKS_CHANGED,
    PRIVACY_CHANGED,
    BlocksChanged,
    PrivacyChanged,
)
from tidings.contracts.ids import Id, is_id
from tidings.contracts.limits import Limits
from tidings.contracts.objects import Listing, User
from tidings.contracts.times import from_datetime, rfc3339_or_none
from tidings.platform.bus import Bus
from tidings.platform.cursors import Cursors
from tidings.platform.http import Caller, there_already
from tidings.platform.outer import is_outer
from tidings.platform.redis import UNREACHABLE, Client
from tidings.platform.rpc import Peers
from tidings.rpc.v1 import media_pb2
from tidings.user.erase import Erasure
from tidings.user.people import People
from tidings.user.profile import Privacy, PrivacyChange
from tidings.user.store import Device, Store

if TYPE_CHECKING:
    from tidings.rpc.v1.media_pb2_grpc import MediaServiceAsyncStub

Limit = Annotated[int, Parameter(ge=1, le=100)]
Phone = Annotated[str, Meta(min_length=1, max_length=64)]


class ProfilePatch(msgspec.Struct, rename="camel"):
    name: str | UnsetType = UNSET
    about: str | UnsetType | None = UNSET
    avatar_media_id: Id | UnsetType | None = UNSET


class ContactSyncBody(msgspec.Struct, rename="camel"):
    phone_numbers: list[Phone]


class ContactBody(msgspec.Struct, rename="camel"):
    user_id: Id | None = None
    phone: Phone | None = None
    name: str | None = None


class Keys(msgspec.Struct):
    p256dh: Annotated[str, Meta(min_length=1, max_length=256)]
    auth: Annotated[str, Meta(min_length=1, max_length=256)]


class Subscription(msgspec.Struct):
    endpoint: Annotated[str, Meta(pattern=r"^https?://", max_length=2048)]
    keys: Keys


class DeviceBody(msgspec.Struct):
    kind: Literal["fcm", "webpush"]
    token: Annotated[str, Meta(min_length=1, max_length=4096)] | None = None
    subscription: Subscription | None = None


def routes(
    *, store: Store, people: People, bus: Bus, redis: Client, namespace: str, cursors: Cursors, limits: Limits,
    media: "Peers[MediaServiceAsyncStub]", erasure: Erasure, inner_push_origins: Sequence[str] = (),
) -> list[Router]:  # fmt: skip
    """The routes under /api/v1."""

    async def one(caller: Caller, user_id: str) -> User:
        found = (
            (await people.shown(caller.user_id, [user_id], caller.base_url)).get(user_id) if is_id(user_id) else None
        )
        if found is None:
            raise ApiError("not_found", "there is no such person")
        return found

    async def page(table: str, caller: Caller, cursor: str | None, limit: int) -> Listing:
        after = cursors.open(table, caller.user_id, cursor, str) if cursor else None
        ids = await store.listed(table, caller.user_id, after, limit + 1)
        shown = await people.shown(caller.user_id, ids[:limit], caller.base_url)
        more = cursors.seal(table, caller.user_id, ids[limit - 1]) if len(ids) > limit else None
        return Listing(items=[shown[i] for i in ids[:limit] if i in shown], next_cursor=more)

    @get("/users/me")
    async def me(caller: Caller) -> User:
        return await one(caller, caller.user_id)

    @patch("/users/me")
    async def change_me(data: ProfilePatch, caller: Caller) -> User:
        fields: dict[str, Any] = {}
        if data.name is not UNSET:
            fields["name"] = clean_name("name", data.name, limits.user_name_chars)
        if data.about is not UNSET:
            if data.about is not None:
                bound("about", data.about, limits.user_about_chars)
            fields["about"] = data.about
        if data.avatar_media_id is not UNSET:
            if data.avatar_media_id is not None:
                await _attach(caller.user_id, data.avatar_media_id)
            fields["avatar_media_id"] = data.avatar_media_id
        await store.update(caller.user_id, fields)
        return await one(caller, caller.user_id)

    async def _attach(user_id: str, media_id: str) -> None:
        ask = media_pb2.Attachment(user_id=user_id, media_ids=[media_id])
        answer = await media.call(media.stub().AttachMedia, media_pb2.AttachMediaRequest(attachments=[ask]))
        if answer.results[0].code:
            raise ApiError(answer.results[0].code, "avatarMediaId: there is no such picture")

    @delete("/users/me", status_code=204)
    async def delete_me(caller: Caller) -> None:
        await erasure.erase(caller.user_id)

    @get("/users/me/privacy")
    async def read_privacy(caller: Caller) -> Privacy:
        return (await store.person(caller.user_id, caller.user_id)).privacy

    @put("/users/me/privacy")
    async def write_privacy(data: PrivacyChange, caller: Caller) -> Privacy:
        await store.set_privacy(caller.user_id, data)
        now = (await store.person(caller.user_id, caller.user_id)).privacy
        await bus.broadcast(PRIVACY_CHANGED, PrivacyChanged(caller.user_id, now.read_receipts))
        return now

    @get("/users/me/devices")
    async def read_devices(caller: Caller) -> Listing:
        return Listing(items=[_device(d) for d in await store.devices([caller.user_id])])

    @post("/users/me/devices", responses=there_already(dict[str, Any]))
    async def add_device(data: DeviceBody, caller: Caller) -> Response[dict[str, Any]]:
        if (data.token is None) == (data.subscription is None) or (data.kind == "fcm") != (data.token is not None):
            raise invalid("kind", "fcm takes a token, webpush a subscription")
        if data.subscription is not None and not is_outer(data.subscription.endpoint, inner_push_origins):
            raise invalid("subscription.endpoint", "must be the address of a push service on the internet")
        address = data.token if data.token is not None else msgspec.json.encode(data.subscription).decode()
        device, added = await store.add_device(caller.user_id, caller.session_id, data.kind, address)
        return Response(_device(device), status_code=201 if added else 200)

    @delete("/users/me/devices/{device_id:str}", status_code=204)
    async def drop_device(device_id: str, caller: Caller) -> None:
        if is_id(device_id):
            await store.drop_device(device_id, caller.user_id)

    @get("/users/{user_id:str}")
    async def read_user(user_id: str, caller: Caller) -> User:
        return await one(caller, user_id)

    @get("/users/{user_id:str}/presence")
    async def read_presence(user_id: str, caller: Caller) -> dict[str, Any]:
        await one(caller, user_id)
        seen = (await people.presence([(caller.user_id, user_id)]))[0]
        status = "online" if seen.online else "offline"
        return {"userId": user_id, "status": status, "lastSeen": rfc3339_or_none(seen.last_seen_ms)}

    @post("/users/contacts/sync", status_code=200)
    async def sync_contacts(data: ContactSyncBody, caller: Caller) -> dict[str, Any]:
        if len(data.phone_numbers) > limits.contact_sync_call:
            raise ApiError("limit_exceeded", f"at most {limits.contact_sync_call} numbers a call")
        await _spend(caller.user_id, len(data.phone_numbers))
        plain = {given: _e164(given) for given in data.phone_numbers}
        found = await store.by_phone(caller.user_id, [p for p in plain.values() if p is not None])
        ids = [p.id for p in found.values() if p.id != caller.user_id]
        if ids:
            await store.add_contacts(caller.user_id, ids, None, by_phone=True)
        shown = await people.shown(caller.user_id, [p.id for p in found.values()], caller.base_url)
        return {
            "items": [
                {"phone": given, "user": shown[found[phone].id]}
                for given, phone in plain.items()
                if phone in found and found[phone].id in shown
            ]
        }

    async def _spend(user_id: str, count: int) -> None:
        """Numbers are counted, not calls: a list of all numbers there are must take years."""
        key, most = f"{namespace}:contact-sync:{user_id}", limits.contact_sync_day
        try:
            pipe = redis.pipeline(transaction=True)  # never a count without its end
            pipe.incrby(key, count)
            pipe.expire(key, 86_400, nx=True)
            pipe.ttl(key)
            spent, _, left_s = await pipe.execute()
            if spent > most:
                await redis.decrby(key, count)
        except UNREACHABLE as error:
            raise ApiError("unavailable") from error
        if spent > most:
            wait_ms = max(1, int(left_s)) * 1000
            raise ApiError("rate_limited", "too many numbers today", retry_after_ms=wait_ms, limit=most)

    @get("/users/contacts")
    async def read_contacts(caller: Caller, cursor: str | None = None, limit: Limit = 50) -> Listing:
        return await page("contacts", caller, cursor, limit)

    @post("/users/contacts", responses=there_already(User))
    async def add_contact(data: ContactBody, caller: Caller) -> Response[User]:
        if (data.user_id is None) == (data.phone is None):
            raise invalid("userId", "give either userId or phone")
        name = None if data.name is None else clean_name("name", data.name, limits.user_name_chars)
        if data.phone is not None:
            phone = _e164(data.phone)
            found = await store.by_phone(caller.user_id, [phone] if phone else [])
            if not found:
                raise ApiError("not_found", "nobody here has this number")
            user_id = next(iter(found.values())).id
        else:
            user_id = (await store.person(caller.user_id, cast("str", data.user_id))).id
        if user_id == caller.user_id:
            raise invalid("userId", "you cannot be your own contact")
        added = await store.add_contacts(caller.user_id, [user_id], name, by_phone=data.phone is not None)
        return Response(await one(caller, user_id), status_code=201 if added else 200)

    @delete("/users/contacts/{user_id:str}", status_code=204)
    async def remove_contact(user_id: str, caller: Caller) -> None:
        if is_id(user_id):
            await store.remove_contact(caller.user_id, user_id)

    @get("/users/blocked")
    async def read_blocked(caller: Caller, cursor: str | None = None, limit: Limit = 50) -> Listing:
        return await page("blocks", caller, cursor, limit)

    @put("/users/blocked/{user_id:str}")
    async def block(user_id: str, caller: Caller) -> User:
        await one(caller, user_id)
        if user_id == caller.user_id:
            raise invalid("userId", "you cannot block yourself")
        await store.block(caller.user_id, user_id)
        await bus.broadcast(BLOCKS_CHANGED, BlocksChanged(caller.user_id, user_id, blocked=True))
        return await one(caller, user_id)

    @delete("/users/blocked/{user_id:str}", status_code=204)
    async def unblock(user_id: str, caller: Caller) -> None:
        if is_id(user_id):
            await store.unblock(caller.user_id, user_id)
            await bus.broadcast(BLOCKS_CHANGED, BlocksChanged(caller.user_id, user_id, blocked=False))

    handlers: list[Any] = [
        me, change_me, delete_me, read_privacy, write_privacy, read_devices, add_device, drop_device, sync_contacts,
        read_contacts, add_contact, remove_contact, read_blocked, block, unblock, read_user, read_presence,
    ]  # fmt: skip
    return [Router("/api/v1", route_handlers=handlers)]


def _device(device: Device) -> dict[str, Any]:
    return {"id": device.id, "kind": device.kind, "createdAt": from_datetime(device.created_at)}


def _e164(text: str) -> str | None:
    """A number as others write it; None when it is none: address books hold all sorts of things."""
    try:
        number = phonenumbers.parse("+" + text[2:] if text.startswith("00") else text, None)
    except phonenumbers.NumberParseException:
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
