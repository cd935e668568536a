"""Hostile input, row 26: every endpoint and frame that names somebody's object, by who asks: the group's owner, a
member, one who left, one who was removed, and a stranger. What is not in the table, and names an object, fails."""

import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from tests.support.people import Live, Person
from tests.support.running import System
from tests.support.samples import picture

ROLES = ("owner", "member", "left", "removed", "stranger")
THUMB = "\N{THUMBS UP SIGN}"
Codes = tuple[int | set[int], ...]
FORMER = {403, 404}
READERS: Codes = (200, 200, 200, 200, 404)
MEMBERS: Codes = (200, 200, FORMER, FORMER, 404)
ADMINS: Codes = (200, 403, FORMER, FORMER, 404)


@dataclass
class Scene:
    """A group of the owner's: `message` lies in the window of all but the stranger, `late` after two have gone."""

    people: dict[str, Person]
    other: Person  # one more member
    outside: Person  # and somebody outside
    group: str
    message: str
    seq: int
    late: str
    media: str
    invite: str


@pytest.fixture(scope="module")
def cast(system: System) -> list[Person]:
    return [Person(system.base_url) for _ in range(7)]


@pytest.fixture(scope="module")
def media(cast: list[Person]) -> str:
    found: str = cast[0].upload(picture(), "p.png", "image/png").json()["id"]
    return found


def scene_of(cast: list[Person], media: str) -> Scene:
    owner, member, left, removed, stranger, other, outside = cast
    group = owner.group(member, left, removed, other)
    image = {"kind": "image", "mediaId": media, "width": 64, "height": 48, "caption": "searched"}
    message = owner.say(group, image)
    left.ask("POST", f"/chats/{group}/leave")
    owner.ask("DELETE", f"/chats/{group}/members/{removed.id}", gives=204)
    late = owner.say(group, "late")["messageId"]
    invite = owner.ask("POST", f"/chats/{group}/invite", gives=201)["code"]
    people = dict(zip(ROLES, (owner, member, left, removed, stranger), strict=True))
    return Scene(people, other, outside, group, message["messageId"], message["seq"], late, media, invite)


def new_send(_: Scene) -> dict[str, Any]:
    return {"clientMsgId": uuid.uuid4().hex, "content": "x"}


def forwarded(scene: Scene) -> dict[str, Any]:
    return {"chatId": scene.group, "items": [{"messageId": scene.message, "clientMsgId": uuid.uuid4().hex}]}


