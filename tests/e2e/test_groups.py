"""Groups: members, roles, permissions, leaving, invites, and what everyone hears of it."""

import uuid

import pytest
from tests.support import shapes
from tests.support.people import Person
from tests.support.running import System
from tests.support.samples import NOBODY


@pytest.fixture(scope="module")
def dan(system: System) -> Person:
    return Person(system.base_url)


def role_of(person: Person, group: str, whom: Person) -> str:
    items = person.ask("GET", f"/chats/{group}/members", of=shapes.Members)["items"]
    found: str = next(item["role"] for item in items if item["userId"] == whom.id)
    return found


async def test_a_group_is_made_and_shown_to_all_as_it_is_made(ann: Person, ben: Person, dan: Person) -> None:
    live = await ben.open()
    body = {
        "type": "group",
        "name": "  Trip  ",
        "participantIds": [ben.id, dan.id, ann.id, NOBODY],
        "clientChatId": uuid.uuid4().hex,
    }
    made = ann.ask("POST", "/chats", body, gives=201, of=shapes.MadeChat)
    assert made["refused"] == [{"userId": NOBODY, "code": "not_found"}]
    assert (made["name"], made["memberCount"], made["myRole"], made["peer"]) == ("Trip", 3, "owner", None)
    assert made["permissions"] == {"send": "all", "editInfo": "all", "addMembers": "all"}
    assert ann.ask("POST", "/chats", body | {"name": "Other"}, gives=200)["id"] == made["id"]
    assert (await live.chat("chat.created", made["id"]))["myRole"] == "member"
    # The id is the creator's own: another's is another chat.
    other = ben.ask("POST", "/chats", body, gives=201)
    assert other["id"] != made["id"]


async def test_members_are_added_and_everyone_hears_of_it(ann: Person, ben: Person, dan: Person, eve: Person) -> None:
    group = ann.group(ben)
    a, d = await ann.open(), await dan.open()
    path = f"/chats/{group}/members"
    answer = ann.ask("POST", path, {"userIds": [dan.id, NOBODY, ben.id]})
    assert (answer["added"], answer["refused"]) == ([dan.id], [{"userId": NOBODY, "code": "not_found"}])
    frame = await a.until("group.member.added", chatId=group)
    assert (frame["userIds"], frame["actorId"]) == ([dan.id], ann.id)
    await d.until("group.member.added", chatId=group, seq=frame["seq"])
    seen = dan.ask("GET", f"/chats/{group}/messages", of=shapes.Page, after=0)
    assert [item["seq"] for item in seen["items"]] == [frame["seq"]]
    assert dan.chat(group)["joinedSeq"] == frame["seq"]
    first = ann.ask("GET", path, of=shapes.Members, limit=2)
    rest = ann.ask("GET", path, of=shapes.Members, limit=2, cursor=first["nextCursor"])
    assert [m["userId"] for m in first["items"] + rest["items"]] == [ann.id, ben.id, dan.id]
    assert first["items"][0]["role"] == "owner"
    ann.ask("GET", path, limit=200)
    ann.refused("GET", path, code="invalid_request", limit=201)
    for bad in ({}, {"userIds": []}, {"userIds": ["x"]}, {"userIds": "x"}, None):
        ann.refused("POST", path, bad, code="invalid_request")
    eve.refused("POST", path, {"userIds": [eve.id]}, code="not_found")
    eve.refused("GET", path, code="not_found")


async def test_a_removed_member_keeps_what_was_and_gets_nothing_more(ann: Person, ben: Person, dan: Person) -> None:
    group = ann.group(ben, dan)
    b, d = await ben.open(), await dan.open()
    before = ann.say(group, "before")
    ben.refused("DELETE", f"/chats/{group}/members/{dan.id}", code="forbidden")
    ann.ask("DELETE", f"/chats/{group}/members/{ben.id}", gives=204)
    for live in (b, d):
        frame = await live.until("group.member.removed", chatId=group)
        assert (frame["userIds"], frame["actorId"]) == ([ben.id], ann.id)
    ann.ask("DELETE", f"/chats/{group}/members/{ben.id}", gives=204)  # gone already
    ann.say(group, "after")
    gone = ben.chat(group)
    assert (gone["membership"], gone["leftSeq"], gone["lastSeq"]) == ("removed", frame["seq"], frame["seq"])
    page = ben.ask("GET", f"/chats/{group}/messages", of=shapes.Page, after=0)
    assert page["items"][-1]["seq"] == frame["seq"]
    assert ben.ask("GET", f"/messages/{before['messageId']}")["content"]["text"] == "before"
    assert group in [chat["id"] for chat in ben.ask("GET", "/chats")["items"]]
    for method, path, body in [
        ("PATCH", f"/chats/{group}", {"name": "x"}), ("GET", f"/chats/{group}/members", None),
        ("POST", f"/chats/{group}/members", {"userIds": [ben.id]}), ("POST", f"/chats/{group}/invite", None),
    ]:  # fmt: skip
        assert ben.http.request(method, path, json=body).status_code in (403, 404), path


