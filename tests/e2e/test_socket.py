"""Sockets through the gateway alone: every frame of the contract, who may not, and what is refused."""

import asyncio
import json
import uuid
from typing import Any

import pytest
import websockets
from tests.support.people import Live, Person
from tests.support.running import System


@pytest.fixture(scope="module")
def people(system: System) -> list[Person]:
    return [Person(system.base_url) for _ in range(3)]


@pytest.fixture(scope="module")
def chat(people: list[Person]) -> str:
    return people[0].direct(people[1])


async def pair(people: list[Person]) -> tuple[Live, Live]:
    return await people[0].open(), await people[1].open()


async def said(live: Live, chat: str, content: Any = "hello") -> dict[str, Any]:
    name = uuid.uuid4().hex
    await live.say("message.send", chatId=chat, clientMsgId=name, content=content, ref="s")
    return await live.until("message.sent", clientMsgId=name, ref="s")


async def test_a_message_reaches_the_other_and_the_own_other_socket_once(people: list[Person], chat: str) -> None:
    a, b = await pair(people)
    second = await people[0].open()
    sent = await said(a, chat)
    for live in (b, second):
        seen = await live.until("message.new", messageId=sent["messageId"])
        assert (seen["seq"], seen["content"]) == (sent["seq"], {"kind": "text", "text": "hello"})
    await said(a, chat, "after")  # its answer comes after whatever could have come for the first
    assert not [f for f in a.seen if f["type"] == "message.new" and f["messageId"] == sent["messageId"]]


async def test_a_resend_gets_the_first_answer(people: list[Person], chat: str) -> None:
    a, _ = await pair(people)
    frame = {"chatId": chat, "clientMsgId": uuid.uuid4().hex, "content": "one"}
    await a.say("message.send", **frame)
    first = await a.until("message.sent")
    await a.say("message.send", **(frame | {"content": "two"}))
    assert await a.until("message.sent") == first


async def test_marks_reach_the_sender(people: list[Person], chat: str) -> None:
    a, b = await pair(people)
    sent = await said(a, chat)
    await b.say("message.delivered", chatId=chat, seq=sent["seq"], ref="d")
    await b.until("ack", ref="d")
    await a.until("message.status.updated", status="delivered", seq=sent["seq"], userId=people[1].id)
    await b.say("message.read", chatId=chat, seq=sent["seq"])
    await a.until("message.status.updated", status="read", seq=sent["seq"], userId=people[1].id)


async def test_changes_are_answered_by_their_frame_and_shown(people: list[Person], chat: str) -> None:
    a, b = await pair(people)
    target = (await said(a, chat))["messageId"]
    await b.say("message.react", messageId=target, emoji="\N{THUMBS UP SIGN}", ref="r")
    answer = await b.until("message.reaction", ref="r")
    seen = await a.until("message.reaction", messageId=target)
    assert (seen["seq"], seen["emoji"], seen["userId"]) == (answer["seq"], "\N{THUMBS UP SIGN}", people[1].id)
    await a.say("message.edit", messageId=target, content="better", ref="e")
    await a.until("message.edited", ref="e")
    assert (await b.until("message.edited", messageId=target))["content"]["text"] == "better"
    await b.say("message.edit", messageId=target, content="not mine", ref="x")
    assert (await b.until("error", ref="x"))["code"] == "forbidden"
    await b.say("message.delete", messageId=target, **{"for": "me"})
    assert (await b.until("message.deleted", messageId=target))["for"] == "me"
    await a.say("message.delete", messageId=target)
    assert (await b.until("message.deleted", messageId=target, **{"for": "everyone"}))["userId"] == people[0].id


async def test_a_vote_shows_everyone_their_own_mark(people: list[Person], chat: str) -> None:
    a, b = await pair(people)
    options = [{"id": "1", "text": "yes"}, {"id": "2", "text": "no"}]
    poll = await said(a, chat, {"kind": "poll", "question": "Well?", "options": options, "multiple": False})
    await b.say("message.vote", messageId=poll["messageId"], optionIds=["1"], ref="v")
    assert (await b.until("message.vote", ref="v"))["votes"][0] == {"optionId": "1", "count": 1, "mine": True}
    assert (await a.until("message.vote"))["votes"][0] == {"optionId": "1", "count": 1, "mine": False}


async def test_typing_and_presence(system: System) -> None:
    people = [Person(system.base_url), Person(system.base_url)]  # with no other sockets
    chat = people[0].direct(people[1])
    a, b = await pair(people)
    await b.say("typing.start", chatId=chat, ref="t")
    await b.until("ack", ref="t")
    await a.until("typing.start", chatId=chat, userId=people[1].id)
    await b.say("typing.stop", chatId=chat)
    await a.until("typing.stop", chatId=chat)
    await a.say("presence.subscribe", userIds=[people[1].id, str(uuid.uuid4())])
    await a.until("presence.updated", userId=people[1].id, status="online")
    await a.until("presence.updated", status="offline", lastSeen=None)


async def test_an_outsider_gets_not_found_for_everything(people: list[Person], chat: str) -> None:
    a, _ = await pair(people)
    target = (await said(a, chat))["messageId"]
    outsider = await people[2].open()
    frames: list[dict[str, Any]] = [
        {"type": "message.send", "chatId": chat, "clientMsgId": "o", "content": "x"},
        {"type": "message.edit", "messageId": target, "content": "x"},
        {"type": "message.delete", "messageId": target},
        {"type": "message.react", "messageId": target, "emoji": "\N{THUMBS UP SIGN}"},
        {"type": "message.vote", "messageId": target, "optionIds": ["1"]},
        {"type": "message.delivered", "chatId": chat, "seq": 1},
        {"type": "message.read", "chatId": chat, "seq": 1},
        {"type": "typing.start", "chatId": chat},
    ]
    for number, frame in enumerate(frames):
        await outsider.socket.send(json.dumps(frame | {"ref": str(number)}))
        error = await outsider.until("error", ref=str(number))
        assert (error["code"], error["frameType"]) == ("not_found", frame["type"])


