"""Sending, reading, forwarding, searching: contract section 3, message."""

import uuid
from typing import Any

import pytest
from tests.support import shapes
from tests.support.people import Person
from tests.support.running import System
from tests.support.samples import NOBODY, NOWHERE
from tests.support.waiting import wait_until

POLL = {
    "kind": "poll", "question": "Well?", "multiple": False,
    "options": [{"id": "1", "text": "yes"}, {"id": "2", "text": "no"}],
}  # fmt: skip
CONTENTS: list[dict[str, Any]] = [
    {"kind": "text", "text": "x" * 8192},
    {"kind": "text", "text": "\N{FAMILY} \u0627\u0644\u0639\u0631\u0628\u064a\u0629 e\u0301"},
    {"kind": "location", "lat": -33.5, "lon": 151.25, "name": "Here"},
    {"kind": "location", "lat": 90.0, "lon": -180.0},
    {"kind": "contact", "name": "Zoe", "phones": ["+491511234567"], "userId": NOBODY},
    {"kind": "contact", "name": "Zoe", "phones": ["1", "2"]},
    POLL,
    POLL | {"multiple": True, "options": [{"id": str(n), "text": "o" * 100} for n in range(12)]},
]
BAD_CONTENTS: list[tuple[Any, str]] = [
    ("", "invalid_request"), ("   ", "invalid_request"), ("x" * 8193, "limit_exceeded"), (5, "invalid_request"),
    (None, "invalid_request"), ([], "invalid_request"), ({}, "invalid_request"), ({"kind": "text"}, "invalid_request"),
    ({"kind": "text", "text": 5}, "invalid_request"), ({"kind": "notice", "event": "x"}, "invalid_request"),
    ({"kind": "nonsense", "text": "x"}, "invalid_request"), ("a\x00b", "invalid_request"),
    ({"kind": "location", "lat": 91, "lon": 0}, "invalid_request"), ({"kind": "location", "lat": 0}, "invalid_request"),
    ({"kind": "contact", "name": "", "phones": ["1"]}, "invalid_request"),
    ({"kind": "contact", "name": "x", "phones": []}, "invalid_request"),
    ({"kind": "image", "mediaId": "x", "width": 1, "height": 1}, "invalid_request"),
    ({"kind": "image", "mediaId": NOBODY, "width": 1, "height": 1}, "not_found"),
    ({"kind": "image", "mediaId": NOBODY, "width": 0, "height": 1}, "invalid_request"),
    ({"kind": "sticker", "mediaId": NOBODY}, "not_found"),
    ({"kind": "voice", "mediaId": NOBODY, "durationMs": 5, "waveform": [1, 2]}, "invalid_request"),
    (POLL | {"options": POLL["options"][:1]}, "limit_exceeded"),
    (POLL | {"options": [{"id": str(n), "text": "x"} for n in range(13)]}, "limit_exceeded"),
    (POLL | {"options": [{"id": "1", "text": "x" * 101}, {"id": "2", "text": "x"}]}, "limit_exceeded"),
    (POLL | {"options": [{"id": "1", "text": "a"}, {"id": "1", "text": "b"}]}, "invalid_request"),
]  # fmt: skip


@pytest.fixture(scope="module")
def dan(system: System) -> Person:
    return Person(system.base_url)


@pytest.fixture
def group(ann: Person, ben: Person, dan: Person) -> str:
    return ann.group(ben, dan)


@pytest.mark.parametrize("content", CONTENTS, ids=lambda content: str(content["kind"]))
def test_each_kind_of_content_is_kept_as_it_was_sent(ann: Person, ben: Person, chat: str, content: Any) -> None:
    sent = ann.say(chat, content)
    seen = ben.ask("GET", f"/messages/{sent['messageId']}", of=shapes.Message)
    assert seen["content"] == sent["content"]
    assert {k: v for k, v in seen["content"].items() if k in content} == content
    assert ("votes" in seen) == (content["kind"] == "poll")


