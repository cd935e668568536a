"""Frames: every type of the contract's table with a good case, a bad body and an outsider; refs; what is sent to whom.
Changes to messages are tried in test_changes.py, marks and presence in test_receipts_presence.py."""

import json
import uuid
from typing import Any

import pytest
import websockets
from tests.support import shapes
from tests.support.people import Live, Person
from tests.support.running import System
from tests.support.samples import NOBODY, NOWHERE, picture

REF = "r" * 64


async def test_ready_says_who_and_what(ann: Person) -> None:
    live = await ann.open()
    ready = live.seen[0]
    session = next(s["id"] for s in ann.ask("GET", "/auth/sessions")["items"] if s["current"])
    assert (ready["userId"], ready["sessionId"], ready["heartbeatSeconds"]) == (ann.id, session, 30)
    assert ready["logEpoch"] == ann.ask("POST", "/sync", {"since": None, "positions": {}})["logEpoch"]


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer nonsense"}, {"Authorization": "Basic x"}])
async def test_without_a_token_there_is_no_socket(system: System, headers: dict[str, str]) -> None:
    with pytest.raises(websockets.InvalidStatus) as caught:
        await websockets.connect(system.base_url.replace("http", "ws", 1) + "/ws", additional_headers=headers)
    assert caught.value.response.status_code == 401
    problem = json.loads(caught.value.response.body)
    shapes.check(problem, shapes.Problem)
    assert problem["code"] == "unauthenticated"


async def test_a_get_that_is_no_upgrade_is_refused(ann: Person) -> None:
    answer = ann.http.get(ann.base_url + "/ws")
    assert 400 <= answer.status_code < 500


async def test_a_send_is_answered_and_shown_to_all_sockets_but_the_own(ann: Person, ben: Person, chat: str) -> None:
    a, second, b = await ann.open(), await ann.open(), await ben.open()
    sent = await a.send(chat, {"kind": "text", "text": "hello"}, replyTo=None, mentions=[ben.id], expiresIn=3600)
    stored = ann.ask("GET", f"/messages/{sent['messageId']}")
    assert {k: stored[k] for k in ("clientMsgId", "messageId", "chatId", "seq", "createdAt")} == {
        k: sent[k] for k in ("clientMsgId", "messageId", "chatId", "seq", "createdAt")
    }
    for live in (second, b):
        frame = await live.until("message.new", messageId=sent["messageId"])
        assert frame["mentions"] == [ben.id]
        assert frame["expiresAt"] is not None
    await a.send(chat)
    assert not [f for f in a.seen if f.get("messageId") == sent["messageId"] and f["type"] == "message.new"]


async def test_a_resend_over_rest_and_socket_has_one_answer(ann: Person, chat: str) -> None:
    live, name = await ann.open(), uuid.uuid4().hex
    first = ann.send(chat, name, "over REST").json()
    again = await live.ask("message.send", "message.sent", chatId=chat, clientMsgId=name, content="at the socket")
    assert (again["messageId"], again["seq"]) == (first["messageId"], first["seq"])
    assert ann.send(chat, name, "again").json()["content"]["text"] == "over REST"


async def test_one_id_many_times_at_once_is_one_message(ann: Person, ben: Person, chat: str) -> None:
    lives, name = [await ann.open(), await ann.open()], uuid.uuid4().hex
    for n in range(50):
        await lives[n % 2].say("message.send", chatId=chat, clientMsgId=name, content=f"try {n}")
    answers = [await live.until("message.sent", clientMsgId=name) for live in lives for _ in range(25)]
    assert len({(answer["messageId"], answer["seq"], answer["createdAt"]) for answer in answers}) == 1
    assert ben.chat(chat)["lastSeq"] == answers[0]["seq"]


BAD_FRAMES: list[tuple[str, dict[str, Any]]] = [
    ("message.send", {"chatId": "x", "clientMsgId": "a", "content": "x"}), ("message.send", {"clientMsgId": "a"}),
    ("message.send", {"chatId": NOWHERE, "clientMsgId": "a b", "content": "x"}),
    ("message.send", {"chatId": NOWHERE, "clientMsgId": "x" * 65, "content": "x"}),
    ("message.send", {"chatId": NOWHERE, "clientMsgId": "a"}),
    ("message.send", {"chatId": NOWHERE, "clientMsgId": "a", "content": "x", "replyTo": 5}),
    ("message.delivered", {"chatId": NOWHERE}), ("message.delivered", {"chatId": NOWHERE, "seq": -1}),
    ("message.delivered", {"chatId": NOWHERE, "seq": 1.5}), ("message.read", {"chatId": NOWHERE, "seq": None}),
    ("message.read", {"seq": 1}), ("typing.start", {}), ("typing.start", {"chatId": 5}), ("typing.stop", {}),
    ("presence.subscribe", {"userIds": "x"}), ("presence.subscribe", {"userIds": ["x"]}),
    ("presence.unsubscribe", {"userId": 5}), ("auth", {}), ("auth", {"accessToken": 5}), ("nonsense", {}),
]  # fmt: skip


@pytest.mark.parametrize(("type_", "fields"), BAD_FRAMES)
async def test_a_bad_frame_is_told_with_its_ref_and_type(ann: Person, type_: str, fields: dict[str, Any]) -> None:
    live = await ann.open()
    error = await live.refused(type_, "invalid_frame", **fields)
    assert error.get("clientMsgId") == fields.get("clientMsgId") or len(fields["clientMsgId"]) > 64
    await live.ask("ping", "pong")


