"""People for tests: signed in over the outer port, with REST and sockets, and nothing the contract does not name.
Every answer and every frame is held against the contract's shapes as it arrives."""

import asyncio
import json
import secrets
import uuid
from typing import Any

import httpx
import websockets
from tests.support import shapes
from websockets.asyncio.client import ClientConnection

STATUS = {
    "invalid_request": 400, "invalid_frame": 400, "otp_invalid": 400, "otp_expired": 400,
    "unauthenticated": 401, "token_expired": 401, "token_revoked": 401,
    "forbidden": 403, "blocked": 403, "privacy": 403, "not_found": 404, "method_not_allowed": 405,
    "request_timeout": 408, "conflict": 409,
    "cursor_expired": 410, "edit_window_closed": 410, "delete_window_closed": 410, "too_large": 413,
    "unsupported_media": 415, "limit_exceeded": 422, "rate_limited": 429, "internal": 500, "unavailable": 503,
    "overloaded": 503,
}  # fmt: skip
"""The contract's codes, section 1."""


def new_phone() -> str:
    """A German mobile number that no other test of any run uses."""
    return f"+49151{secrets.randbelow(10**8):08d}"


def code_of(base_url: str, phone: str) -> str:
    """The sign-in code that was sent to this number."""
    found: str = httpx.get(f"{base_url}/api/v1/dev/sms", params={"phone": phone}).json()["code"]
    return found


def problem(answer: httpx.Response, code: str) -> dict[str, Any]:
    """Assert that an answer is this refusal, as a problem document. Answers the document."""
    assert answer.headers.get("content-type") == "application/problem+json", (answer.status_code, answer.text[:300])
    body: dict[str, Any] = answer.json()
    shapes.check(body, shapes.Problem)
    assert (answer.status_code, body["code"]) == (STATUS[code], code), body
    assert body["status"] == answer.status_code
    assert body["requestId"] == answer.headers["x-request-id"]
    if code == "rate_limited":
        assert int(answer.headers["retry-after"]) >= 1
        assert {"ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"} <= set(answer.headers)
    return body


_open: list["Live"] = []


def drop_sockets() -> None:
    """Cut what tests have opened: a person has 30 sockets at most. A close with its handshake takes a second, which
    Envoy gives the peer to go first."""
    while _open:
        _open.pop().socket.transport.abort()


class Person:
    """A signed-in client."""

    def __init__(self, base_url: str, phone: str | None = None, *, platform: str = "test") -> None:
        self.phone = phone or new_phone()
        self.base_url = base_url
        self.http = httpx.Client(base_url=f"{base_url}/api/v1", timeout=10)
        assert self.http.post("/auth/request-otp", json={"phone": self.phone}).status_code == 202
        code = code_of(base_url, self.phone)
        device = {"name": "a test", "platform": platform}
        body = {"phone": self.phone, "otp": code, "device": device}
        answer = self.http.post("/auth/verify-otp", json=body)
        assert answer.status_code == 200, answer.text
        found = answer.json()
        shapes.check(found, shapes.Tokens)
        self.id: str = found["user"]["id"]
        self.is_new: bool = found["user"]["isNewUser"]
        self.refresh: str = found["refreshToken"]
        self.token: str = found["accessToken"]
        self.http.headers["authorization"] = f"Bearer {self.token}"

    def ask(
        self, method: str, path: str, body: object = None, *, gives: int = 200, of: Any = None, **query: Any
    ) -> Any:
        """Call and assert what it answers: the status, and the shape `of` the body. Answers the body."""
        answer = self.http.request(method, path, json=body, params=query or None)
        assert answer.status_code == gives, f"{method} {path}: {answer.status_code} {answer.text[:500]}"
        if gives == 204:
            assert answer.content == b""
            return None
        assert answer.headers["content-type"] == "application/json"
        found = answer.json()
        if of is not None:
            shapes.check(found, of)
        return found

    def refused(self, method: str, path: str, body: object = None, *, code: str, **query: Any) -> dict[str, Any]:
        """Call and assert that it is refused with this code."""
        return problem(self.http.request(method, path, json=body, params=query or None), code)

    def send(self, chat_id: str, client_id: str, content: object = "hello") -> httpx.Response:
        return self.http.post(f"/chats/{chat_id}/messages", json={"clientMsgId": client_id, "content": content})

    def say(self, chat_id: str, content: object = "hello", **more: Any) -> dict[str, Any]:
        """Send a message under a new clientMsgId. Answers the Message."""
        body = {"clientMsgId": uuid.uuid4().hex, "content": content, **more}
        found: dict[str, Any] = self.ask("POST", f"/chats/{chat_id}/messages", body, gives=201, of=shapes.Message)
        return found

    def direct(self, other: "Person") -> str:
        chat_id: str = self.http.post("/chats", json={"type": "direct", "userId": other.id}).json()["id"]
        return chat_id

    def group(self, *others: "Person", name: str = "Group") -> str:
        """A new group of this person's. Answers its id."""
        body = {"type": "group", "name": name, "participantIds": [other.id for other in others]}
        chat_id: str = self.ask("POST", "/chats", body, gives=201, of=shapes.Chat)["id"]
        return chat_id

    def chat(self, chat_id: str) -> dict[str, Any]:
        """A chat as this person sees it."""
        found: dict[str, Any] = self.ask("GET", f"/chats/{chat_id}", of=shapes.Chat)
        return found

    def upload(self, data: bytes, name: str = "file", kind: str = "application/octet-stream") -> httpx.Response:
        return self.http.post("/media/upload", files={"file": (name, data, kind)}, timeout=30)

    async def open(self, **options: Any) -> "Live":
        """A socket that has got `ready`."""
        headers = {"Authorization": f"Bearer {self.token}"}
        address = self.base_url.replace("http", "ws", 1) + "/ws"
        live = Live(await websockets.connect(address, additional_headers=headers, **options))
        _open.append(live)
        await live.until("ready")
        return live