async def test_who_comes_back_does_not_see_what_was_said_meanwhile(ann: Person, ben: Person) -> None:
    group = ann.group(ben)
    ann.ask("DELETE", f"/chats/{group}/members/{ben.id}", gives=204)
    meanwhile = ann.say(group, "meanwhile")
    ann.ask("POST", f"/chats/{group}/members", {"userIds": [ben.id]})
    shown = ben.chat(group)
    assert (shown["membership"], shown["leftSeq"]) == ("member", None)
    assert shown["joinedSeq"] > meanwhile["seq"]
    ben.refused("GET", f"/messages/{meanwhile['messageId']}", code="not_found")


async def test_roles_are_given_by_owner_and_admins(ann: Person, ben: Person, dan: Person, eve: Person) -> None:
    group = ann.group(ben, dan)
    live = await dan.open()
    given = ann.ask("PUT", f"/chats/{group}/members/{ben.id}/role", {"role": "admin"}, of=shapes.Member)
    assert (given["userId"], given["role"]) == (ben.id, "admin")
    content = await live.notice(group, "role.changed")
    assert (content["userIds"], content["role"]) == ([ben.id], "admin")
    await live.chat("chat.updated", group)
    dan.refused("PUT", f"/chats/{group}/members/{ben.id}/role", {"role": "member"}, code="forbidden")
    ben.refused("PUT", f"/chats/{group}/members/{ann.id}/role", {"role": "member"}, code="forbidden")
    ben.refused("PUT", f"/chats/{group}/members/{dan.id}/role", {"role": "owner"}, code="forbidden")
    eve.refused("PUT", f"/chats/{group}/members/{dan.id}/role", {"role": "admin"}, code="not_found")
    ann.refused("PUT", f"/chats/{group}/members/{eve.id}/role", {"role": "admin"}, code="not_found")
    for bad in ({}, {"role": "king"}, {"role": 5}, None):
        ann.refused("PUT", f"/chats/{group}/members/{dan.id}/role", bad, code="invalid_request")
    ben.ask("DELETE", f"/chats/{group}/members/{dan.id}", gives=204)  # an admin removes members
    ben.refused("DELETE", f"/chats/{group}/members/{ann.id}", code="forbidden")
    ann.ask("PUT", f"/chats/{group}/members/{ben.id}/role", {"role": "owner"})
    assert (role_of(ann, group, ben), role_of(ann, group, ann)) == ("owner", "admin")


async def test_leaving_and_who_owns_the_group_then(ann: Person, ben: Person, dan: Person) -> None:
    group = ann.group(ben, dan)
    ann.ask("PUT", f"/chats/{group}/members/{dan.id}/role", {"role": "admin"})
    live = await ben.open()
    left = ann.ask("POST", f"/chats/{group}/leave", of=shapes.Chat)
    assert (left["membership"], left["leftSeq"]) == ("left", left["lastSeq"])
    assert (await live.notice(group, "member.left"))["userIds"] == [ann.id]
    assert role_of(ben, group, dan) == "owner"  # the oldest admin
    assert ann.ask("POST", f"/chats/{group}/leave")["membership"] == "left"
    dan.ask("POST", f"/chats/{group}/leave")
    assert role_of(ben, group, ben) == "owner"  # else the oldest member
    ann.refused("POST", f"/chats/{NOBODY}/leave", code="not_found")


async def test_info_is_changed_and_everyone_hears_of_it(ann: Person, ben: Person, eve: Person) -> None:
    group = ann.group(ben)
    live = await ben.open()
    changed = ann.ask("PATCH", f"/chats/{group}", {"name": "New", "description": "About"}, of=shapes.Chat)
    assert (changed["name"], changed["description"]) == ("New", "About")
    content = await live.notice(group, "info.changed")
    assert (content["actorId"], content["name"], content["description"]) == (ann.id, "New", "About")
    assert (await live.chat("chat.updated", group))["name"] == "New"
    assert ann.ask("PATCH", f"/chats/{group}", {"description": None})["description"] is None
    ann.refused("PATCH", f"/chats/{group}", {"avatarMediaId": NOBODY}, code="not_found")
    for bad, code in (
        ({"name": ""}, "invalid_request"), ({"permissions": {"send": "nobody"}}, "invalid_request"),
        ({"disappearingSeconds": 0}, "invalid_request"), ({"name": None}, "invalid_request"),
        (None, "invalid_request"),
    ):  # fmt: skip
        ann.refused("PATCH", f"/chats/{group}", bad, code=code)
    eve.refused("PATCH", f"/chats/{group}", {"name": "x"}, code="not_found")


