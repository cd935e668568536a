"""People who use the system while it breaks: they send, also several at once, resend, edit, delete, react and read.

Knows nothing of faults and nothing of the rules: it tells the history what it did and saw.
"""

import asyncio
import contextlib
import json
import random
import uuid
from typing import Any, Final

import httpx
import websockets
from tests.chaos.history import History
from tests.support.people import Person

ANSWER_S: Final = 4.0
OPEN_S: Final = 4.0
FINAL: Final = frozenset({"not_found", "forbidden", "blocked", "invalid_frame", "conflict", "limit_exceeded"})
BROKEN: Final = (OSError, TimeoutError, websockets.WebSocketException, httpx.HTTPError, KeyError)


class Device:
    """One device of a person: one thing at a time, sends repeated unchanged until they are answered.

    One that `stays` keeps its connection and acts seldom; one that is `shy` never says what it received.
    """

    def __init__(
        self, person: Person, name: str, chats: list[str], history: History, seed: int, *,
        stays: bool = False, shy: bool = False,
    ) -> None:  # fmt: skip
        self.person, self.name, self.history = person, name, history
        self.chats, self.stays, self.shy = chats, stays, shy
        self.running = True
        self._dice = random.Random(f"{seed}-{name}")
        self._sent: list[dict[str, Any]] = []  # answered sends of one's own: chat, cmid, mid, seq, text
        self._open: list[dict[str, Any]] = []  # sends that wait for their answers, in their order
        self._bursts = 0
        self._heads: dict[str, int] = {}
        self._answers: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._socket: websockets.ClientConnection | None = None

    async def run(self) -> None:
        while self.running or self._open:
            with contextlib.suppress(*BROKEN):
                await self._session()
            await asyncio.sleep(self._dice.uniform(0.05, 0.5))

    async def _session(self) -> None:
        """One connection: some actions, then away for a while now and then."""
        address = self.person.base_url.replace("http", "ws", 1) + "/ws"
        headers = {"Authorization": f"Bearer {self.person.token}"}
        async with websockets.connect(
            address, additional_headers=headers, open_timeout=OPEN_S, ping_interval=2, ping_timeout=3, proxy=None
        ) as socket:
            self._socket = socket
            reader = asyncio.create_task(self._read_all(socket))
            try:
                acts = self._dice.randint(10, 60)
                while (acts > 0 or self.stays) and not reader.done() and (self.running or self._open):
                    acts -= 1
                    await self._act()
            finally:
                self.history.add("closed", person=self.person.id, device=self.name)
                reader.cancel()
                await asyncio.gather(reader, return_exceptions=True)
                for waiting in self._answers.values():
                    if not waiting.done():
                        waiting.set_exception(ConnectionError("the socket is gone"))
                        waiting.exception()  # nobody may be waiting any more
                self._answers.clear()

    async def _act(self) -> None:
        if self._open:
            await self._finish_sends()
            return
        if self.stays:
            await asyncio.sleep(self._dice.uniform(0.2, 0.8))
        kind = self._dice.choices(("send", "again", "change", "read", "pause"), (10, 1, 2, 2, 2))[0]
        if kind == "pause":
            await asyncio.sleep(self._dice.uniform(0.01, 0.2))
        elif kind == "read" and self._heads:
            await self._mark_read()
        elif kind in ("again", "change") and self._sent:
            row = self._dice.choice(self._sent[-20:])
            if kind == "again":
                await self._say_send(row)
            else:
                await self._change(row)
        else:
            self._begin_sends(self._dice.choice((1, 1, 1, 4)))
            await self._finish_sends()

    def _begin_sends(self, count: int) -> None:
        """Write so many messages to one chat, to be said without waiting in between."""
        self._bursts += 1
        chat = self._dice.choice(self.chats)
        for _ in range(count):
            cmid = uuid.uuid4().hex
            row = {"chat": chat, "cmid": cmid, "text": f"text of {cmid}"}
            self._open.append(row)
            self._tell("send", "invoke", row | {"burst": self._bursts})

    async def _finish_sends(self) -> None:
        rows = list(self._open)
        settled = await asyncio.gather(*(self._say_send(row) for row in rows), return_exceptions=True)
        self._open = [row for row, done in zip(rows, settled, strict=True) if done is not True]
        for row in self._open:
            self._tell("send", "invoke", row | {"again": True})
        for failure in settled:
            if isinstance(failure, BaseException):
                raise failure

    async def _say_send(self, row: dict[str, Any]) -> bool:
        """Whether it is settled. Raises what breaks."""
        frame = await self._ask(
            {"type": "message.send", "chatId": row["chat"], "clientMsgId": row["cmid"], "content": row["text"]},
            row["cmid"],
        )
        if frame["type"] == "message.sent":
            row |= {"mid": frame["messageId"], "seq": frame["seq"]}
            if row not in self._sent:
                self._sent.append(row)
            self._tell("send", "ok", row)
            return True
        if frame["code"] in FINAL:
            self._tell("send", "fail", row | {"code": frame["code"]})
            return True
        await asyncio.sleep(frame.get("retryAfterMs", 200) / 1000)
        return False

    async def _change(self, row: dict[str, Any]) -> None:
        ref = uuid.uuid4().hex
        kind = self._dice.choice(("message.edit", "message.react", "message.delete"))
        frame: dict[str, Any] = {"type": kind, "messageId": row["mid"], "ref": ref}
        if kind == "message.edit":
            frame["content"] = f"edited {ref}"
        elif kind == "message.react":
            frame["emoji"] = self._dice.choice("👍😂❤")
        else:
            frame["for"] = "everyone"
        self.history.add(
            "change", "invoke", person=self.person.id, device=self.name, chat=row["chat"], mid=row["mid"], kind=kind
        )
        answer = await self._ask(frame, ref)
        if answer["type"] != "error":
            self.history.add(
                "change", "ok", person=self.person.id, device=self.name, chat=row["chat"], mid=row["mid"], kind=kind
            )

    async def _mark_read(self) -> None:
        chat = self._dice.choice(list(self._heads))
        seq, ref = self._heads[chat], uuid.uuid4().hex
        told = {"person": self.person.id, "device": self.name, "chat": chat, "seq": seq}
        self.history.add("read", "invoke", **told)
        answer = await self._ask({"type": "message.read", "chatId": chat, "seq": seq, "ref": ref}, ref)
        if answer["type"] == "ack":
            self.history.add("read", "ok", **told)

    async def _ask(self, frame: dict[str, Any], key: str) -> dict[str, Any]:
        assert self._socket is not None
        answer = self._answers[key] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(ANSWER_S):  # `wait_for` of Python 3.11 may swallow a cancellation
                await self._socket.send(json.dumps(frame))
                return await answer
        finally:
            self._answers.pop(key, None)

    async def _read_all(self, socket: websockets.ClientConnection) -> None:
        async for text in socket:
            frame = json.loads(text)
            kind = frame["type"]
            key = frame.get("ref") or (frame.get("clientMsgId") if kind in ("message.sent", "error") else None)
            waiting = self._answers.get(key) if key else None
            if waiting is not None and not waiting.done():
                waiting.set_result(frame)
            if kind == "message.new":
                await self._received(socket, frame)
            elif kind == "message.status.updated":
                self.history.add(
                    "receipt", person=self.person.id, device=self.name, chat=frame["chatId"], target=frame["userId"],
                    status=frame["status"], seq=frame["seq"],
                )  # fmt: skip
            elif kind == "resync":
                self.history.add("resync", person=self.person.id, device=self.name)
            elif kind == "ready":
                self.history.add("connect", person=self.person.id, device=self.name, epoch=frame["logEpoch"])

    async def _received(self, socket: websockets.ClientConnection, frame: dict[str, Any]) -> None:
        chat, seq = frame["chatId"], frame["seq"]
        told = {"person": self.person.id, "device": self.name, "chat": chat, "seq": seq}
        self.history.add("recv", **told, mid=frame["messageId"])
        if frame["senderId"] != self.person.id and frame["kind"] == "message":
            self._heads[chat] = max(seq, self._heads.get(chat, 0))
            if self.shy:
                return
            self.history.add("delivered", "invoke", **told)
            await socket.send(json.dumps({"type": "message.delivered", "chatId": chat, "seq": seq}))

    def _tell(self, op: Any, phase: Any, row: dict[str, Any]) -> None:
        self.history.add(op, phase, person=self.person.id, device=self.name, **row)

    def give_up(self) -> None:
        """The run is over: what is still open was never answered."""
        for row in self._open:
            self._tell("stuck", "fail", row)
