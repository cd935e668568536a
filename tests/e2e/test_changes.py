"""Edits, deletions, reactions, votes and pins, over REST and at the socket: the same rules, the same log."""

import asyncio
import uuid
from typing import Any

import pytest
from tests.support import shapes
from tests.support.people import Live, Person
from tests.support.running import System
from tests.support.samples import NOBODY

THUMB, HEART = "\N{THUMBS UP SIGN}", "\N{HEAVY BLACK HEART}\ufe0f"
FAMILY = "\N{MAN}\u200d\N{WOMAN}\u200d\N{GIRL}"
POLL = {
    "kind": "poll", "question": "Well?", "multiple": False,
    "options": [{"id": "1", "text": "yes"}, {"id": "2", "text": "no"}],
}  # fmt: skip


@pytest.fixture(scope="module")
def group(ann: Person, ben: Person) -> str:
    return ann.group(ben)


async def shown(live: Live, type_: str, message_id: str) -> dict[str, Any]:
    return await live.until(type_, messageId=message_id)


def last(person: Person, chat: str) -> dict[str, Any]:
    """The newest entry of the log."""
    head = person.chat(chat)["lastSeq"]
    found: dict[str, Any] = person.ask("GET", f"/chats/{chat}/messages", after=head - 1)["items"][-1]
    return found


# -- edit ------------------------------------------------------------------------------------------


async def test_an_edit_shows_everywhere_and_is_an_entry(ann: Person, ben: Person, chat: str) -> None:
    live = await ben.open()
    message = ann.say(chat, "befor")
    edited = ann.ask("PATCH", f"/messages/{message['messageId']}", {"content": "before"}, of=shapes.Message)
    assert (edited["content"]["text"], edited["seq"]) == ("before", message["seq"])
    assert edited["editedAt"] is not None
    frame = await shown(live, "message.edited", message["messageId"])
    assert (frame["targetSeq"], frame["userId"], frame["content"]) == (message["seq"], ann.id, edited["content"])
    change = last(ben, chat)
    assert (change["kind"], change["change"], change["seq"]) == ("change", "edited", frame["seq"])
    assert change["message"]["content"] == edited["content"]
    hits = ben.ask("GET", "/messages/search", q="befor", chatId=chat)["items"]
    assert [hit["message"]["content"]["text"] for hit in hits] == ["before"]


async def test_an_edit_already_in_force_adds_nothing(ann: Person, chat: str) -> None:
    live = await ann.open()
    message = (await live.send(chat, "same"))["messageId"]
    first = await live.ask("message.edit", "message.edited", messageId=message, content="new")
    again = await live.ask("message.edit", "message.edited", messageId=message, content="new")
    assert again["seq"] == first["seq"] == ann.chat(chat)["lastSeq"]


@pytest.mark.parametrize("content", ["", 5, None, {"kind": "text"}, {"kind": "location", "lat": 0, "lon": 0}, "a\x00"])
async def test_a_bad_edit_is_refused(ann: Person, chat: str, content: Any) -> None:
    message = ann.say(chat)["messageId"]
    ann.refused("PATCH", f"/messages/{message}", {"content": content}, code="invalid_request")
    live = await ann.open()
    await live.refused("message.edit", "invalid_request", messageId=message, content=content)


async def test_only_its_author_edits_a_message(ann: Person, ben: Person, eve: Person, chat: str) -> None:
    message = ann.say(chat)["messageId"]
    ann.refused("PATCH", f"/messages/{message}", {}, code="invalid_request")
    ann.refused("PATCH", f"/messages/{message}", {"content": "x" * 8193}, code="limit_exceeded")
    for person, which, code in ((ben, message, "forbidden"), (eve, message, "not_found"), (ann, NOBODY, "not_found")):
        person.refused("PATCH", f"/messages/{which}", {"content": "x"}, code=code)
        live = await person.open()
        await live.refused("message.edit", code, messageId=which, content="x")
    notice = ann.ask("GET", f"/chats/{chat}/messages", after=0)["items"][0]["messageId"]
    assert ann.http.patch(f"/messages/{notice}", json={"content": "x"}).status_code == 403