# Endpoint, path with what stands for its ids, body, and the status for each role.
TABLE: list[tuple[str, str, Callable[[Scene], Any] | Any, Codes]] = [
    ("GET /chats/{id}", "/chats/{group}", None, READERS),
    ("PATCH /chats/{id}", "/chats/{group}", {"name": "x"}, MEMBERS),
    ("GET /chats/{id}/members", "/chats/{group}/members", None, MEMBERS),
    ("POST /chats/{id}/members", "/chats/{group}/members", lambda s: {"userIds": [s.outside.id]}, MEMBERS),
    ("DELETE /chats/{id}/members/{id}", "/chats/{group}/members/{other}", None, (204, 403, FORMER, FORMER, 404)),
    ("PUT /chats/{id}/members/{id}/role", "/chats/{group}/members/{other}/role", {"role": "admin"}, ADMINS),
    ("POST /chats/{id}/leave", "/chats/{group}/leave", None, READERS),
    ("PUT /chats/{id}/settings", "/chats/{group}/settings", {"archived": True}, READERS),
    ("POST /chats/{id}/invite", "/chats/{group}/invite", None, ADMINS),
    ("DELETE /chats/{id}/invite", "/chats/{group}/invite", None, (204, 403, FORMER, FORMER, 404)),
    ("GET /invites/{id}", "/invites/{invite}", None, (200, 200, 200, 200, 200)),
    ("POST /invites/{id}/join", "/invites/{invite}/join", None, (200, 200, 201, 403, 201)),
    ("GET /chats/{id}/messages", "/chats/{group}/messages", None, READERS),
    ("POST /chats/{id}/messages", "/chats/{group}/messages", new_send, (201, 201, FORMER, FORMER, 404)),
    ("GET /messages/{id}", "/messages/{message}", None, READERS),
    ("GET /messages/{id} late", "/messages/{late}", None, (200, 200, 404, 404, 404)),
    ("PATCH /messages/{id}", "/messages/{message}", {"content": "x"}, (200, 403, FORMER, FORMER, 404)),
    ("DELETE /messages/{id}", "/messages/{message}?for=me", None, (204, 204, 204, 204, 404)),
    ("DELETE /messages/{id} all", "/messages/{message}", None, (204, {204, 403}, FORMER, FORMER, 404)),
    ("PUT /messages/{id}/reaction", "/messages/{message}/reaction", {"emoji": THUMB}, MEMBERS),
    ("DELETE /messages/{id}/reaction", "/messages/{message}/reaction", None, (204, 204, FORMER, FORMER, 404)),
    ("PUT /messages/{id}/star", "/messages/{message}/star", None, READERS),
    ("PUT /messages/{id}/star late", "/messages/{late}/star", None, (200, 200, 404, 404, 404)),
    ("DELETE /messages/{id}/star", "/messages/{message}/star", None, (204, 204, 204, 204, {204, 404})),
    ("PUT /messages/{id}/pin", "/messages/{message}/pin", None, MEMBERS),
    ("DELETE /messages/{id}/pin", "/messages/{message}/pin", None, (204, 204, FORMER, FORMER, 404)),
    ("GET /messages/{id}/receipts", "/messages/{message}/receipts", None, (200, 403, 403, 403, 404)),
    ("POST /messages/read", "/messages/read", lambda s: {"messageIds": [s.message]}, READERS),
    ("POST /messages/read late", "/messages/read", lambda s: {"messageIds": [s.late]}, (200, 200, 404, 404, 404)),
    ("POST /messages/forward", "/messages/forward", forwarded, (201, 201, FORMER, FORMER, 404)),
    ("GET /messages/search", "/messages/search?q=searched&chatId={group}", None, READERS),
    ("GET /media/{id}", "/media/{media}", None, READERS),
]
WITHOUT_FOREIGN_OBJECTS = {
    # One's own things and the public part of a person: tried in test_auth.py and test_users.py.
    "DELETE /auth/sessions/{id}", "DELETE /users/me/devices/{id}", "GET /users/{id}", "GET /users/{id}/presence",
    "DELETE /users/contacts/{id}", "PUT /users/blocked/{id}", "DELETE /users/blocked/{id}",
    # One's own uploads: tried in test_media_parts.py.
    "GET /media/uploads/{id}", "POST /media/uploads/{id}/complete",
}  # fmt: skip


@pytest.mark.parametrize(("name", "path", "body", "codes"), TABLE, ids=[row[0] for row in TABLE])
def test_row_26_who_may(cast: list[Person], media: str, name: str, path: str, body: Any, codes: Codes) -> None:
    scene = scene_of(cast, media)
    ids = {"other": scene.other.id} | {k: v for k, v in vars(scene).items() if isinstance(v, str)}
    # The stranger first: what they are refused must not depend on what the others did.
    for role, code in sorted(zip(ROLES, codes, strict=True), key=lambda pair: ROLES.index(pair[0]), reverse=True):
        sent = body(scene) if callable(body) else body
        answer = scene.people[role].http.request(name.split(" ")[0], path.format(**ids), json=sent)
        allowed = code if isinstance(code, set) else {code}
        assert answer.status_code in allowed, (role, answer.status_code, answer.text[:300])
        if answer.status_code >= 400:
            expected = {403: ("forbidden",), 404: ("not_found",)}[answer.status_code]
            assert answer.json()["code"] in expected, (role, answer.text)


