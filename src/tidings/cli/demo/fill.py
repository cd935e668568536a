"""Make the demo's world through the public API, as its people would. Every id is fixed: a second run adds nothing."""

import asyncio
import io
from collections.abc import Callable
from typing import Any, Final

import httpx
import msgspec
import websockets

from tidings.cli.demo import people, photos
from tidings.client import ApiError
from tidings.client.api import Api
from tidings.client.session import SessionFile

NAMESPACE: Final = "demo-1"

Say = Callable[[str], None]


def steps() -> int:
    """How many steps `fill` tells of."""
    lines = [*people.DIRECT.values(), *(group[2] for group in people.GROUPS)]
    return len(people.PEOPLE) + sum(len(found) for found in lines)


async def reach(url: str) -> None:
    """Raises ApiError when no system answers there."""
    api = Api(url, SessionFile(None))
    try:
        await api.call("GET", "/config", signed=False)
    finally:
        await api.close()


async def fill(url: str, say: Say) -> None:
    """Sign everyone in and let them talk. Raises ApiError."""
    everyone: list[Api] = []
    try:
        for person in people.PEOPLE:
            say("Signing people in")
            everyone.append(await _sign_in(url, person))
        numbers = [person.phone for person in people.PEOPLE]
        for api in everyone:
            await api.post("/users/contacts/sync", {"phoneNumbers": numbers}, retry=True)
        for other, lines in people.DIRECT.items():
            chat = await everyone[0].post("/chats", {"type": "direct", "userId": _id(everyone[other])}, retry=True)
            await _talk(everyone, chat["id"], f"d{other}", lines, say)
        for number, (name, members, lines) in enumerate(people.GROUPS):
            body = {
                "type": "group", "name": name, "participantIds": [_id(everyone[m]) for m in members[1:]],
                "clientChatId": f"{NAMESPACE}-g{number}",
            }  # fmt: skip
            chat = await everyone[members[0]].post("/chats", body, retry=True)
            await _talk(everyone, chat["id"], f"g{number}", lines, say)
    finally:
        for api in everyone:
            await api.close()


def _id(api: Api) -> str:
    return api.session.user_id if api.session else ""


async def _sign_in(url: str, person: people.Person) -> Api:
    api = Api(url, SessionFile(None))
    await api.call("POST", "/auth/request-otp", {"phone": person.phone}, signed=False)
    async with httpx.AsyncClient(base_url=url, timeout=10) as http:
        answer = await http.get("/api/v1/dev/sms", params={"phone": person.phone})
    if answer.status_code != 200:
        raise ApiError("forbidden", "The demo needs a system on this machine with the SMS provider `dev`")
    await api.sign_in(person.phone, answer.json()["code"], "demo")
    me = await api.get("/users/me")
    if me["name"] != person.name:
        number = people.PEOPLE.index(person)
        avatar = await api.upload("me.jpg", io.BytesIO(photos.portrait(number)), "image/jpeg")
        await api.patch("/users/me", {"name": person.name, "about": person.about, "avatarMediaId": avatar["id"]})
    return api


async def _talk(everyone: list[Api], chat_id: str, key: str, lines: list[people.Line], say: Say) -> None:
    """The lines of one chat, in order; reactions, replies and votes are about the message before."""
    said: list[str] = []
    page = await everyone[lines[0][0]].get(f"/chats/{chat_id}/messages", before=1 << 40, limit=100)
    known = {item["clientMsgId"]: item["messageId"] for item in page["items"] if item["clientMsgId"]}
    poll = 0
    for number, (who, line) in enumerate(lines):
        say("Letting them talk")
        api, client_id = everyone[who], f"{NAMESPACE}-{key}-{number}"
        kind, _, rest = line.partition(":")
        if kind == "react":
            await api.put(f"/messages/{said[-1]}/reaction", {"emoji": rest})
            continue
        if kind == "vote":
            await _vote(api, said[poll], rest)
            continue
        if kind == "poll":
            poll = len(said)
        if client_id in known:
            said.append(known[client_id])
            continue
        if said:  # who speaks has read what was said
            await api.post("/messages/read", {"messageIds": said[-1:]}, retry=True)
        body: dict[str, Any] = {"clientMsgId": client_id, "content": await _content(api, kind, rest, line)}
        if kind == "reply":
            body["replyTo"] = said[-1]
        answer = await api.post(f"/chats/{chat_id}/messages", body, retry=True)
        said.append(answer["messageId"])


async def _vote(api: Api, message_id: str, option_id: str) -> None:
    """Votes are cast on a socket alone."""
    headers = {"Authorization": f"Bearer {await api.token()}"}
    address = api.base_url.replace("http", "ws", 1) + "/ws"
    frame = {"type": "message.vote", "messageId": message_id, "optionIds": [option_id], "ref": "vote"}
    async with asyncio.timeout(15), websockets.connect(address, additional_headers=headers, proxy=None) as socket:
        await socket.send(msgspec.json.encode(frame).decode())
        async for text in socket:
            answer = msgspec.json.decode(text)
            if answer.get("ref") == "vote":
                if answer["type"] == "error":
                    raise ApiError(answer["code"], answer["message"])
                return


async def _content(api: Api, kind: str, rest: str, line: str) -> dict[str, Any]:
    if kind == "photo":
        number, _, caption = rest.partition("|")
        media = await api.upload(f"photo-{number}.jpg", io.BytesIO(photos.landscape(int(number))), "image/jpeg")
        size = {"width": media["width"], "height": media["height"], "blurhash": media["blurhash"]}
        return {"kind": "image", "mediaId": media["id"], "caption": caption, **size}
    if kind == "poll":
        question, *options = rest.split("|")
        choices = [{"id": str(number), "text": text} for number, text in enumerate(options)]
        return {"kind": "poll", "question": question, "options": choices, "multiple": False}
    return {"kind": "text", "text": rest if kind == "reply" else line}
