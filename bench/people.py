"""People for loads: signed in over the outer port, each with a bare socket that costs the generator little."""

import asyncio
import itertools
import time
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import httpx
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

OnText = Callable[[bytes], None]
_numbers = itertools.count(int(time.time()) % 1_000_000 * 1000)
SIGN_INS_AT_ONCE = 8
READY_S = 20.0


class Person(NamedTuple):
    id: str
    token: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}


class Socket(WSListener):
    """A person's socket: hands each text frame to `on_text`."""

    def __init__(self, on_text: Callable[[bytes], None]) -> None:
        self.on_text = on_text
        self.ready, self.gone = asyncio.Event(), asyncio.Event()
        self.transport: WSTransport | None = None

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.TEXT:
            raw = frame.get_payload_as_bytes()
            if raw.startswith(b'{"type":"ready"'):
                self.ready.set()
            else:
                self.on_text(raw)
        elif frame.msg_type == WSMsgType.PING:
            transport.send_pong(frame.get_payload_as_bytes())
        elif frame.msg_type == WSMsgType.CLOSE:
            transport.disconnect()

    def on_ws_disconnected(self, _: WSTransport) -> None:
        self.gone.set()

    def say(self, text: str) -> None:
        assert self.transport is not None
        self.transport.send(WSMsgType.TEXT, text.encode())


async def sign_in(client: httpx.AsyncClient) -> Person:
    """A new person with a number of their own."""
    phone = f"+4917{next(_numbers):09d}"
    (await client.post("/auth/request-otp", json={"phone": phone})).raise_for_status()
    code = (await client.get("/dev/sms", params={"phone": phone})).json()["code"]
    device = {"name": "bench", "platform": "bench"}
    answer = (await client.post("/auth/verify-otp", json={"phone": phone, "otp": code, "device": device})).json()
    return Person(answer["user"]["id"], answer["accessToken"])


async def sign_in_many(client: httpx.AsyncClient, count: int) -> list[Person]:
    """So many new people."""
    found: list[Person] = []
    for start in range(0, count, SIGN_INS_AT_ONCE):
        batch = min(SIGN_INS_AT_ONCE, count - start)
        found += await asyncio.gather(*(sign_in(client) for _ in range(batch)))
    return found


async def direct(client: httpx.AsyncClient, a: Person, b: Person) -> str:
    """The chat of two."""
    made = await client.post("/chats", json={"type": "direct", "userId": b.id}, headers=a.headers)
    made.raise_for_status()
    chat_id: str = made.json()["id"]
    return chat_id


async def direct_many(client: httpx.AsyncClient, pairs: Sequence[tuple[Person, Person]]) -> list[str]:
    """The chats of many pairs, in their order."""
    gate = asyncio.Semaphore(SIGN_INS_AT_ONCE)

    async def one(a: Person, b: Person) -> str:
        async with gate:
            return await direct(client, a, b)

    return list(await asyncio.gather(*(one(a, b) for a, b in pairs)))


async def connect(url: str, person: Person, on_text: Callable[[bytes], None], source: str = "") -> Socket:
    """A socket that has got `ready`. `source`: the loopback address it comes from; each has ports of its own."""
    socket = Socket(on_text)
    address = url.replace("http", "ws", 1) + "/ws"
    options = {"local_addr": (source, 0)} if source else {}
    await ws_connect(
        lambda: socket, address, extra_headers=person.headers, websocket_handshake_timeout=READY_S, **options
    )
    await asyncio.wait_for(socket.ready.wait(), READY_S)
    return socket


def hang_up(sockets: Iterable[Socket]) -> None:
    """Close them all."""
    for socket in sockets:
        if socket.transport is not None:
            socket.transport.disconnect()


def send_frame(chat_id: str, client_msg_id: str, text: str) -> str:
    return (
        f'{{"type":"message.send","chatId":"{chat_id}","clientMsgId":"{client_msg_id}",'
        f'"content":{{"kind":"text","text":"{text}"}}}}'
    )
