"""Direct chats, notes to self, the chat list and one's own settings: contract section 3, chat."""

import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.support import shapes
from tests.support.people import Person
from tests.support.running import System
from tests.support.samples import NOBODY, NOWHERE


def test_a_direct_chat_is_one_per_pair(fresh: Person, ben: Person) -> None:
    made = fresh.ask("POST", "/chats", {"type": "direct", "userId": ben.id}, gives=201, of=shapes.Chat)
    assert (made["type"], made["peer"]["id"], made["memberCount"]) == ("direct", ben.id, 2)
    assert (made["joinedSeq"], made["lastSeq"], made["unreadCount"]) == (1, 1, 0)
    assert made["lastMessage"]["content"]["event"] == "chat.created"
    again = ben.ask("POST", "/chats", {"type": "direct", "userId": fresh.id}, of=shapes.Chat)
    assert (again["id"], again["peer"]["id"]) == (made["id"], fresh.id)


def test_a_race_for_a_direct_chat_makes_one(system: System) -> None:
    one, two = Person(system.base_url), Person(system.base_url)
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda n: one.direct(two) if n % 2 else two.direct(one), range(8)))
    assert len(set(made)) == 1


def test_notes_to_self_are_a_direct_chat_with_oneself(fresh: Person) -> None:
    made = fresh.ask("POST", "/chats", {"type": "direct", "userId": fresh.id}, gives=201, of=shapes.Chat)
    assert (made["name"], made["peer"]["id"], made["memberCount"]) == (None, fresh.id, 1)
    assert fresh.direct(fresh) == made["id"]
    fresh.say(made["id"], "milk")
    shown = fresh.chat(made["id"])
    assert (shown["unreadCount"], shown["lastMessage"]["content"]["text"]) == (0, "milk")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "invalid_request"), ({"type": "direct"}, "invalid_request"), ({"type": "channel"}, "invalid_request"),
        ({"type": "group"}, "invalid_request"), ({"type": "group", "name": ""}, "invalid_request"),
        ({"type": "group", "name": "  "}, "invalid_request"), ({"type": "direct", "userId": "x"}, "invalid_request"),
        ({"type": "direct", "userId": NOBODY}, "not_found"),
        ({"type": "group", "name": "x", "participantIds": "x"}, "invalid_request"),
        ({"type": "group", "name": "x", "clientChatId": "no spaces"}, "invalid_request"),
        (None, "invalid_request"), ([], "invalid_request"),
    ],
)  # fmt: skip
def test_a_bad_chat_is_refused(ann: Person, body: object, code: str) -> None:
    ann.refused("POST", "/chats", body, code=code)


def test_the_list_shows_pinned_first_then_the_newest_activity_in_pages(system: System, fresh: Person) -> None:
    rooms = [fresh.group(name=f"Room {n}") for n in range(5)]
    fresh.say(rooms[1])
    fresh.ask("PUT", f"/chats/{rooms[2]}/settings", {"pinned": True}, of=shapes.Chat)
    expected = [rooms[2], rooms[1], rooms[4], rooms[3], rooms[0]]
    assert [chat["id"] for chat in fresh.ask("GET", "/chats", of=shapes.Chats)["items"]] == expected
    seen, cursor = [], None
    while True:
        page = fresh.ask("GET", "/chats", of=shapes.Chats, limit=2, **({"cursor": cursor} if cursor else {}))
        assert len(page["items"]) <= 2
        seen += [chat["id"] for chat in page["items"]]
        cursor = page["nextCursor"]
        if cursor is None:
            break
    assert seen == expected
    for bad in ({"limit": 0}, {"limit": 101}, {"limit": "x"}, {"cursor": "nonsense"}):
        fresh.refused("GET", "/chats", code="invalid_request", **bad)


def test_a_chat_is_shown_to_its_members_alone(ann: Person, ben: Person, eve: Person, chat: str) -> None:
    assert ann.chat(chat)["peer"]["id"] == ben.id
    eve.refused("GET", f"/chats/{chat}", code="not_found")
    for unknown in (NOWHERE, "nonsense"):
        ann.refused("GET", f"/chats/{unknown}", code="not_found")


