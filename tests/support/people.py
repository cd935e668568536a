"""People for tests: signed in over the outer port, with REST and sockets, and nothing the contract does not name."""

import asyncio
import itertools
import json
from typing import Any

import httpx
import websockets

_numbers = itertools.count(1)


class Person:
    """A signed-in client."""

    def __init__(self, base_url: str, phone: str | None = None) -> None:
        phone = phone or f"+49151{20_000_000 + next(_numbers):08d}"
        self.base_url = base_url
        self.http = httpx.Client(base_url=f"{base_url}/api/v1", timeout=10)
        assert self.http.post("/auth/request-otp", json={"phone": phone}).status_code == 202
        code = self.http.get("/dev/sms", params={"phone": phone}).json()["code"]
        answer = self.http.post("/auth/verify-otp", json={"phone": phone, "otp": code}).json()
        self.id: str = answer["user"]["id"]
        self.refresh: str = answer["refreshToken"]
        self.token: str = answer["accessToken"]
        self.http.headers["authorization"] = f"Bearer {self.token}"

    def send(self, chat_id: str, client_id: str, content: object = "hello") -> httpx.Response:
        return self.http.post(f"/chats/{chat_id}/messages", json={"clientMsgId": client_id, "content": content})

    def direct(self, other: "Person") -> str:
        chat_id: str = self.http.post("/chats", json={"type": "direct", "userId": other.id}).json()["id"]
        return chat_id

    async def open(self, **options: Any) -> "Live":
        """A socket that has got `ready`."""
        headers = {"Authorization": f"Bearer {self.token}"}
        address = self.base_url.replace("http", "ws", 1) + "/ws"
        live = Live(await websockets.connect(address, additional_headers=headers, **options))
        await live.until("ready")
        return live


class Live:
    """A socket; frames that were not waited for are kept."""

    def __init__(self, socket: websockets.ClientConnection) -> None:
        self.socket = socket
        self.seen: list[dict[str, Any]] = []

    async def say(self, type_: str, **fields: Any) -> None:
        await self.socket.send(json.dumps({"type": type_, **fields}))

    async def until(self, type_: str, timeout_s: float = 10, **fields: Any) -> dict[str, Any]:
        """The next frame of this type that has these fields."""

        async def look() -> dict[str, Any]:
            while True:
                frame: dict[str, Any] = json.loads(await self.socket.recv())
                self.seen.append(frame)
                if frame["type"] == type_ and all(frame.get(k) == v for k, v in fields.items()):
                    return frame

        try:
            return await asyncio.wait_for(look(), timeout_s)
        except TimeoutError:
            raise AssertionError(f"no {type_} {fields}; seen: {self.seen[-5:]}") from None

    async def until_any(self, *types: str, timeout_s: float = 10) -> dict[str, Any]:
        """The next frame of one of these types."""
        async with asyncio.timeout(timeout_s):
            while True:
                frame: dict[str, Any] = json.loads(await self.socket.recv())
                self.seen.append(frame)
                if frame["type"] in types:
                    return frame

    async def until_count(self, type_: str, count: int, timeout_s: float = 20) -> None:
        """Wait until another task has received so many frames of a type on this socket."""
        async with asyncio.timeout(timeout_s):
            while sum(frame["type"] == type_ for frame in self.seen) < count:
                await asyncio.sleep(0.01)

    async def closed(self, timeout_s: float = 10) -> int | None:
        """Wait until the server has closed it. Answers the code."""
        await asyncio.wait_for(self.socket.wait_closed(), timeout_s)
        return self.socket.close_code