@pytest.mark.parametrize(("content", "code"), BAD_CONTENTS)
async def test_bad_content_is_refused(ann: Person, chat: str, content: Any, code: str) -> None:
    body = {"clientMsgId": uuid.uuid4().hex, "content": content}
    ann.refused("POST", f"/chats/{chat}/messages", body, code=code)


async def test_bad_content_is_refused_at_the_socket_with_its_client_id(ann: Person, chat: str) -> None:
    live = await ann.open()
    for content, code in BAD_CONTENTS:
        frame = {"chatId": chat, "clientMsgId": uuid.uuid4().hex, "content": content}
        error = await live.refused("message.send", code, **frame)
        assert error["clientMsgId"] == frame["clientMsgId"]
    sent = await live.send(chat, "still here")
    before = ann.ask("GET", f"/messages/{sent['messageId']}")
    assert before["seq"] == ann.chat(chat)["lastSeq"]  # nothing refused has taken a number since


BAD_SENDS: list[Any] = [
    None, [], {}, {"clientMsgId": "x"}, {"content": "x"}, {"clientMsgId": "", "content": "x"},
    {"clientMsgId": "x" * 65, "content": "x"}, {"clientMsgId": "a b", "content": "x"},
    {"clientMsgId": 5, "content": "x"}, {"clientMsgId": "x", "content": "x", "replyTo": "x"},
    {"clientMsgId": "x", "content": "x", "mentions": "x"}, {"clientMsgId": "x", "content": "x", "mentions": ["x"]},
    {"clientMsgId": "x", "content": "x", "expiresIn": -1}, {"clientMsgId": "x", "content": "x", "expiresIn": "y"},
]  # fmt: skip


@pytest.mark.parametrize("body", BAD_SENDS)
def test_a_bad_send_is_refused(ann: Person, chat: str, body: Any) -> None:
    ann.refused("POST", f"/chats/{chat}/messages", body, code="invalid_request")


def test_a_stranger_neither_writes_nor_reads(ann: Person, eve: Person, chat: str) -> None:
    message = ann.say(chat)["messageId"]
    body = {"clientMsgId": "x", "content": "x"}
    for there in (chat, NOWHERE, "nonsense"):
        eve.refused("POST", f"/chats/{there}/messages", body, code="not_found")
        eve.refused("GET", f"/chats/{there}/messages", code="not_found")
    for which in (message, NOBODY, "nonsense"):
        eve.refused("GET", f"/messages/{which}", code="not_found")
        eve.refused("GET", f"/messages/{which}/receipts", code="not_found")
    assert ann.chat(chat)["lastMessage"]["messageId"] == message


async def test_a_message_reaches_everyone_as_it_is_stored(ann: Person, ben: Person, dan: Person, group: str) -> None:
    lives = [await person.open() for person in (ann, ben, dan)]
    sent = ann.say(group, "to all")
    for live in lives:
        frame = await live.until("message.new", messageId=sent["messageId"])
        assert {k: v for k, v in frame.items() if k != "type"} == sent
    assert ben.chat(group)["lastMessage"] == sent


def test_a_resend_gets_the_first_answer_also_after_the_right_is_gone(ann: Person, ben: Person, group: str) -> None:
    name = uuid.uuid4().hex
    first = ben.send(group, name, "first")
    ann.ask("DELETE", f"/chats/{group}/members/{ben.id}", gives=204)
    again = ben.send(group, name, "second")
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json()
    assert ben.send(group, uuid.uuid4().hex).status_code in (403, 404)


def test_a_reply_shows_what_it_answers(ann: Person, ben: Person, eve: Person, chat: str) -> None:
    first = ann.say(chat, "a" * 300)
    reply = ben.say(chat, "well", replyTo=first["messageId"])
    assert reply["replyTo"] | {"preview": ""} == {
        "messageId": first["messageId"], "seq": first["seq"], "senderId": ann.id, "preview": "",
    }  # fmt: skip
    assert reply["replyTo"]["preview"].startswith("aaaa")
    assert len(reply["replyTo"]["preview"]) <= 120
    elsewhere = ann.say(ann.direct(eve))
    for foreign in (elsewhere["messageId"], NOBODY):
        body = {"clientMsgId": uuid.uuid4().hex, "content": "x", "replyTo": foreign}
        ann.refused("POST", f"/chats/{chat}/messages", body, code="not_found")