class Live:
    """A socket; frames that were not waited for are kept."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.seen: list[dict[str, Any]] = []

    async def say(self, type_: str, **fields: Any) -> None:
        await self.socket.send(json.dumps({"type": type_, **fields}, ensure_ascii=False))

    async def ask(self, type_: str, answer: str, **fields: Any) -> dict[str, Any]:
        """Send a frame with a `ref` and wait for its answer, which must be of type `answer`."""
        ref = uuid.uuid4().hex
        await self.say(type_, ref=ref, **fields)
        found = await self.until_any(answer, "error", ref=ref)
        assert found["type"] == answer, found
        return found

    async def refused(self, type_: str, code: str, **fields: Any) -> dict[str, Any]:
        """Send a frame and wait for its `error`, which must have this code."""
        found = await self.ask(type_, "error", **fields)
        assert (found["code"], found.get("frameType")) == (code, type_), found
        return found

    async def send(self, chat_id: str, content: object = "hello", **more: Any) -> dict[str, Any]:
        """Send a message. Answers the frame `message.sent`."""
        return await self.ask(
            "message.send", "message.sent", chatId=chat_id, clientMsgId=uuid.uuid4().hex, content=content, **more
        )

    async def recv(self) -> dict[str, Any]:
        """The next frame, held against the contract."""
        frame: dict[str, Any] = json.loads(await self.socket.recv())
        shapes.check(frame, shapes.AnyFrame)
        self.seen.append(frame)
        return frame

    async def until(self, type_: str, timeout_s: float = 10, **fields: Any) -> dict[str, Any]:
        """The next frame of this type that has these fields."""
        return await self.until_any(type_, timeout_s=timeout_s, **fields)

    async def until_any(self, *types: str, timeout_s: float = 10, **fields: Any) -> dict[str, Any]:
        """The next frame of one of these types that has these fields."""
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    frame = await self.recv()
                    if frame["type"] in types and all(frame.get(k) == v for k, v in fields.items()):
                        return frame
        except TimeoutError:
            raise AssertionError(f"no {types} {fields}; seen: {self.seen[-5:]}") from None

    async def notice(self, chat_id: str, event: str) -> dict[str, Any]:
        """The next notice of this event in a chat. Answers its content. (That of the chat's making comes late, too.)"""
        while True:
            frame = await self.until("message.new", chatId=chat_id, kind="notice")
            assert (frame["senderId"], frame["clientMsgId"]) == (frame["content"]["actorId"], None)
            if frame["content"]["event"] == event:
                content: dict[str, Any] = frame["content"]
                return content

    async def chat(self, type_: str, chat_id: str) -> dict[str, Any]:
        """The chat in the next `chat.created` or `chat.updated` that is about it."""
        while True:
            chat: dict[str, Any] = (await self.until(type_))["chat"]
            if chat["id"] == chat_id:
                return chat

    async def settle(self) -> None:
        """Wait until what was under way to this person has come: their own note to themselves comes after it only
        in the same chat, so use `until` where the order of two chats matters."""
        await self.ask("ping", "pong")

    async def until_count(self, type_: str, count: int, timeout_s: float = 20) -> None:
        """Wait until another task has received so many frames of a type on this socket."""
        async with asyncio.timeout(timeout_s):
            while sum(frame["type"] == type_ for frame in self.seen) < count:
                await asyncio.sleep(0.01)

    async def closed(self, timeout_s: float = 10) -> int | None:
        """Wait until the server has closed it. Answers the code."""
        await asyncio.wait_for(self.socket.wait_closed(), timeout_s)
        return self.socket.close_code
