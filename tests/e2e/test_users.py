"""Profiles, contacts, privacy, blocks, push targets, presence: contract section 3, user."""

import uuid

import pytest
from tests.support import shapes
from tests.support.people import Person, new_phone
from tests.support.running import System
from tests.support.samples import EVERYONE, NOBODY, picture
from tests.support.waiting import wait_until


def test_one_sees_and_changes_oneself(fresh: Person) -> None:
    me = fresh.ask("GET", "/users/me", of=shapes.User)
    assert (me["id"], me["phone"], me["deleted"], me["about"]) == (fresh.id, fresh.phone, False, None)
    changed = fresh.ask("PATCH", "/users/me", {"name": "Ann Ö", "about": "here"}, of=shapes.User)
    assert (changed["name"], changed["about"]) == ("Ann Ö", "here")
    assert changed["updatedAt"] >= me["updatedAt"]
    assert fresh.ask("GET", "/users/me") == changed
    assert fresh.ask("PATCH", "/users/me", {"about": None})["about"] is None


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"name": ""}, "invalid_request"), ({"name": "   "}, "invalid_request"), ({"name": None}, "invalid_request"),
        ({"name": "x" * 65}, "limit_exceeded"), ({"about": "x" * 141}, "limit_exceeded"),
        ({"avatarMediaId": "x"}, "invalid_request"), ({"avatarMediaId": NOBODY}, "not_found"),
        ({"name": "a\x00b"}, "invalid_request"), ([], "invalid_request"), (None, "invalid_request"),
    ],
)  # fmt: skip
def test_a_bad_profile_is_refused(ann: Person, body: object, code: str) -> None:
    ann.refused("PATCH", "/users/me", body, code=code)


def test_a_picture_of_ones_own_is_shown_and_a_foreign_one_refused(fresh: Person, ben: Person) -> None:
    face = fresh.upload(picture(), "me.png", "image/png").json()["id"]
    ben.refused("PATCH", "/users/me", {"avatarMediaId": face}, code="not_found")
    assert fresh.ask("PATCH", "/users/me", {"avatarMediaId": face}, of=shapes.User)["avatar"]["id"] == face
    seen = ben.ask("GET", f"/users/{fresh.id}", of=shapes.User)["avatar"]
    assert ben.http.get(seen["url"]).status_code == 200
    assert fresh.ask("PATCH", "/users/me", {"avatarMediaId": None})["avatar"] is None


def test_another_is_seen_without_the_phone(ann: Person, ben: Person) -> None:
    seen = ann.ask("GET", f"/users/{ben.id}", of=shapes.User)
    assert (seen["id"], seen["phone"], seen["isContact"], seen["isBlocked"]) == (ben.id, None, False, False)
    for unknown in (NOBODY, "nonsense", "me2"):
        ann.refused("GET", f"/users/{unknown}", code="not_found")


def test_a_deleted_account_is_a_shell_and_its_number_free(system: System, ben: Person) -> None:
    gone = Person(system.base_url)
    room = gone.direct(ben)
    said = gone.say(room, "I was here")
    gone.ask("PATCH", "/users/me", {"name": "Gone", "about": "x"})
    gone.ask("DELETE", "/users/me", gives=204)
    wait_until(lambda: gone.http.get("/users/me").status_code == 401, "the token is worth nothing", 5)
    shell = ben.ask("GET", f"/users/{gone.id}", of=shapes.User)
    assert (shell["deleted"], shell["about"], shell["phone"], shell["lastSeen"]) == (True, None, None, None)
    assert "Gone" not in shell["name"]
    assert ben.ask("GET", f"/messages/{said['messageId']}")["content"]["text"] == "I was here"
    again = Person(system.base_url, gone.phone)
    assert again.is_new
    assert again.id != gone.id
    assert again.ask("GET", "/chats", of=shapes.Chats)["items"] == []