def test_a_mention_counts_for_the_mentioned(ann: Person, ben: Person, dan: Person, eve: Person, group: str) -> None:
    sent = ann.say(group, "@Ben", mentions=[ben.id, ben.id])
    assert sent["mentions"] == [ben.id]
    assert [person.chat(group)["mentionCount"] for person in (ann, ben, dan)] == [0, 1, 0]
    assert [person.chat(group)["unreadCount"] for person in (ann, ben, dan)] == [0, 1, 1]
    body = {"clientMsgId": uuid.uuid4().hex, "content": "x", "mentions": [eve.id]}
    ann.refused("POST", f"/chats/{group}/messages", body, code="not_found")


def test_a_message_that_expires_is_emptied_in_place(ann: Person, ben: Person, chat: str) -> None:
    sent = ann.say(chat, "soon gone", expiresIn=1)
    assert sent["expiresAt"] > sent["createdAt"]
    path = f"/messages/{sent['messageId']}"
    wait_until(lambda: ben.ask("GET", path)["content"] is None, "it is gone", 5)
    gone = ben.ask("GET", path, of=shapes.Message)
    assert gone["deletedAt"] is not None
    assert gone["seq"] == sent["seq"]
    hits = ben.ask("GET", "/messages/search", of=shapes.Hits, q="soon gone", chatId=chat)["items"]
    assert sent["messageId"] not in [hit["message"]["messageId"] for hit in hits]


def test_history_in_pages_both_ways_and_around(ann: Person, ben: Person) -> None:
    room = ann.group(ben)
    said = [ann.say(room, f"n{n}") for n in range(10)]
    path, numbers = f"/chats/{room}/messages", [message["seq"] for message in said]
    ann.ask("PUT", f"/messages/{said[0]['messageId']}/reaction", {"emoji": "\N{HEAVY BLACK HEART}\ufe0f"})

    def page(**query: int) -> dict[str, Any]:
        found: dict[str, Any] = ben.ask("GET", path, of=shapes.Page, **query)
        return found

    # Forward: all entries, also the change, each number covered once.
    after, kinds = 0, []
    while True:
        found = page(after=after, limit=4)
        assert found["fromSeq"] == after + 1
        kinds += [item["kind"] for item in found["items"]]
        after = found["toSeq"]
        if not found["hasMore"]:
            break
    assert after == ben.chat(room)["lastSeq"]
    assert kinds == ["notice", *["message"] * 10, "change"]
    # Back: messages and notices as they are now.
    newest = page(limit=3)
    assert [item["seq"] for item in newest["items"]] == numbers[-3:]
    assert newest["hasMore"]
    older = page(before=newest["fromSeq"], limit=100)
    assert [item["seq"] for item in older["items"]] == [1, *numbers[:-3]]
    assert (older["hasMore"], older["fromSeq"], older["toSeq"]) == (False, 1, newest["fromSeq"] - 1)
    assert older["items"][1]["reactions"] == [{"emoji": "\N{HEAVY BLACK HEART}\ufe0f", "count": 1, "mine": False}]
    middle = page(around=numbers[5], limit=4)
    assert numbers[5] in [item["seq"] for item in middle["items"]]
    assert len(middle["items"]) == 4
    assert page(after=after)["items"] == []
    assert page(after=after)["toSeq"] == after
    assert page(after=after + 1000)["items"] == []


@pytest.mark.parametrize(
    "query", [{"limit": 0}, {"limit": 101}, {"after": -1}, {"after": "x"}, {"before": 1, "after": 1}, {"after": 2**70}]
)
def test_a_bad_page_is_refused(ann: Person, chat: str, query: dict[str, Any]) -> None:
    ann.refused("GET", f"/chats/{chat}/messages", code="invalid_request", **query)