def test_row_26_every_endpoint_that_names_an_object_is_in_the_table(system: System) -> None:
    paths = httpx.get(f"{system.base_url}/openapi.json").json()["paths"]
    described = {
        f"{method.upper()} {re.sub(r'{[^}]*}', '{id}', path.removeprefix('/api/v1'))}"
        for path, methods in paths.items()
        for method in methods
        if "{" in path
    }
    assert described - {row[0] for row in TABLE} == WITHOUT_FOREIGN_OBJECTS


FRAMES: list[tuple[str, dict[str, Any], str]] = [
    ("message.send", {"chatId": "{group}", "clientMsgId": "new", "content": "x"}, "mm"),
    ("message.edit", {"messageId": "{message}", "content": "x"}, "mf"),
    ("message.react", {"messageId": "{message}", "emoji": THUMB}, "mm"),
    ("message.vote", {"messageId": "{late}", "optionIds": []}, "pp"),
    ("message.delivered", {"chatId": "{group}", "seq": 1}, "mmrr"),
    ("message.read", {"chatId": "{group}", "seq": 1}, "mmrr"),
    ("typing.start", {"chatId": "{group}"}, "mm"),
    ("typing.stop", {"chatId": "{group}"}, "mm"),
    ("message.delete", {"messageId": "{message}", "for": "me"}, "mmrr"),
    ("message.delete", {"messageId": "{late}"}, "mf"),
]  # fmt: skip


async def test_row_26_who_may_at_the_socket(cast: list[Person], media: str) -> None:
    """m: done; f: forbidden; p: it is no poll; r: done within what one may still see; else not_found or forbidden."""
    scene = scene_of(cast, media)
    lives: dict[str, Live] = {role: await scene.people[role].open() for role in ROLES}
    for type_, fields, marks in FRAMES:
        for role, mark in reversed(list(zip(ROLES, marks.ljust(5), strict=True))):
            filled = {k: v.format(**vars(scene)) if isinstance(v, str) else v for k, v in fields.items()}
            if "clientMsgId" in filled:
                filled["clientMsgId"] = uuid.uuid4().hex
            live, ref = lives[role], uuid.uuid4().hex
            await live.say(type_, ref=ref, **filled)
            answer = await live.until_any(
                "error", "ack", "message.sent", "message.edited", "message.reaction", "message.deleted", ref=ref
            )
            code = answer.get("code", "done")
            expected = {
                "m": {"done"}, "r": {"done"}, "f": {"forbidden"}, "p": {"invalid_request"},
                " ": {"not_found"} if role == "stranger" else {"not_found", "forbidden"},
            }[mark]  # fmt: skip
            assert code in expected, (type_, role, answer)


def test_row_26_reply_mention_and_sync(cast: list[Person], media: str) -> None:
    scene = scene_of(cast, media)
    stranger, removed = scene.people["stranger"], scene.people["removed"]
    room = stranger.group(removed)
    for person, more in (
        (stranger, {"replyTo": scene.message}), (removed, {"replyTo": scene.late}),
        (stranger, {"mentions": [scene.people["owner"].id]}),
    ):  # fmt: skip
        body = {"clientMsgId": uuid.uuid4().hex, "content": "x", **more}
        person.refused("POST", f"/chats/{room}/messages", body, code="not_found")
    found = stranger.ask("POST", "/sync", {"since": None, "positions": {scene.group: 0}})
    assert found["removed"] == [scene.group]
    assert scene.group not in found["log"]
    theirs = removed.ask("POST", "/sync", {"since": None, "positions": {}})["log"][scene.group]["items"]
    assert scene.late not in [item.get("messageId") for item in theirs]


def test_row_27_a_file_one_may_not_see_takes_no_number(cast: list[Person], media: str) -> None:
    scene = scene_of(cast, media)
    stranger = scene.people["stranger"]
    room = stranger.group()
    content = {"kind": "image", "mediaId": media, "width": 1, "height": 1}
    body = {"clientMsgId": uuid.uuid4().hex, "content": content}
    stranger.refused("POST", f"/chats/{room}/messages", body, code="not_found")
    assert stranger.chat(room)["lastSeq"] == 1
    assert stranger.say(room)["seq"] == 2