def test_what_cannot_be_edited(ann: Person, chat: str) -> None:
    for content in (POLL, {"kind": "location", "lat": 1.0, "lon": 1.0}):
        message = ann.say(chat, content)["messageId"]
        ann.refused("PATCH", f"/messages/{message}", {"content": "x"}, code="invalid_request")
    message = ann.say(chat)["messageId"]
    ann.ask("DELETE", f"/messages/{message}", gives=204)
    ann.refused("PATCH", f"/messages/{message}", {"content": "x"}, code="not_found")


# -- delete ----------------------------------------------------------------------------------------


async def test_a_deletion_for_everyone_empties_the_message(ann: Person, ben: Person, chat: str) -> None:
    live = await ben.open()
    first = ann.say(chat, "regretted")
    reply = ben.say(chat, "what?", replyTo=first["messageId"])
    for _ in range(2):
        ann.ask("DELETE", f"/messages/{first['messageId']}", gives=204)
    frame = await shown(live, "message.deleted", first["messageId"])
    assert (frame["for"], frame["targetSeq"], frame["userId"]) == ("everyone", first["seq"], ann.id)
    gone = ben.ask("GET", f"/messages/{first['messageId']}", of=shapes.Message)
    assert (gone["content"], gone["deletedBy"], gone["reactions"]) == (None, ann.id, [])
    assert last(ben, chat)["seq"] == frame["seq"]
    assert last(ben, chat)["change"] == "deleted"
    assert ben.ask("GET", f"/messages/{reply['messageId']}")["replyTo"]["messageId"] == first["messageId"]
    ben.refused("PUT", f"/messages/{first['messageId']}/reaction", {"emoji": THUMB}, code="not_found")


async def test_who_deletes_for_everyone(ann: Person, ben: Person, eve: Person, chat: str, group: str) -> None:
    theirs, in_group, in_group2 = ann.say(chat)["messageId"], ben.say(group)["messageId"], ann.say(group)["messageId"]
    ben.refused("DELETE", f"/messages/{theirs}", code="forbidden")
    eve.refused("DELETE", f"/messages/{theirs}", code="not_found")
    eve.refused("DELETE", f"/messages/{theirs}", code="not_found", **{"for": "me"})
    ann.refused("DELETE", f"/messages/{NOBODY}", code="not_found")
    ann.refused("DELETE", f"/messages/{theirs}", code="invalid_request", **{"for": "nobody"})
    ben.refused("DELETE", f"/messages/{in_group2}", code="forbidden")
    ann.ask("DELETE", f"/messages/{in_group}", gives=204)  # an owner or admin may
    assert ben.ask("GET", f"/messages/{in_group}")["deletedBy"] == ann.id


async def test_a_deletion_for_oneself_is_ones_own(ann: Person, ben: Person, chat: str) -> None:
    here, there = await ben.open(), await ben.open()
    message = ann.say(chat, "unwanted")
    frame = await here.ask("message.delete", "message.deleted", messageId=message["messageId"], **{"for": "me"})
    assert (frame["for"], frame["seq"], frame["targetSeq"]) == ("me", None, message["seq"])
    await there.until("message.deleted", messageId=message["messageId"])
    ben.refused("GET", f"/messages/{message['messageId']}", code="not_found")
    page = ben.ask("GET", f"/chats/{chat}/messages", of=shapes.Page, after=message["seq"] - 1)
    assert message["seq"] not in [item["seq"] for item in page["items"]]
    assert page["toSeq"] >= message["seq"]
    synced = ben.ask("POST", "/sync", {"since": None, "positions": {}}, of=shapes.Synced)
    assert message["messageId"] in synced["hidden"]
    assert ann.ask("GET", f"/messages/{message['messageId']}")["content"]["text"] == "unwanted"
    assert ben.ask("GET", "/messages/search", q="unwanted", chatId=chat)["items"] == []
    again = await here.ask("message.delete", "message.deleted", messageId=message["messageId"], **{"for": "me"})
    assert again == frame | {"ref": again["ref"]}