def test_reading_by_ids_reads_each_chat_up_to_the_highest(ann: Person, ben: Person, eve: Person) -> None:
    rooms = [ann.group(ben), ann.group(ben)]
    said = [[ann.say(room)["messageId"] for _ in range(3)] for room in rooms]
    answer = ben.ask("POST", "/messages/read", {"messageIds": [said[0][1], said[0][0], said[1][2]]})
    assert {chat["chatId"]: (chat["readSeq"], chat["unreadCount"]) for chat in answer["chats"]} == {
        rooms[0]: (3, 1), rooms[1]: (4, 0),
    }  # fmt: skip
    assert [ben.chat(room)["unreadCount"] for room in rooms] == [1, 0]
    ben.ask("POST", "/messages/read", {"messageIds": [said[0][0]]})  # only forward
    assert ben.chat(rooms[0])["readSeq"] == 3
    eve.refused("POST", "/messages/read", {"messageIds": [said[0][0]]}, code="not_found")
    for bad in ({}, {"messageIds": "x"}, {"messageIds": ["x"]}, None):
        ben.refused("POST", "/messages/read", bad, code="invalid_request")


def test_unread_counts_neither_ones_own_nor_deleted_nor_hidden(ann: Person, ben: Person) -> None:
    room = ann.group(ben)
    first, second, _ = (ann.say(room)["messageId"] for _ in range(3))
    ben.say(room)
    assert ben.chat(room)["unreadCount"] == 3
    ann.ask("DELETE", f"/messages/{first}", gives=204)
    assert ben.chat(room)["unreadCount"] == 2
    ben.ask("DELETE", f"/messages/{second}", gives=204, **{"for": "me"})
    assert ben.chat(room)["unreadCount"] == 1


def test_receipts_are_for_the_author(ann: Person, ben: Person, dan: Person, group: str) -> None:
    message = ann.say(group)["messageId"]
    path = f"/messages/{message}/receipts"
    nothing = [{"userId": person.id, "deliveredAt": None, "readAt": None} for person in (ben, dan)]
    found = ann.ask("GET", path, of=shapes.Receipts)["items"]
    assert sorted(found, key=lambda item: item["userId"]) == sorted(nothing, key=lambda item: str(item["userId"]))
    ben.ask("POST", "/messages/read", {"messageIds": [message]})
    read = next(item for item in ann.ask("GET", path)["items"] if item["userId"] == ben.id)
    assert read["deliveredAt"] is not None
    assert read["readAt"] is not None
    ben.refused("GET", path, code="forbidden")


def test_a_message_is_forwarded_with_a_count(ann: Person, ben: Person, eve: Person, chat: str, group: str) -> None:
    first, second = ann.say(chat, "one"), ann.say(chat, POLL)
    items = [{"messageId": m["messageId"], "clientMsgId": uuid.uuid4().hex} for m in (first, second)]
    answer = ann.ask("POST", "/messages/forward", {"chatId": group, "items": items}, gives=201)
    shapes.check(answer["items"], list[shapes.Message])
    assert [item["forwarded"] for item in answer["items"]] == [1, 1]
    assert answer["items"][0]["content"] == first["content"]
    assert {vote["count"] for vote in answer["items"][1]["votes"]} == {0}
    again = ann.ask("POST", "/messages/forward", {"chatId": group, "items": items}, gives=200)["items"]
    assert [item["messageId"] for item in again] == [item["messageId"] for item in answer["items"]]
    twice = [{"messageId": answer["items"][0]["messageId"], "clientMsgId": uuid.uuid4().hex}]
    answer = ben.ask("POST", "/messages/forward", {"chatId": chat, "items": twice}, gives=201)
    assert answer["items"][0]["forwarded"] == 2
    room = eve.group()
    eve.refused("POST", "/messages/forward", {"chatId": room, "items": items}, code="not_found")
    eve.refused("POST", "/messages/forward", {"chatId": chat, "items": []}, code="limit_exceeded")
    own = [{"messageId": eve.say(room)["messageId"], "clientMsgId": uuid.uuid4().hex}]
    eve.refused("POST", "/messages/forward", {"chatId": chat, "items": own}, code="not_found")
    for bad in ({}, {"chatId": chat}, {"chatId": "x", "items": items}, {"chatId": chat, "items": [{}]}, None):
        ann.refused("POST", "/messages/forward", bad, code="invalid_request")


