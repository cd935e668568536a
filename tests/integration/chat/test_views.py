"""Chats as their participants see them: one call per service for however many, and without pictures if need be."""

import asyncio
import json
import time

from tests.support.services import World

from tidings.contracts.ids import new_id
from tidings.platform import rpc
from tidings.rpc.v1 import chat_pb2
from tidings.rpc.v1.chat_pb2_grpc import ChatServiceStub


async def test_a_list_of_chats_costs_one_call_per_service(world: World) -> None:
    ann = await world.person()
    people = [await world.person(f"p{n}") for n in range(12)]
    for person in people:
        await world.direct(ann, person)
        await world.group(ann, person)
    message, users = world.wires["message"].calls, world.wires["user"].calls
    message.clear()
    users.clear()
    shown = (await world.chat.as_(ann).ask("GET", "/chats", limit=100))["items"]
    assert sorted(c["peer"]["name"] for c in shown if c["peer"]) == sorted(f"p{n}" for n in range(12))
    assert all(c["lastMessage"]["content"]["event"] == "chat.created" for c in shown)
    assert (message["GetLastMessages"], message["GetUnreadCounts"], users["GetUsers"]) == (1, 1, 1)


async def test_a_chat_as_many_see_it_costs_one_call_per_service(world: World) -> None:
    ann, late, *others = [await world.person() for _ in range(12)]
    group = await world.group(ann, *others)
    await world.say(group, ann, "one")
    await world.chat.as_(others[0]).ask("POST", f"/chats/{group}/leave")
    await world.chat.as_(ann).ask("POST", f"/chats/{group}/members", {"userIds": [late]})
    last = await world.say(group, ann, "two")
    message = await world.say(group, others[1], "of another")
    await world.message.as_(late).ask("DELETE", f"/messages/{message['messageId']}", gives=204, **{"for": "me"})
    calls = world.wires["message"].calls
    calls.clear()
    peers = rpc.Peers("chat", [world.environ["TIDINGS_CHAT_GRPC"]], ChatServiceStub, world.chat.token)
    request = chat_pb2.GetChatViewsRequest(chat_id=group, user_ids=[ann, late, *others, new_id()])
    views = (await peers.call(peers.stub().GetChatViews, request)).views
    await peers.close()
    assert (calls["GetLastMessages"], calls["GetUnreadCounts"]) == (0, 1)
    assert len(views) == 12
    # Each is what that person gets by asking.
    for view in views:
        own = await world.chat.as_(view.user_id).http.get(f"/chats/{group}")
        assert json.loads(view.chat_json) == own.json()
    assert (await world.chat.as_(late).ask("GET", f"/chats/{group}"))["lastMessage"]["messageId"] == last["messageId"]


async def test_without_media_service_chats_and_people_have_no_picture(world: World) -> None:
    ann, ben = await world.person("Ann"), await world.person("Ben")
    group, direct = await world.group(ann, ben), await world.direct(ann, ben)
    picture = new_id()
    async with world.database("chat") as db:
        await db.execute("UPDATE chats SET avatar_media_id = $1 WHERE id = $2", picture, group)
    async with world.database("user") as db:
        await db.execute("UPDATE people SET avatar_media_id = $1 WHERE id = $2", picture, ben)

    async def seen() -> None:
        started = time.monotonic()
        me = world.chat.as_(ann)
        shown = {c["id"]: c for c in (await me.ask("GET", "/chats"))["items"]}
        assert (shown[group]["avatar"], shown[group]["name"]) == (None, "g")
        assert (shown[direct]["peer"]["avatar"], shown[direct]["peer"]["name"]) == (None, "Ben")
        assert (await me.ask("GET", f"/chats/{group}"))["avatar"] is None
        assert (await me.ask("GET", f"/chats/{group}/members"))["items"][1]["user"]["name"] == "Ben"
        assert {c["id"] for c in (await me.ask("POST", "/sync", {"positions": {}}))["chats"]} == {group, direct}
        assert (await world.user.as_(ann).ask("GET", f"/users/{ben}"))["avatar"] is None
        assert time.monotonic() - started < 8

    await seen()  # it says it is unavailable

    async def hang() -> None:
        await asyncio.sleep(30)

    world.wires["media"].before["GetMediaMetadata"] = hang
    await seen()
    await world.wires["media"].stop()  # nobody listens
    await seen()