# -- reactions -------------------------------------------------------------------------------------


async def test_a_reaction_is_one_a_person_and_the_last_counts(ann: Person, ben: Person, chat: str) -> None:
    live = await ann.open()
    message = ann.say(chat)["messageId"]
    path = f"/messages/{message}/reaction"
    ben.ask("PUT", path, {"emoji": THUMB}, of=shapes.Message)
    assert (await shown(live, "message.reaction", message))["emoji"] == THUMB
    mine = ben.ask("PUT", path, {"emoji": FAMILY})
    assert mine["reactions"] == [{"emoji": FAMILY, "count": 1, "mine": True}]
    ann.ask("PUT", path, {"emoji": FAMILY})
    assert ben.ask("GET", f"/messages/{message}")["reactions"] == [{"emoji": FAMILY, "count": 2, "mine": True}]
    head = ann.chat(chat)["lastSeq"]
    ann.ask("PUT", path, {"emoji": FAMILY})  # in force already
    assert ann.chat(chat)["lastSeq"] == head
    for _ in range(2):
        ben.ask("DELETE", path, gives=204)
    assert (await live.until("message.reaction", userId=ben.id, emoji=None))["messageId"] == message
    assert ann.ask("GET", f"/messages/{message}")["reactions"] == [{"emoji": FAMILY, "count": 1, "mine": True}]
    assert last(ann, chat)["change"] == "reaction"


@pytest.mark.parametrize("emoji", ["", "a", "ok", THUMB * 2, " ", "1", 5, None, f"{THUMB} ", "x" * 65])
async def test_a_bad_reaction_is_refused(ann: Person, chat: str, emoji: Any) -> None:
    message = ann.say(chat)["messageId"]
    ann.refused("PUT", f"/messages/{message}/reaction", {"emoji": emoji}, code="invalid_request")


async def test_a_bad_reaction_is_refused_at_the_socket(ann: Person, ben: Person, eve: Person, chat: str) -> None:
    live, outside = await ann.open(), await eve.open()
    message = (await live.send(chat))["messageId"]
    await live.refused("message.react", "invalid_request", messageId=message, emoji="ok")
    await live.refused("message.react", "invalid_frame", messageId=message, emoji=5)
    await live.refused("message.react", "invalid_frame", messageId=message)
    await outside.refused("message.react", "not_found", messageId=message, emoji=THUMB)
    eve.refused("PUT", f"/messages/{message}/reaction", {"emoji": THUMB}, code="not_found")
    eve.refused("DELETE", f"/messages/{message}/reaction", code="not_found")
    taken = await live.ask("message.react", "message.reaction", messageId=message, emoji=THUMB)
    back = await live.ask("message.react", "message.reaction", messageId=message, emoji=None)
    again = await live.ask("message.react", "message.reaction", messageId=message, emoji=None)
    assert taken["seq"] < back["seq"] == again["seq"]


async def test_many_reactions_at_once_all_count(ann: Person, ben: Person, eve: Person, system: System) -> None:
    people = [ann, ben, eve, *(Person(system.base_url) for _ in range(3))]
    room = ann.group(*people[1:])
    message = ann.say(room)["messageId"]
    lives = [await person.open() for person in people]
    await asyncio.gather(
        *(live.ask("message.react", "message.reaction", messageId=message, emoji=HEART) for live in lives)
    )
    assert ann.ask("GET", f"/messages/{message}")["reactions"] == [{"emoji": HEART, "count": 6, "mine": True}]


# -- votes -----------------------------------------------------------------------------------------