def test_privacy_is_read_and_written_whole(fresh: Person) -> None:
    assert fresh.ask("GET", "/users/me/privacy", of=shapes.Privacy) == EVERYONE
    hidden = EVERYONE | {"about": "nobody", "groups": "contacts", "readReceipts": False}
    assert fresh.ask("PUT", "/users/me/privacy", hidden, of=shapes.Privacy) == hidden
    assert fresh.ask("GET", "/users/me/privacy") == hidden
    part = fresh.ask("PUT", "/users/me/privacy", {"online": "contacts"}, of=shapes.Privacy)
    assert part == hidden | {"online": "contacts"} == fresh.ask("GET", "/users/me/privacy")
    for bad in ({"about": "friends"}, {"readReceipts": "no"}, [], None):
        fresh.refused("PUT", "/users/me/privacy", bad, code="invalid_request")


def test_what_privacy_hides_is_null(fresh: Person, ben: Person) -> None:
    face = fresh.upload(picture(), "me.png", "image/png").json()["id"]
    fresh.ask("PATCH", "/users/me", {"about": "hello", "avatarMediaId": face})
    path = f"/users/{fresh.id}"
    assert ben.ask("GET", path)["about"] == "hello"
    for audience, shown in (("nobody", False), ("contacts", False), ("everyone", True)):
        fresh.ask("PUT", "/users/me/privacy", EVERYONE | {"about": audience, "avatar": audience})
        seen = ben.ask("GET", path, of=shapes.User)
        assert (seen["about"] is not None, seen["avatar"] is not None) == (shown, shown), audience
    fresh.ask("PUT", "/users/me/privacy", EVERYONE | {"about": "contacts", "avatar": "contacts"})
    fresh.ask("POST", "/users/contacts", {"userId": ben.id}, gives=201)
    seen = ben.ask("GET", path)
    assert (seen["about"], seen["avatar"]["id"]) == ("hello", face)


def test_privacy_of_groups_refuses_to_be_added(fresh: Person, ben: Person) -> None:
    fresh.ask("PUT", "/users/me/privacy", EVERYONE | {"groups": "contacts"})
    group = ben.group()
    path = f"/chats/{group}/members"
    refused = {"added": [], "refused": [{"userId": fresh.id, "code": "privacy"}]}
    assert ben.ask("POST", path, {"userIds": [fresh.id]}) == refused
    fresh.ask("POST", "/users/contacts", {"userId": ben.id}, gives=201)
    assert ben.ask("POST", path, {"userIds": [fresh.id]}) == {"added": [fresh.id], "refused": []}


def test_a_contact_sync_finds_who_is_here_and_shows_their_phone(fresh: Person, ben: Person) -> None:
    nobody = new_phone()
    given = "00" + ben.phone[1:]
    found = fresh.ask("POST", "/users/contacts/sync", {"phoneNumbers": [given, nobody, "abc"]})
    assert set(found) == {"items"}
    assert [(item["phone"], item["user"]["id"]) for item in found["items"]] == [(given, ben.id)]
    shapes.check(found["items"][0]["user"], shapes.User)
    assert found["items"][0]["user"]["phone"] == ben.phone
    assert fresh.ask("GET", f"/users/{ben.id}")["phone"] == ben.phone
    for bad in ({}, {"phoneNumbers": "x"}, {"phoneNumbers": [5]}, None):
        fresh.refused("POST", "/users/contacts/sync", bad, code="invalid_request")


def test_contacts_are_added_listed_and_taken_out(fresh: Person, ann: Person, ben: Person) -> None:
    added = fresh.ask("POST", "/users/contacts", {"userId": ben.id, "name": "Benny"}, gives=201, of=shapes.User)
    assert (added["name"], added["isContact"], added["phone"]) == ("Benny", True, None)
    fresh.ask("POST", "/users/contacts", {"userId": ben.id, "name": "Benjamin"}, gives=200)
    by_phone = fresh.ask("POST", "/users/contacts", {"phone": ann.phone}, gives=201, of=shapes.User)
    assert (by_phone["id"], by_phone["phone"]) == (ann.id, ann.phone)
    first = fresh.ask("GET", "/users/contacts", of=shapes.Users, limit=1)
    second = fresh.ask("GET", "/users/contacts", of=shapes.Users, limit=1, cursor=first["nextCursor"])
    assert {first["items"][0]["id"], second["items"][0]["id"]} == {ann.id, ben.id}
    assert second["nextCursor"] is None
    for _ in range(2):
        fresh.ask("DELETE", f"/users/contacts/{ben.id}", gives=204)
    assert [item["id"] for item in fresh.ask("GET", "/users/contacts")["items"]] == [ann.id]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "invalid_request"), ({"userId": NOBODY, "phone": "+4915100000000"}, "invalid_request"),
        ({"userId": NOBODY}, "not_found"), ({"phone": "+491500000000"}, "not_found"),
        ({"userId": 5}, "invalid_request"), (None, "invalid_request"),
    ],
)  # fmt: skip
def test_a_bad_contact_is_refused(ann: Person, body: object, code: str) -> None:
    ann.refused("POST", "/users/contacts", body, code=code)


