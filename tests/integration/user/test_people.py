"""Privacy of every field, to everyone who may look; contacts, blocks and push targets."""

import json
import secrets
from typing import Any

import pytest
from tests.support.services import World

from tidings.contracts.ids import new_id
from tidings.platform import rpc
from tidings.platform.presence import Presence
from tidings.platform.redis import connect
from tidings.rpc.v1 import media_pb2, user_pb2
from tidings.rpc.v1.media_pb2_grpc import MediaServiceServicer, add_MediaServiceServicer_to_server
from tidings.rpc.v1.user_pb2_grpc import UserServiceStub
from tidings.user.store import DEVICES_MOST

OPEN = {
    "lastSeen": "everyone", "online": "everyone", "avatar": "everyone", "about": "everyone", "groups": "everyone",
    "readReceipts": True,
}  # fmt: skip


class Pictures(MediaServiceServicer):
    """Every picture is there."""

    async def GetMediaMetadata(self, request: Any, context: Any) -> Any:
        shown = {"kind": "image", "mimeType": "image/png", "size": 1}
        return media_pb2.GetMediaMetadataResponse(
            media=[
                media_pb2.MediaMetadata(media_id=i, media_json=json.dumps({"id": i, **shown}).encode())
                for i in request.media_ids
            ]
        )

    async def AttachMedia(self, request: Any, context: Any) -> Any:
        return media_pb2.AttachMediaResponse(results=[media_pb2.AttachResult() for _ in request.attachments])


def phone() -> str:
    return f"+49151{secrets.randbelow(10**8):08d}"


async def seen(world: World, viewer: str, person: str) -> dict[str, bool]:
    """What of a person somebody sees, by the field of privacy that covers it."""
    me = world.user.as_(viewer)
    user = await me.ask("GET", f"/users/{person}")
    presence = await me.ask("GET", f"/users/{person}/presence")
    peers = rpc.Peers("user", [world.environ["TIDINGS_USER_GRPC"]], UserServiceStub, world.user.token)
    asked = user_pb2.GetRelationsRequest(user_id=viewer, other_ids=[person])
    (relation,) = (await peers.call(peers.stub().GetRelations, asked)).relations
    await peers.close()
    assert (presence["lastSeen"] is not None) <= (user["lastSeen"] is not None)
    return {
        "lastSeen": user["lastSeen"] is not None,
        "online": presence["status"] == "online",
        "avatar": user["avatar"] is not None,
        "about": user["about"] is not None,
        "groups": relation.may_add_to_group,
    }


@pytest.mark.timeout(120)
async def test_the_matrix_of_privacy(world: World) -> None:
    server = rpc.server(world.user.token, [lambda s: add_MediaServiceServicer_to_server(Pictures(), s)])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with (
        world.instance("user", "user-2", TIDINGS_MEDIA_GRPC=f"127.0.0.1:{port}") as user,
        connect(world.stores.redis_url) as redis,
    ):
        world.running["user"] = user
        ann, friend, stranger, foe, blocker = [await world.person() for _ in range(5)]
        me = user.as_(ann)
        await me.ask("PATCH", "/users/me", {"name": "Ann", "about": "here", "avatarMediaId": new_id()})
        # Contacts are those whom Ann has, not those who have her.
        await me.ask("POST", "/users/contacts", {"userId": friend}, gives=201)
        await user.as_(stranger).ask("POST", "/users/contacts", {"userId": ann}, gives=201)
        for one in (foe, blocker):
            await me.ask("POST", "/users/contacts", {"userId": one}, gives=201)
        await me.ask("PUT", f"/users/blocked/{foe}")
        await user.as_(blocker).ask("PUT", f"/users/blocked/{ann}")
        async with world.database("user") as db:
            await db.execute("UPDATE people SET last_seen = now() WHERE id = $1", ann)
        presence = Presence(redis, world.namespace)
        for field in ("lastSeen", "online", "avatar", "about", "groups"):
            for audience, may in (("everyone", (True, True)), ("contacts", (True, False)), ("nobody", (False, False))):
                assert await me.ask("PUT", "/users/me/privacy", OPEN | {field: audience}) == OPEN | {field: audience}
                await presence.beat("w")
                await presence.add("w", [ann])
                for viewer, allowed in ((friend, may[0]), (stranger, may[1])):
                    found = await seen(world, viewer, ann)
                    assert found == dict.fromkeys(found, True) | {field: allowed}, (field, audience)
                assert not any((await seen(world, foe, ann)).values())
                assert not any((await seen(world, blocker, ann)).values())
                own = await seen(world, ann, ann)
                assert own == dict.fromkeys(own, True)
        # Who hides both is offline without a time, as if unknown.
        await me.ask("PUT", "/users/me/privacy", OPEN | {"online": "nobody", "lastSeen": "nobody"})
        hidden = await user.as_(friend).ask("GET", f"/users/{ann}/presence")
        assert (hidden["status"], hidden["lastSeen"]) == ("offline", None)
    await server.stop(0)
    assert await world.auth.as_("").code("GET", "/auth/sessions") == "unauthenticated"