async def test_a_vote_counts_once_and_can_be_changed(ann: Person, ben: Person, eve: Person, chat: str) -> None:
    a, b, outside = await ann.open(), await ben.open(), await eve.open()
    poll = (await a.send(chat, POLL))["messageId"]
    voted = await b.ask("message.vote", "message.vote", messageId=poll, optionIds=["1"])
    assert voted["votes"] == [
        {"optionId": "1", "count": 1, "mine": True}, {"optionId": "2", "count": 0, "mine": False},
    ]  # fmt: skip
    again = await b.ask("message.vote", "message.vote", messageId=poll, optionIds=["1"])
    assert again["seq"] == voted["seq"]
    await a.ask("message.vote", "message.vote", messageId=poll, optionIds=["1"])
    other = await b.ask("message.vote", "message.vote", messageId=poll, optionIds=["2"])
    assert [vote["count"] for vote in other["votes"]] == [1, 1]
    assert last(ann, chat)["change"] == "vote"
    assert [vote["mine"] for vote in ann.ask("GET", f"/messages/{poll}")["votes"]] == [True, False]
    back = await b.ask("message.vote", "message.vote", messageId=poll, optionIds=[])
    assert [vote["count"] for vote in back["votes"]] == [1, 0]
    for bad in (["3"], ["1", "2"]):
        await b.refused("message.vote", "invalid_request", messageId=poll, optionIds=bad)
    for ill in ("1", [1], None, ["x"] * 13):
        await b.refused("message.vote", "invalid_frame", messageId=poll, optionIds=ill)
    text = (await a.send(chat))["messageId"]
    await b.refused("message.vote", "invalid_request", messageId=text, optionIds=["1"])
    await outside.refused("message.vote", "not_found", messageId=poll, optionIds=["1"])


async def test_a_poll_of_several_answers_takes_several(ann: Person, chat: str) -> None:
    live = await ann.open()
    poll = (await live.send(chat, POLL | {"multiple": True}))["messageId"]
    voted = await live.ask("message.vote", "message.vote", messageId=poll, optionIds=["2", "1", "1"])
    assert [vote["count"] for vote in voted["votes"]] == [1, 1]


# -- pins ------------------------------------------------------------------------------------------


async def test_three_messages_are_pinned_at_most(ann: Person, ben: Person, eve: Person, group: str) -> None:
    live = await ben.open()
    said = [ann.say(group)["messageId"] for _ in range(4)]
    for message in said[:3]:
        ann.ask("PUT", f"/messages/{message}/pin", of=shapes.Message)
        frame = await shown(live, "message.pinned", message)
        assert (frame["pinned"], frame["userId"]) == (True, ann.id)
    assert last(ben, group)["change"] == "pinned"
    assert ben.chat(group)["pinnedMessageIds"] == said[:3]
    ann.ask("PUT", f"/messages/{said[0]}/pin")  # in force already
    assert last(ben, group)["seq"] == frame["seq"]
    ann.refused("PUT", f"/messages/{said[3]}/pin", code="limit_exceeded")
    for _ in range(2):
        ann.ask("DELETE", f"/messages/{said[0]}/pin", gives=204)
    await live.until("message.pinned", messageId=said[0], pinned=False)
    assert ann.chat(group)["pinnedMessageIds"] == said[1:3]
    eve.refused("PUT", f"/messages/{said[3]}/pin", code="not_found")
    eve.refused("DELETE", f"/messages/{said[1]}/pin", code="not_found")
    ann.refused("PUT", f"/messages/{NOBODY}/pin", code="not_found")


def test_a_deleted_message_is_no_longer_pinned(ann: Person, ben: Person) -> None:
    room = ann.group(ben)
    message = ann.say(room)["messageId"]
    ann.ask("PUT", f"/messages/{message}/pin")
    ann.ask("DELETE", f"/messages/{message}", gives=204)
    assert ann.chat(room)["pinnedMessageIds"] == []