def test_search_finds_in_any_script_what_one_may_see(ann: Person, ben: Person, eve: Person, chat: str) -> None:
    word = uuid.uuid4().hex[:8]
    said = [ann.say(chat, f"{text} {word}") for text in ("Straße", "Привет мир", "東京タワー", "plain")]
    query = {"chatId": chat}
    for needle, index in (("STRASSE", None), ("straße", 0), ("ПРИВЕТ", 1), ("京タ", 2), (f"PLAIN {word}", 3)):
        hits = ben.ask("GET", "/messages/search", of=shapes.Hits, q=needle, **query)["items"]
        if index is not None:
            assert said[index]["messageId"] in [hit["message"]["messageId"] for hit in hits], needle
    hit = ben.ask("GET", "/messages/search", q=f"мир {word}")["items"][0]
    text = hit["message"]["content"]["text"]
    assert [text[start:end] for start, end in hit["highlights"]] == [f"мир {word}"]
    assert eve.ask("GET", "/messages/search", of=shapes.Hits, q=word)["items"] == []
    first = ben.ask("GET", "/messages/search", of=shapes.Hits, q=word, limit=3)
    rest = ben.ask("GET", "/messages/search", of=shapes.Hits, q=word, limit=3, cursor=first["nextCursor"])
    found = [hit["message"]["messageId"] for hit in first["items"] + rest["items"]]
    assert found == [message["messageId"] for message in said][::-1]
    ann.refused("GET", "/messages/search", code="not_found", q="x", chatId=NOWHERE)
    eve.refused("GET", "/messages/search", code="not_found", q="x", chatId=chat)
    for bad in ({}, {"q": ""}, {"q": "  "}, {"q": "x", "limit": 0}, {"q": "x", "cursor": "nonsense"}):
        ann.refused("GET", "/messages/search", code="invalid_request", **bad)


def test_a_message_is_starred_for_oneself(ann: Person, ben: Person, eve: Person, fresh: Person) -> None:
    room = fresh.group(ann)
    said = [fresh.say(room, f"star {n}")["messageId"] for n in range(3)]
    for message in said:
        assert fresh.ask("PUT", f"/messages/{message}/star", of=shapes.Message)["starred"] is True
    fresh.ask("PUT", f"/messages/{said[0]}/star")
    first = fresh.ask("GET", "/messages/starred", of=shapes.Messages, limit=2)
    rest = fresh.ask("GET", "/messages/starred", of=shapes.Messages, limit=2, cursor=first["nextCursor"])
    assert [item["messageId"] for item in first["items"] + rest["items"]] == said[::-1]
    assert ann.ask("GET", f"/messages/{said[0]}")["starred"] is False
    for _ in range(2):
        fresh.ask("DELETE", f"/messages/{said[0]}/star", gives=204)
    assert len(fresh.ask("GET", "/messages/starred")["items"]) == 2
    fresh.ask("DELETE", f"/messages/{said[1]}", gives=204, **{"for": "me"})  # what one has deleted is nowhere
    assert [item["messageId"] for item in fresh.ask("GET", "/messages/starred")["items"]] == said[2:]
    eve.refused("PUT", f"/messages/{said[0]}/star", code="not_found")
    fresh.refused("PUT", f"/messages/{NOBODY}/star", code="not_found")
    fresh.refused("GET", "/messages/starred", code="invalid_request", cursor="nonsense")