async def test_who_hides_was_not_seen_since(world: World) -> None:
    """What `/sync` brings anew: a chat that comes again with nothing new in it would tell when its peer was there."""
    ann, ben, foe, blocker = [await world.person() for _ in range(4)]
    me = world.user.as_(ann)
    await me.ask("PUT", f"/users/blocked/{foe}")
    await world.user.as_(blocker).ask("PUT", f"/users/blocked/{ann}")
    peers = rpc.Peers("user", [world.environ["TIDINGS_USER_GRPC"]], UserServiceStub, world.user.token)

    async def known(viewer: str) -> tuple[bool, bool]:
        """Whether Ann changed, and whether she was seen, since she was there the last time."""
        async with world.database("user") as db:
            since = await db.fetchval("SELECT extract(epoch FROM clock_timestamp()) * 1000")
            await db.execute("UPDATE people SET last_seen = clock_timestamp() + interval '1 ms' WHERE id = $1", ann)
        asked = user_pb2.GetChangedPeopleRequest(viewer_id=viewer, user_ids=[ann], since_ms=int(since) + 1)
        answer = await peers.call(peers.stub().GetChangedPeople, asked)
        return ann in answer.changed_ids, ann in answer.seen_ids

    for audience, may in (("everyone", True), ("nobody", False)):
        await me.ask("PUT", "/users/me/privacy", OPEN | {"lastSeen": audience})
        assert await known(ben) == (False, may), audience
        assert await known(foe) == await known(blocker) == (False, False)
    await peers.close()


async def test_blocks_hide_either_way_and_end(world: World) -> None:
    ann, ben = [await world.person(n) for n in ("Ann", "Ben")]
    me = world.user.as_(ann)
    for _ in range(2):
        assert (await me.ask("PUT", f"/users/blocked/{ben}"))["isBlocked"]
    assert [u["id"] for u in (await me.ask("GET", "/users/blocked"))["items"]] == [ben]
    assert (await world.user.as_(ben).ask("GET", f"/users/{ann}"))["isBlocked"] is False
    assert await me.code("PUT", f"/users/blocked/{ann}") == "invalid_request"
    assert await me.code("PUT", f"/users/blocked/{new_id()}") == "not_found"
    assert await me.code("PUT", "/users/blocked/%00") == "not_found"
    for _ in range(2):
        await me.ask("DELETE", f"/users/blocked/{ben}", gives=204)
    assert (await me.ask("GET", "/users/blocked"))["items"] == []


