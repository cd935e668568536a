"""Hostile input, rows 34 to 39 of docs/protocol.md: text in fields, queries and cursors."""

import time
import unicodedata
import uuid
from typing import Any

import pytest
from tests.support import shapes
from tests.support.people import Person

OPERATORS: list[Any] = [{"$ne": ""}, {"$gt": ""}, ["x"], {"$where": "1"}, True]


@pytest.mark.parametrize("value", OPERATORS)
def test_row_34_an_object_for_a_text_is_refused(ann: Person, chat: str, value: Any) -> None:
    for method, path, body in [
        ("POST", "/auth/verify-otp", {"phone": value, "otp": "123456"}),
        ("POST", "/auth/verify-otp", {"phone": ann.phone, "otp": value}),
        ("POST", "/auth/refresh", {"refreshToken": value}),
        ("PATCH", "/users/me", {"name": value}),
        ("POST", "/users/contacts", {"userId": value}),
        ("POST", "/chats", {"type": "direct", "userId": value}),
        ("POST", f"/chats/{chat}/messages", {"clientMsgId": value, "content": "x"}),
        ("POST", f"/chats/{chat}/messages", {"clientMsgId": "x", "content": {"kind": "text", "text": value}}),
        ("POST", f"/chats/{chat}/messages", {"clientMsgId": "x", "content": "x", "replyTo": value}),
        ("POST", "/messages/read", {"messageIds": [value]}),
        ("POST", "/messages/forward", {"chatId": value, "items": []}),
        ("POST", "/sync", {"since": value, "positions": {}}),
    ]:
        ann.refused(method, path, body, code="invalid_request")


async def test_row_34_at_the_socket_too(ann: Person, chat: str) -> None:
    live = await ann.open()
    for value in OPERATORS:
        frame = {"chatId": chat, "clientMsgId": "x", "content": {"kind": "text", "text": value}}
        await live.refused("message.send", "invalid_request", **frame)
    await live.refused("message.send", "invalid_frame", chatId={"$ne": ""}, clientMsgId="x", content="x")
    await live.refused("message.edit", "invalid_frame", messageId={"$ne": ""}, content="x")


def test_row_35_a_query_is_taken_literally(ann: Person, ben: Person) -> None:
    room = ann.group(ben)
    texts = ["(a+)+$", "' OR 1=1; DROP TABLE chats; --", "100%_", "a.c", "\\d+", "[x", "{$ne: 1}", '"quoted"', "^start"]
    for text in texts:
        ann.say(room, text)
    ann.say(room, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!")
    for text in texts:
        began = time.monotonic()
        hits = ben.ask("GET", "/messages/search", of=shapes.Hits, q=text, chatId=room)["items"]
        assert [hit["message"]["content"]["text"] for hit in hits] == [text]
        assert time.monotonic() - began < 8  # a pattern would take hours
    for bad in ("x" * 257, "x" * 10_000):
        ann.refused("GET", "/messages/search", code="invalid_request", q=bad)


def test_row_36_nul_is_refused_everywhere(ann: Person, chat: str) -> None:
    for method, path, body in [
        ("PATCH", "/users/me", {"name": "a\x00b"}), ("PATCH", "/users/me", {"about": "a\x00b"}),
        ("POST", "/users/contacts", {"userId": ann.id, "name": "\x00"}),
        ("POST", f"/chats/{chat}/messages", {"clientMsgId": "x", "content": "a\x00b"}),
        ("POST", f"/chats/{chat}/messages", {"clientMsgId": "x\x00", "content": "ab"}),
    ]:  # fmt: skip
        ann.refused(method, path, body, code="invalid_request")
    ann.refused("GET", "/messages/search", code="invalid_request", q="a\x00b")


NULS: list[dict[str, Any]] = [
    {"kind": "location", "lat": 1, "lon": 1, "name": "a\x00"}, {"kind": "contact", "name": "\x00a", "phones": ["1"]},
    {"kind": "contact", "name": "a", "phones": ["1\x00"]},
    {"kind": "poll", "question": "a\x00", "options": [{"id": "1", "text": "a"}, {"id": "2", "text": "b"}]},
    {"kind": "poll", "question": "a", "options": [{"id": "1\x00", "text": "a"}, {"id": "2", "text": "b"}]},
    {"kind": "poll", "question": "a", "options": [{"id": "1", "text": "a\x00"}, {"id": "2", "text": "b"}]},
]  # fmt: skip


@pytest.mark.parametrize("content", NULS)
def test_row_36_nul_in_contents_is_refused(ann: Person, chat: str, content: dict[str, Any]) -> None:
    body = {"clientMsgId": uuid.uuid4().hex, "content": content}
    ann.refused("POST", f"/chats/{chat}/messages", body, code="invalid_request")


async def test_row_36_lone_surrogates_are_refused(ann: Person, chat: str) -> None:
    raw = b'{"clientMsgId": "surrogate", "content": "a\\ud800b"}'
    answer = ann.http.post(f"/chats/{chat}/messages", content=raw, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
    live = await ann.open()
    await live.socket.send(
        f'{{"type":"message.send","chatId":"{chat}","clientMsgId":"s","content":"\\udc00","ref":"r"}}'
    )
    assert (await live.until("error"))["code"] in ("invalid_frame", "invalid_request")
    answer = ann.http.patch("/users/me", content=b'{"name": "\\ud800"}', headers={"content-type": "application/json"})
    assert answer.status_code == 400


def test_row_37_text_is_kept_and_names_are_cleaned(fresh: Person, ben: Person) -> None:
    odd = "\u202egnirts\u202c \u200bzero\u200d \u0301\u0301\u0301 \u2066x\u2069 \u00a0end"
    room = fresh.direct(ben)
    assert fresh.say(room, odd)["content"]["text"] == odd
    name = fresh.ask("PATCH", "/users/me", {"name": "\u202eEvil\u200b \r\n\x1b[31mName\ufeff"})["name"]
    assert not [c for c in name if unicodedata.category(c) in ("Cc", "Cf")]
    assert "Evil" in name
    fresh.refused("PATCH", "/users/me", {"name": "\u200b\u202e\n"}, code="invalid_request")


def test_row_38_altered_and_foreign_cursors_are_refused(ann: Person, ben: Person) -> None:
    for _ in range(2):
        ann.group()
    cursor = ann.ask("GET", "/chats", limit=1)["nextCursor"]
    assert cursor
    ann.ask("GET", "/chats", cursor=cursor)
    ben.refused("GET", "/chats", code="invalid_request", cursor=cursor)
    ann.refused("GET", "/users/contacts", code="invalid_request", cursor=cursor)
    ann.refused("GET", "/messages/search", code="invalid_request", cursor=cursor, q="x")
    for place in (0, len(cursor) // 2, len(cursor) - 2):
        letter = "A" if cursor[place] != "A" else "B"
        ann.refused("GET", "/chats", code="invalid_request", cursor=cursor[:place] + letter + cursor[place + 1 :])
    for bad in ("", "A", "=", "%", "\u00e4", cursor + "AAAA", cursor[:-4]):
        answer = ann.http.get("/chats", params={"cursor": bad})
        assert answer.status_code == (200 if bad == "" else 400), bad


def test_row_39_the_same_id_with_another_body_is_the_first_message(ann: Person, chat: str) -> None:
    name = uuid.uuid4().hex
    first = ann.send(chat, name, "first")
    for other in ("second", {"kind": "location", "lat": 1, "lon": 1}, "", "x" * 9000, {"kind": "nonsense"}):
        again = ann.send(chat, name, other)
        assert (again.status_code, again.json()) == (200, first.json())