def test_taking_something_off_a_deleted_message_is_no_error(ann: Person, ben: Person, eve: Person) -> None:
    room = ann.group(ben)
    message = ann.say(room)["messageId"]
    ben.ask("PUT", f"/messages/{message}/reaction", {"emoji": THUMB})
    ann.ask("PUT", f"/messages/{message}/pin")
    ann.ask("DELETE", f"/messages/{message}", gives=204)
    head = ann.chat(room)["lastSeq"]
    ben.ask("DELETE", f"/messages/{message}/reaction", gives=204)
    ann.ask("DELETE", f"/messages/{message}/pin", gives=204)
    ben.refused("PUT", f"/messages/{message}/reaction", {"emoji": THUMB}, code="not_found")
    eve.refused("DELETE", f"/messages/{message}/reaction", code="not_found")
    assert ann.chat(room)["lastSeq"] == head


def test_who_was_removed_changes_nothing_any_more(ann: Person, ben: Person) -> None:
    room = ann.group(ben)
    message = ben.say(room)["messageId"]
    ann.ask("DELETE", f"/chats/{room}/members/{ben.id}", gives=204)
    for method, path, body in [
        ("PATCH", f"/messages/{message}", {"content": "x"}), ("DELETE", f"/messages/{message}", None),
        ("PUT", f"/messages/{message}/reaction", {"emoji": THUMB}), ("PUT", f"/messages/{message}/pin", None),
    ]:  # fmt: skip
        assert ben.http.request(method, path, json=body).status_code in (403, 404), path
    ben.ask("PUT", f"/messages/{message}/star")  # what one may read one may star
    ben.ask("DELETE", f"/messages/{message}", gives=204, **{"for": "me"})
    assert ann.ask("GET", f"/messages/{message}")["content"] is not None


async def test_changes_of_unknown_ids_and_bad_frames(ann: Person) -> None:
    live = await ann.open()
    for type_, fields in {
        "message.edit": {"content": "x"}, "message.delete": {}, "message.react": {"emoji": THUMB},
        "message.vote": {"optionIds": []},
    }.items():  # fmt: skip
        await live.refused(type_, "not_found", messageId=NOBODY, **fields)
        await live.refused(type_, "invalid_frame", messageId="x", **fields)
        if type_ != "message.delete":
            await live.refused(type_, "invalid_frame", **fields)
    assert (await live.refused("message.delete", "invalid_frame", messageId=NOBODY, **{"for": "you"}))["message"]
    assert uuid.UUID(ann.id)


async def test_changes_of_one_message_are_made_in_the_order_they_were_sent(ann: Person, chat: str) -> None:
    message = ann.say(chat, "first")["messageId"]
    live = await ann.open()
    for round_ in range(3):
        for number in range(6):
            await live.say("message.edit", messageId=message, content=f"{round_}.{number}", ref=f"{round_}.{number}")
        for emoji in (THUMB, None):
            await live.say("message.react", messageId=message, emoji=emoji, ref=f"{round_}.{emoji}")
        await live.until_any("message.reaction", ref=f"{round_}.None")
        shown = ann.ask("GET", f"/messages/{message}")
        assert shown["content"]["text"] == f"{round_}.5"
        assert shown["reactions"] == []


def test_a_message_lasts_a_year_at_most(ann: Person, chat: str) -> None:
    body = {"clientMsgId": "lasts", "content": "x", "expiresIn": 2**53 - 1}
    ann.refused("POST", f"/chats/{chat}/messages", body, code="invalid_request")


def test_a_page_around_a_number_says_where_it_ends(ann: Person, ben: Person) -> None:
    room = ann.group(ben)
    for number in range(5):
        ann.say(room, str(number))
    page = ann.ask("GET", f"/chats/{room}/messages", around=3, limit=1)
    assert ([item["seq"] for item in page["items"]], page["toSeq"], page["hasMore"]) == ([3], 3, True)