async def test_bad_bodies_are_refused_and_the_socket_lives(people: list[Person], chat: str) -> None:
    a, _ = await pair(people)
    bad = [
        '{"type":"nope","ref":"z"}',
        '{"type":"message.send","chatId":"x","ref":"z"}',
        f'{{"type":"message.read","chatId":"{chat}","seq":1e999,"ref":"z"}}',
        f'{{"type":"message.read","chatId":"{chat}","seq":123456789012345678901234567890,"ref":"z"}}',
        f'{{"type":"message.read","chatId":"{chat}","seq":"1","ref":"z"}}',
        '{"type":"ping","ref":"z","deep":' + "[" * 10_000 + "]" * 10_000 + "}",
    ]
    for text in bad:
        await a.socket.send(text)
        assert (await a.until("error"))["code"] == "invalid_frame", text[:80]
    await a.socket.send(b"\x00binary")
    assert (await a.until("error"))["code"] == "invalid_frame"
    await a.say("ping", ref="p")
    await a.until("pong", ref="p")


async def test_repeated_malformed_frames_are_4400(people: list[Person]) -> None:
    a = await people[0].open()
    for _ in range(30):
        await a.socket.send("{")
    assert await a.closed() == 4400


async def test_too_large_a_frame_is_1009(people: list[Person]) -> None:
    a = await people[0].open()
    await a.socket.send("x" * 70_000)
    assert await a.closed() == 1009


async def test_a_ticket_works_once_and_for_our_pages_only(people: list[Person], system: System) -> None:
    address = system.base_url.replace("http", "ws", 1) + "/ws?ticket="

    def ticket() -> str:
        value: str = people[0].http.post("/auth/ws-ticket").json()["ticket"]
        return value

    once = ticket()
    async with websockets.connect(address + once, origin=websockets.Origin(system.base_url)) as socket:
        assert json.loads(await socket.recv())["type"] == "ready"
    for wrong, origin in ((once, None), ("nonsense", None), (ticket(), "https://evil.example"), (ticket(), "null")):
        with pytest.raises(websockets.InvalidStatus) as caught:
            await websockets.connect(address + wrong, origin=websockets.Origin(origin) if origin else None)
        assert caught.value.response.status_code == 401


async def test_a_connection_header_of_several_words_is_understood(people: list[Person], system: System) -> None:
    host = system.base_url.removeprefix("http://")
    reader, writer = await asyncio.open_connection(*host.split(":"))
    head = [
        "GET /ws HTTP/1.1", f"Host: {host}", f"Authorization: Bearer {people[0].token}", "Upgrade: websocket",
        "Connection: keep-alive, Upgrade", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    ]  # fmt: skip
    writer.write(("\r\n".join(head) + "\r\n\r\n").encode())
    assert b" 101 " in await asyncio.wait_for(reader.readline(), 5)
    writer.close()


async def test_a_revoked_session_is_4001(system: System) -> None:
    person = Person(system.base_url)
    live = await person.open()
    assert person.http.post("/auth/logout").status_code in (200, 204)
    assert await live.closed() == 4001


async def test_a_token_of_another_session_does_not_extend(people: list[Person]) -> None:
    a = await people[0].open()
    await a.say("auth", accessToken=people[0].token, ref="1")
    await a.until("ack", ref="1")
    await a.say("auth", accessToken=people[1].token, ref="2")
    assert (await a.until("error", ref="2"))["code"] == "forbidden"


async def test_a_group_is_shown_as_it_is_made_and_a_removed_member_hears_no_more(people: list[Person]) -> None:
    a, b = await pair(people)
    body = {"type": "group", "name": "Three", "participantIds": [people[1].id, people[2].id]}
    group = people[0].http.post("/chats", json=body).json()["id"]
    assert (await b.chat("chat.created", group))["myRole"] == "member"
    await said(a, group, "before")
    await b.until("message.new", chatId=group, kind="message")
    assert people[0].http.delete(f"/chats/{group}/members/{people[1].id}").status_code == 204
    await b.until("group.member.removed", chatId=group)
    after = await said(a, group, "after")
    direct = people[0].direct(people[1])
    mark = await said(a, direct, "mark")
    await b.until("message.new", messageId=mark["messageId"])
    await asyncio.wait_for(a.socket.ping(), 5)
    assert after["messageId"] not in {f.get("messageId") for f in b.seen}


async def test_more_sockets_than_a_person_may_have_are_429(system: System) -> None:
    person = Person(system.base_url)
    opened = [await person.open() for _ in range(30)]
    with pytest.raises(websockets.InvalidStatus) as caught:
        await person.open()
    assert caught.value.response.status_code == 429
    assert caught.value.response.headers["ratelimit-remaining"] == "0"
    assert {"retry-after", "ratelimit-limit", "ratelimit-reset"} <= set(map(str.lower, caught.value.response.headers))
    await opened[0].socket.close()
    assert await opened[1].socket.ping()


async def test_a_flood_of_frames_is_refused_and_passes(system: System) -> None:
    live = await Person(system.base_url).open()
    for _ in range(3_000):
        await live.say("ping", ref="flood")
    error = await live.until("error")
    assert (error["code"], error["ref"]) == ("rate_limited", "flood")
    assert error["retryAfterMs"] > 0