async def test_row_54_an_address_book_is_bounded_a_call_and_a_day(world: World) -> None:
    number = phone()
    ann, ben = await world.person(), await world.person("Ben", number)
    me = world.user.as_(ann)
    path = "/users/contacts/sync"
    written = f"00{number[1:4]} {number[4:]}"
    found = (await me.ask("POST", path, {"phoneNumbers": [written, "no number", phone()]}))["items"]
    assert [(i["phone"], i["user"]["id"], i["user"]["phone"]) for i in found] == [(written, ben, number)]
    assert [u["id"] for u in (await me.ask("GET", "/users/contacts"))["items"]] == [ben]
    assert await me.code("POST", path, {"phoneNumbers": [phone() for _ in range(1001)]}) == "limit_exceeded"
    for n in range(5):  # what is refused is not counted
        count = 1000 if n < 4 else 997
        await me.ask("POST", path, {"phoneNumbers": [f"+4915{n}{m:08d}" for m in range(count)]})
    answer = await me.raw("POST", path, {"phoneNumbers": [phone()]})
    assert (answer.status_code, answer.headers["ratelimit-limit"]) == (429, "5000")
    assert 80_000 < int(answer.headers["retry-after"]) <= 86_400
    await world.user.as_(ben).ask("POST", path, {"phoneNumbers": [phone()]})


async def test_a_push_target_belongs_to_a_session(world: World) -> None:
    ann, session, other = await world.person(), new_id(), new_id()
    one, two = world.user.as_(ann, session), world.user.as_(ann, other)
    body = {"kind": "fcm", "token": "a"}
    first = await one.ask("POST", "/users/me/devices", body, gives=201)
    assert (await one.ask("POST", "/users/me/devices", body))["id"] == first["id"]
    keys = {"p256dh": "B" * 87, "auth": "A" * 22}
    push = {"kind": "webpush", "subscription": {"endpoint": "https://push.example.com/x", "keys": keys}}
    await two.ask("POST", "/users/me/devices", push, gives=201)
    push["subscription"] = {"endpoint": "https://127.0.0.1/x", "keys": keys}
    assert await two.code("POST", "/users/me/devices", push) == "invalid_request"
    peers = rpc.Peers("user", [world.environ["TIDINGS_USER_GRPC"]], UserServiceStub, world.user.token)
    await peers.call(peers.stub().EndSession, user_pb2.EndSessionRequest(user_id=ann, session_id=session))
    asked = user_pb2.GetPushTargetsRequest(user_ids=[ann])
    targets = (await peers.call(peers.stub().GetPushTargets, asked)).targets
    assert [(t.kind, t.session_id) for t in targets] == [("webpush", other)]
    await peers.close()
    eve = await world.person()
    await world.user.as_(eve).ask("DELETE", f"/users/me/devices/{targets[0].id}", gives=204)
    assert len((await one.ask("GET", "/users/me/devices"))["items"]) == 1
    await one.ask("DELETE", f"/users/me/devices/{targets[0].id}", gives=204)
    assert (await one.ask("GET", "/users/me/devices"))["items"] == []


async def test_push_targets_are_bounded_and_the_oldest_go(world: World) -> None:
    ann = world.user.as_(await world.person())
    for n in range(DEVICES_MOST + 2):
        await ann.ask("POST", "/users/me/devices", {"kind": "fcm", "token": f"t{n}"}, gives=201)
    assert len((await ann.ask("GET", "/users/me/devices"))["items"]) == DEVICES_MOST
    await ann.ask("POST", "/users/me/devices", {"kind": "fcm", "token": "t0"}, gives=201)  # it had gone
    await ann.ask("POST", "/users/me/devices", {"kind": "fcm", "token": f"t{DEVICES_MOST + 1}"}, gives=200)


async def test_a_push_service_of_ones_own_is_allowed_by_name(world: World) -> None:
    ann = await world.person()
    keys = {"p256dh": "B" * 87, "auth": "A" * 22}

    def push(endpoint: str) -> dict[str, Any]:
        return {"kind": "webpush", "subscription": {"endpoint": endpoint, "keys": keys}}

    allowed = {"TIDINGS_INNER_PUSH_ORIGINS": "http://127.0.0.1:8090"}
    async with world.instance("user", "user-2", wired=False, **allowed) as instance:
        asker = instance.as_(ann)
        await asker.ask("POST", "/users/me/devices", push("http://127.0.0.1:8090/x"), gives=201)
        for other in ("http://127.0.0.1:8091/x", "http://push.example.com/x", "https://127.0.0.1:8090/x"):
            assert await asker.code("POST", "/users/me/devices", push(other)) == "invalid_request"