def test_a_name_with_nul_is_refused(ann: Person) -> None:
    ann.refused("POST", "/chats", {"type": "group", "name": "a\x00b"}, code="invalid_request")


async def test_settings_are_ones_own_and_reach_the_own_devices(
    ann: Person, ben: Person, eve: Person, chat: str
) -> None:
    live, other = await ann.open(), await ben.open()
    until = "2099-01-01T00:00:00.000Z"
    body = {"mutedUntil": until, "archived": True, "pinned": True, "markedUnread": True}
    assert ann.ask("PUT", f"/chats/{chat}/settings", body, of=shapes.Chat)["settings"] == body
    assert (await live.chat("chat.updated", chat))["settings"] == body
    partly = ann.ask("PUT", f"/chats/{chat}/settings", {"mutedUntil": None})["settings"]
    assert partly == body | {"mutedUntil": None}
    assert ben.chat(chat)["settings"]["archived"] is False
    for bad in ({"pinned": "yes"}, {"mutedUntil": "soon"}, {"mutedUntil": 5}, None, []):
        ann.refused("PUT", f"/chats/{chat}/settings", bad, code="invalid_request")
    eve.refused("PUT", f"/chats/{chat}/settings", {"pinned": True}, code="not_found")
    ann.ask("PUT", f"/chats/{chat}/settings", {"archived": False, "pinned": False, "markedUnread": False})
    mark = ann.say(chat, "mark")
    await other.until("message.new", messageId=mark["messageId"])
    assert not [f for f in other.seen if f["type"] == "chat.updated"]


def test_a_direct_chat_has_no_name_members_to_add_or_roles(ann: Person, ben: Person, eve: Person, chat: str) -> None:
    ann.refused("PATCH", f"/chats/{chat}", {"name": "x"}, code="forbidden")
    ann.refused("POST", f"/chats/{chat}/members", {"userIds": [eve.id]}, code="forbidden")
    ann.refused("DELETE", f"/chats/{chat}/members/{ben.id}", code="forbidden")
    ann.refused("PUT", f"/chats/{chat}/members/{ben.id}/role", {"role": "admin"}, code="forbidden")
    ann.refused("POST", f"/chats/{chat}/leave", code="forbidden")
    ann.refused("POST", f"/chats/{chat}/invite", code="forbidden")
    members = ann.ask("GET", f"/chats/{chat}/members", of=shapes.Members)["items"]
    assert {member["userId"] for member in members} == {ann.id, ben.id}


async def test_disappearing_messages_are_set_in_a_direct_chat_by_either(fresh: Person, ben: Person) -> None:
    room = fresh.direct(ben)
    live = await ben.open()
    changed = fresh.ask("PATCH", f"/chats/{room}", {"disappearingSeconds": 3600}, of=shapes.Chat)
    assert changed["disappearingSeconds"] == 3600
    assert (await live.notice(room, "disappearing.changed"))["disappearingSeconds"] == 3600
    assert (await live.chat("chat.updated", room))["disappearingSeconds"] == 3600
    assert fresh.say(room)["expiresAt"] is not None
    assert ben.ask("PATCH", f"/chats/{room}", {"disappearingSeconds": None})["disappearingSeconds"] is None
    assert ben.say(room)["expiresAt"] is None


def test_a_blocked_pair_makes_no_new_chat(fresh: Person, ben: Person) -> None:
    fresh.ask("PUT", f"/users/blocked/{ben.id}")
    ben.refused("POST", "/chats", {"type": "direct", "userId": fresh.id}, code="blocked")


def test_unknown_fields_are_ignored(ann: Person, ben: Person, chat: str) -> None:
    body = {"type": "direct", "userId": ben.id, "id": str(uuid.uuid4()), "myRole": "owner", "later": {"x": [1]}}
    assert ann.ask("POST", "/chats", body, of=shapes.Chat)["id"] == chat