async def test_permissions_say_who_sends_edits_and_adds(ann: Person, ben: Person, dan: Person) -> None:
    group = ann.group(ben)
    ben.refused("PATCH", f"/chats/{group}", {"permissions": {"send": "admins"}}, code="forbidden")
    ben.ask("PATCH", f"/chats/{group}", {"name": "By Ben"})
    admins = {"send": "admins", "editInfo": "admins", "addMembers": "admins"}
    assert ann.ask("PATCH", f"/chats/{group}", {"permissions": admins}, of=shapes.Chat)["permissions"] == admins
    ben.refused("POST", f"/chats/{group}/messages", {"clientMsgId": "x", "content": "x"}, code="forbidden")
    live = await ben.open()
    await live.refused("message.send", "forbidden", chatId=group, clientMsgId="y", content="x")
    ben.refused("PATCH", f"/chats/{group}", {"name": "x"}, code="forbidden")
    ben.refused("POST", f"/chats/{group}/members", {"userIds": [dan.id]}, code="forbidden")
    ann.ask("PUT", f"/chats/{group}/members/{ben.id}/role", {"role": "admin"})
    ben.say(group)
    only = ann.ask("PATCH", f"/chats/{group}", {"permissions": {"send": "all"}})["permissions"]
    assert only == admins | {"send": "all"}


@pytest.mark.parametrize("body", [{"name": "x" * 101}, {"description": "x" * 2049}], ids=["name", "description"])
def test_a_long_name_is_over_the_limit(ann: Person, body: dict[str, str]) -> None:
    ann.refused("PATCH", f"/chats/{ann.group()}", body, code="limit_exceeded")
    if "name" in body:
        ann.refused("POST", "/chats", {"type": "group", "participantIds": [], **body}, code="limit_exceeded")


def test_nul_is_refused_in_what_a_group_is_called(ann: Person) -> None:
    group = ann.group()
    ann.refused("PATCH", f"/chats/{group}", {"name": "a\x00b"}, code="invalid_request")
    ann.refused("PATCH", f"/chats/{group}", {"description": "a\x00b"}, code="invalid_request")


def test_permissions_say_who_pins(ann: Person, ben: Person) -> None:
    group = ann.group(ben)
    message = ann.say(group)["messageId"]
    ben.ask("PUT", f"/messages/{message}/pin", of=shapes.Message)
    ann.ask("PATCH", f"/chats/{group}", {"permissions": {"editInfo": "admins"}})
    ben.refused("PUT", f"/messages/{ann.say(group)['messageId']}/pin", code="forbidden")


async def test_an_invite_leads_into_the_group(system: System, ann: Person, ben: Person, eve: Person) -> None:
    group, guest = ann.group(ben, name="Open"), Person(system.base_url)
    invite = ann.ask("POST", f"/chats/{group}/invite", gives=201, of=shapes.Invite)
    assert ann.ask("POST", f"/chats/{group}/invite", gives=200) == invite
    ben.refused("POST", f"/chats/{group}/invite", code="forbidden")
    eve.refused("POST", f"/chats/{group}/invite", code="not_found")
    shown = guest.ask("GET", f"/invites/{invite['code']}")
    assert (shown["name"], shown["memberCount"]) == ("Open", 2)
    live = await ann.open()
    joined = guest.ask("POST", f"/invites/{invite['code']}/join", gives=201, of=shapes.Chat)
    assert (joined["id"], joined["myRole"], joined["memberCount"]) == (group, "member", 3)
    assert (await live.until("group.member.added", chatId=group))["userIds"] == [guest.id]
    guest.ask("POST", f"/invites/{invite['code']}/join", gives=200)
    ann.ask("DELETE", f"/chats/{group}/members/{guest.id}", gives=204)
    guest.refused("POST", f"/invites/{invite['code']}/join", code="forbidden")
    ben.refused("DELETE", f"/chats/{group}/invite", code="forbidden")
    eve.refused("DELETE", f"/chats/{group}/invite", code="not_found")
    for _ in range(2):
        ann.ask("DELETE", f"/chats/{group}/invite", gives=204)
    for method, path in (("GET", f"/invites/{invite['code']}"), ("POST", f"/invites/{invite['code']}/join")):
        eve.refused(method, path, code="not_found")


def test_a_block_does_not_matter_in_a_group(system: System, ann: Person) -> None:
    one, two = Person(system.base_url), Person(system.base_url)
    group = ann.group(one, two)
    one.ask("PUT", f"/users/blocked/{two.id}")
    two.say(group, "still here")
    assert one.chat(group)["lastMessage"]["content"]["text"] == "still here"
