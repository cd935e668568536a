"""Changes of groups: limits from the settings, who may pin, who was refused, what is told at once, deleted accounts."""

import uuid
from typing import Any

import nats
import pytest
from tests.support.services import World
from tests.support.waiting import eventually

from tidings.contracts.events import USER_DELETED, USERS
from tidings.contracts.ids import new_chat_id, new_id
from tidings.platform import rpc
from tidings.rpc.v1 import chat_pb2
from tidings.rpc.v1.chat_pb2_grpc import ChatServiceStub


async def test_limits_are_those_of_the_settings(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDINGS_LIMITS_GROUP_NAME_CHARS", "5")
    monkeypatch.setenv("TIDINGS_LIMITS_GROUP_DESCRIPTION_CHARS", "7")
    ann = await world.person()
    group = await world.group(ann, name="short")
    async with world.instance("chat", "chat-2", wired=False) as small:
        me = small.as_(ann)
        assert await me.code("PATCH", f"/chats/{group}", {"name": "longer"}) == "limit_exceeded"
        assert await me.code("PATCH", f"/chats/{group}", {"description": "x" * 8}) == "limit_exceeded"
        assert await me.code("POST", "/chats", {"type": "group", "name": "longer"}) == "limit_exceeded"
        shown = await me.ask("PATCH", f"/chats/{group}", {"name": "12345", "description": "1234567"})
        assert (shown["name"], shown["description"]) == ("12345", "1234567")
    me = world.chat.as_(ann)
    for bad in ({"name": " "}, {"name": "a\x00"}, {"description": "a\x00"}, {"name": ""}):
        assert await me.code("PATCH", f"/chats/{group}", bad) == "invalid_request"
    assert await me.code("GET", "/chats/%00") == "not_found"
    assert await me.code("PATCH", "/chats/%00", {"name": "x"}) == "not_found"
    assert await me.code("GET", "/invites/%00") == "not_found"


async def test_a_group_tells_whom_it_was_made_without(world: World) -> None:
    ann, shy, foe, ben = [await world.person() for _ in range(4)]
    privacy = await world.user.as_(shy).ask("GET", "/users/me/privacy")
    await world.user.as_(shy).ask("PUT", "/users/me/privacy", privacy | {"groups": "contacts"})
    await world.user.as_(foe).ask("PUT", f"/users/blocked/{ann}")
    nobody = new_id()
    body = {"type": "group", "name": "g", "participantIds": [shy, foe, ben, nobody], "clientChatId": uuid.uuid4().hex}
    made = await world.chat.as_(ann).ask("POST", "/chats", body, gives=201)
    assert made["memberCount"] == 2
    assert {r["userId"]: r["code"] for r in made["refused"]} == {shy: "privacy", foe: "privacy", nobody: "not_found"}
    again = await world.chat.as_(ann).ask("POST", "/chats", body)
    assert (again["id"], "refused" in again) == (made["id"], False)
    await world.user.as_(shy).ask("POST", "/users/contacts", {"userId": ann}, gives=201)
    found = await world.chat.as_(ann).ask("POST", f"/chats/{made['id']}/members", {"userIds": [shy]})
    assert found == {"added": [shy], "refused": []}


async def test_who_may_pin_and_everyone_hears_at_once(world: World) -> None:
    ann, ben, cat = [await world.person() for _ in range(3)]
    group = await world.group(ann, ben, cat)
    await world.chat.as_(ann).ask("PATCH", f"/chats/{group}", {"permissions": {"editInfo": "admins"}})
    peers = rpc.Peers("chat", [world.environ["TIDINGS_CHAT_GRPC"]], ChatServiceStub, world.chat.token)

    async def pin(user_id: str, pinned: bool = True) -> str:
        request = chat_pb2.SetPinnedMessageRequest(chat_id=group, message_id=new_id(), pinned=pinned, user_id=user_id)
        return (await peers.call(peers.stub().SetPinnedMessage, request)).code

    assert await pin(ben) == "forbidden"
    assert await pin(new_id()) == "not_found"
    await world.chat.as_(cat).ask("POST", f"/chats/{group}/leave")
    assert await pin(cat) == "not_found"
    client = await nats.connect(world.stores.nats_url)
    heard = await client.subscribe(f"{world.namespace}.chat.updated")
    await client.flush()

    async def told(change: Any) -> None:
        await change
        await heard.next_msg(timeout=1)  # not only when the relay comes by, 3 s later

    await told(pin(ann))
    await told(world.chat.as_(ben).ask("PUT", f"/chats/{group}/settings", {"pinned": True}))
    await told(world.chat.as_(ann).ask("PATCH", f"/chats/{group}", {"name": "new"}))
    assert [await pin(ann) for _ in range(3)] == ["", "", "limit_exceeded"]
    await client.close()
    await peers.close()


async def test_who_has_gone_keeps_the_window_and_no_rights(world: World) -> None:
    ann, left, removed, eve = [await world.person() for _ in range(4)]
    group = await world.group(ann, left, removed)
    await world.say(group, ann, "seen by all")
    await world.chat.as_(left).ask("POST", f"/chats/{group}/leave")
    await world.chat.as_(ann).ask("DELETE", f"/chats/{group}/members/{removed}", gives=204)
    await world.say(group, ann, "after them")
    for person, how, last in ((left, "left", 3), (removed, "removed", 4)):
        me = world.chat.as_(person)
        shown = await me.ask("GET", f"/chats/{group}")
        assert (shown["membership"], shown["joinedSeq"], shown["leftSeq"], shown["lastSeq"]) == (how, 1, last, last)
        assert shown["lastMessage"]["seq"] == last
        page = await world.message.as_(person).ask("GET", f"/chats/{group}/messages", after=0)
        assert [item["seq"] for item in page["items"]] == list(range(1, last + 1))
        synced = await me.ask("POST", "/sync", {"since": None, "positions": {}})
        assert [i["seq"] for i in synced["log"][group]["items"]] == list(range(1, last + 1))
        assert await me.code("PUT", f"/chats/{group}/settings", {"archived": True}) == "200"
        assert await me.code("POST", f"/chats/{group}/leave") == "200"
    actions: list[tuple[str, str, object]] = [
        ("PATCH", "", {"name": "x"}), ("GET", "/members", None), ("POST", "/members", {"userIds": [eve]}),
        ("DELETE", f"/members/{ann}", None), ("PUT", f"/members/{ann}/role", {"role": "member"}),
        ("POST", "/invite", None), ("DELETE", "/invite", None),
    ]  # fmt: skip
    for person in (left, removed, eve):
        for method, path, body in actions:
            code = await world.chat.as_(person).code(method, f"/chats/{group}{path}", body)
            assert code == "not_found", (method, path, code)
    assert await world.chat.as_(eve).code("PUT", f"/chats/{group}/settings", {"archived": True}) == "not_found"
    assert await world.chat.as_(eve).code("POST", f"/chats/{new_chat_id()}/leave") == "not_found"


async def test_the_first_message_after_a_change_disappears_too(world: World) -> None:
    ann, ben = [await world.person() for _ in range(2)]
    direct = await world.direct(ann, ben)
    for seconds in (60, 120):
        await world.chat.as_(ann).ask("PATCH", f"/chats/{direct}", {"disappearingSeconds": seconds})
        assert (await world.say(direct, ben))["expiresAt"] is not None


async def test_a_deleted_account_leaves_its_groups_and_somebody_owns_them(world: World) -> None:
    await world.start("auth")
    ann, ben, cat = [await world.person() for _ in range(3)]
    group, alone, direct = await world.group(ann, ben, cat), await world.group(ann), await world.direct(ann, ben)
    await world.chat.as_(ann).ask("PUT", f"/chats/{group}/members/{cat}/role", {"role": "admin"})
    await world.user.as_(ann).ask("DELETE", "/users/me", gives=204)

    async def left() -> bool:
        return bool((await world.chat.as_(cat).ask("GET", f"/chats/{group}"))["myRole"] == "owner")

    await eventually(left, "the admin owns the group")
    shown = await world.chat.as_(ben).ask("GET", f"/chats/{group}")
    assert (shown["memberCount"], shown["lastMessage"]["content"]["event"]) == (2, "role.changed")
    page = await world.message.as_(ben).ask("GET", f"/chats/{group}/messages", after=2)
    assert [i["content"]["event"] for i in page["items"]] == ["member.left", "role.changed"]
    kept = await world.chat.as_(ben).ask("GET", f"/chats/{direct}")
    assert (kept["membership"], kept["peer"]["deleted"], kept["peer"]["phone"]) == ("member", True, None)
    async with world.database("chat") as db:
        assert await db.fetchval("SELECT membership FROM participants WHERE chat_id = $1", alone) == "left"


async def test_a_deletion_that_is_told_twice_is_done_once(world: World) -> None:
    ann, ben = [await world.person() for _ in range(2)]
    group = await world.group(ann, ben)
    client = await nats.connect(world.stores.nats_url)
    # Told twice, as it may be.
    for _ in range(2):
        body = b'{"userId":"' + ann.encode() + b'"}'
        await client.jetstream().publish(f"{world.namespace}.{USER_DELETED}", body)

    async def taken() -> bool:
        found = await client.jetstream().consumers_info(f"{world.namespace}_{USERS}")
        return all(not c.num_pending and not c.num_ack_pending for c in found)

    async def owns() -> bool:
        return bool((await world.chat.as_(ben).ask("GET", f"/chats/{group}"))["myRole"] == "owner")

    await eventually(owns, "ben owns the group")
    await eventually(taken, "both have been worked on")
    await client.close()
    assert (await world.chat.as_(ben).ask("GET", f"/chats/{group}"))["lastSeq"] == 3