@pytest.mark.parametrize("text", ['{"ref":"x"}', "[]", "null", "5", '"ping"', '{"type":5}', "{", "", '{"type":"ping"'])
async def test_what_is_no_frame_is_told(ann: Person, text: str) -> None:
    live = await ann.open()
    await live.socket.send(text)
    assert (await live.until("error"))["code"] == "invalid_frame"
    await live.ask("ping", "pong")


async def test_a_ref_has_64_characters_at_most(ann: Person) -> None:
    live = await ann.open()
    await live.say("ping", ref=REF)
    assert (await live.until("pong"))["ref"] == REF
    await live.say("ping")
    assert "ref" not in await live.until("pong")
    await live.say("ping", ref=REF + "r")
    assert (await live.until("error"))["code"] == "invalid_frame"


async def test_unknown_fields_are_ignored(ann: Person, chat: str) -> None:
    live = await ann.open()
    await live.ask("ping", "pong", later={"x": [1]}, type2="x")
    await live.send(chat, {"kind": "text", "text": "x", "later": True}, senderId=NOBODY, seq=5)


async def test_acks_only_where_a_ref_asks_for_one(ann: Person, ben: Person, chat: str) -> None:
    live = await ann.open()
    for type_, fields in {
        "message.delivered": {"chatId": chat, "seq": 1}, "message.read": {"chatId": chat, "seq": 1},
        "typing.start": {"chatId": chat}, "typing.stop": {"chatId": chat},
        "presence.subscribe": {"userIds": [ben.id]}, "presence.unsubscribe": {"userId": ben.id},
        "auth": {"accessToken": ann.token},
    }.items():  # fmt: skip
        await live.say(type_, **fields)
        if type_ == "presence.subscribe":
            # Answered by its own frames, so that a ref needs no further answer: either is allowed.
            await live.until("presence.updated", userId=ben.id)
            continue
        await live.ask(type_, "ack", **fields)
    await live.ask("ping", "pong")
    assert sum(frame["type"] == "ack" for frame in live.seen) == 6


async def test_typing_is_shown_to_the_others_in_the_chat(ann: Person, ben: Person, eve: Person, chat: str) -> None:
    a, b, outside = await ann.open(), await ben.open(), await eve.open()
    await b.ask("typing.start", "ack", chatId=chat)
    assert (await a.until("typing.start", chatId=chat))["userId"] == ben.id
    await b.ask("typing.stop", "ack", chatId=chat)
    await a.until("typing.stop", chatId=chat, userId=ben.id)
    for type_ in ("typing.start", "typing.stop"):
        await outside.refused(type_, "not_found", chatId=chat)
        await outside.refused(type_, "not_found", chatId=NOWHERE)
    await b.ask("ping", "pong")
    assert not [f for f in b.seen if f["type"].startswith("typing")]


async def test_a_removed_member_is_an_outsider_to_every_frame(ann: Person, ben: Person) -> None:
    room = ann.group(ben)
    live = await ben.open()
    message = (await live.send(room))["messageId"]
    ann.ask("DELETE", f"/chats/{room}/members/{ben.id}", gives=204)
    await live.until("group.member.removed", chatId=room)
    frames: list[tuple[str, dict[str, Any]]] = [
        ("message.send", {"chatId": room, "clientMsgId": "x", "content": "x"}), ("typing.start", {"chatId": room}),
        ("message.edit", {"messageId": message, "content": "x"}), ("message.delete", {"messageId": message}),
        ("message.react", {"messageId": message, "emoji": "\N{THUMBS UP SIGN}"}),
    ]  # fmt: skip
    for type_, fields in frames:
        error = await live.ask(type_, "error", **fields)
        assert error["code"] in ("forbidden", "not_found"), (type_, error)
    after = ann.say(room, "after")
    mark = ann.say(ann.direct(ben), "mark")
    await live.until("message.new", messageId=mark["messageId"])
    assert after["messageId"] not in {f.get("messageId") for f in live.seen}


async def test_media_that_is_ready_is_told_to_its_owner(fresh: Person) -> None:
    live = await fresh.open()
    media = fresh.upload(picture(), "p.png", "image/png").json()
    frame = await live.until("media.updated")
    assert (frame["media"]["id"], frame["media"]["state"]) == (media["id"], "ready")


async def test_auth_with_another_session_or_a_bad_token_is_refused(ann: Person, ben: Person) -> None:
    live = await ann.open()
    await live.ask("auth", "ack", accessToken=ann.token)
    await live.refused("auth", "forbidden", accessToken=ben.token)
    await live.refused("auth", "forbidden", accessToken=Person(ann.base_url, ann.phone).token)
    await live.refused("auth", "unauthenticated", accessToken="nonsense")
    await live.ask("ping", "pong")


async def test_presence_takes_256_ids_a_socket(ann: Person, ben: Person) -> None:
    live = await ann.open()
    ids = [str(uuid.UUID(int=n, version=4)) for n in range(256)]
    await live.say("presence.subscribe", userIds=ids)
    told = {(await live.until("presence.updated", status="offline", lastSeen=None))["userId"] for _ in ids}
    assert told == set(ids)
    await live.refused("presence.subscribe", "limit_exceeded", userIds=[ben.id])
    await live.ask("presence.unsubscribe", "ack", userIds=ids[:1])
    await live.say("presence.subscribe", userId=ben.id)
    await live.until("presence.updated", userId=ben.id)


async def test_one_person_has_frames_of_their_chats_alone(ann: Person, ben: Person, eve: Person, chat: str) -> None:
    live: Live = await eve.open()
    ann.say(chat, "secret")
    own = eve.say(eve.direct(eve), "own")
    await live.until("message.new", messageId=own["messageId"])
    assert [f["type"] for f in live.seen if f.get("chatId") == chat] == []