def test_blocks_are_set_listed_and_lifted(fresh: Person, ben: Person) -> None:
    blocked = fresh.ask("PUT", f"/users/blocked/{ben.id}", of=shapes.User)
    assert (blocked["id"], blocked["isBlocked"]) == (ben.id, True)
    fresh.ask("PUT", f"/users/blocked/{ben.id}")
    assert [item["id"] for item in fresh.ask("GET", "/users/blocked", of=shapes.Users)["items"]] == [ben.id]
    for _ in range(2):
        fresh.ask("DELETE", f"/users/blocked/{ben.id}", gives=204)
    assert fresh.ask("GET", "/users/blocked")["items"] == []
    fresh.refused("PUT", f"/users/blocked/{NOBODY}", code="not_found")
    fresh.refused("PUT", f"/users/blocked/{fresh.id}", code="invalid_request")


def test_push_targets_are_added_listed_and_dropped(fresh: Person, ben: Person) -> None:
    fcm = {"kind": "fcm", "token": f"token-{uuid.uuid4()}"}
    keys = {"p256dh": "B" + "A" * 86, "auth": "A" * 22}
    push = {"kind": "webpush", "subscription": {"endpoint": f"https://push.example.com/{uuid.uuid4()}", "keys": keys}}
    first = fresh.ask("POST", "/users/me/devices", fcm, gives=201, of=shapes.PushTarget)
    assert fresh.ask("POST", "/users/me/devices", fcm, gives=200, of=shapes.PushTarget)["id"] == first["id"]
    second = fresh.ask("POST", "/users/me/devices", push, gives=201, of=shapes.PushTarget)
    items = fresh.ask("GET", "/users/me/devices")["items"]
    shapes.check(items, list[shapes.PushTarget])
    assert {item["id"] for item in items} == {first["id"], second["id"]}
    ben.http.delete(f"/users/me/devices/{first['id']}")
    assert len(fresh.ask("GET", "/users/me/devices")["items"]) == 2
    for _ in range(2):
        fresh.ask("DELETE", f"/users/me/devices/{first['id']}", gives=204)
    assert [item["id"] for item in fresh.ask("GET", "/users/me/devices")["items"]] == [second["id"]]
    for bad in ({"kind": "fcm"}, {"kind": "apns", "token": "x"}, {"kind": "webpush", "token": "x"}, fcm | push, None):
        fresh.refused("POST", "/users/me/devices", bad, code="invalid_request")


def test_push_targets_go_with_their_session(fresh: Person) -> None:
    other = Person(fresh.base_url, fresh.phone)
    other.ask("POST", "/users/me/devices", {"kind": "fcm", "token": f"t-{uuid.uuid4()}"}, gives=201)
    assert len(fresh.ask("GET", "/users/me/devices")["items"]) == 1
    other.ask("POST", "/auth/logout", gives=204)
    wait_until(lambda: not fresh.ask("GET", "/users/me/devices")["items"], "the push target is gone")


async def test_presence_is_online_while_a_socket_is_open(fresh: Person, ben: Person) -> None:
    path = f"/users/{fresh.id}/presence"
    assert ben.ask("GET", path, of=shapes.Presence)["status"] == "offline"
    live = await fresh.open()
    assert ben.ask("GET", path, of=shapes.Presence) == {"userId": fresh.id, "status": "online", "lastSeen": None}
    fresh.ask("PUT", "/users/me/privacy", EVERYONE | {"online": "nobody", "lastSeen": "nobody"})
    assert ben.ask("GET", path) == {"userId": fresh.id, "status": "offline", "lastSeen": None}
    await live.socket.close()
    ben.refused("GET", f"/users/{NOBODY}/presence", code="not_found")
