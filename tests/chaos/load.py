"""People who use the system while it breaks: they send, resend, edit, delete, react, read, leave and come back.

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
from tests.chaos.history import Entry, FinalChat, History
from tests.support.people import Person

ANSWER_S: Final = 4.0
OPEN_S: Final = 4.0
FINAL: Final = frozenset({"not_found", "forbidden", "blocked", "invalid_frame", "conflict", "limit_exceeded"})
BROKEN: Final = (OSError, TimeoutError, websockets.WebSocketException, httpx.HTTPError, KeyError)


class Device:
    """One device of a person: one thing at a time, a send repeated unchanged until it is answered."""

    def __init__(self, person: Person, name: str, chats: list[str], history: History, seed: int) -> None:
        self.person, self.name, self.history = person, name, history
        self.chats = chats
        self.running = True
        self._dice = random.Random(f"{seed}-{name}")
        self._sent: list[dict[str, Any]] = []  # answered sends of one's own: chat, cmid, mid, seq, text
        self._open: dict[str, Any] | None = None  # the send that waits for its answer
        self._heads: dict[str, int] = {}
        self._answers: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._socket: websockets.ClientConnection | None = None

    async def run(self) -> None:
        while self.running or self._open is not None:
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
                for _ in range(self._dice.randint(10, 60)):
                    if reader.done() or (not self.running and self._open is None):
                        break
                    await self._act()
            finally:
                reader.cancel()
                await asyncio.gather(reader, return_exceptions=True)
                for waiting in self._answers.values():
                    if not waiting.done():
                        waiting.set_exception(ConnectionError("the socket is gone"))
                        waiting.exception()  # nobody may be waiting any more
                self._answers.clear()

    async def _act(self) -> None:
        if self._open is not None:
            await self._finish_send()
            return
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
            cmid = uuid.uuid4().hex
            self._open = {"chat": self._dice.choice(self.chats), "cmid": cmid, "text": f"text of {cmid}"}
            self._tell("send", "invoke", self._open)
            await self._finish_send()

    async def _finish_send(self) -> None:
        row = self._open
        assert row is not None
        if await self._say_send(row):
            self._open = None

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
            elif kind == "ready":
                self.history.add("connect", person=self.person.id, device=self.name, epoch=frame["logEpoch"])

    async def _received(self, socket: websockets.ClientConnection, frame: dict[str, Any]) -> None:
        chat, seq = frame["chatId"], frame["seq"]
        told = {"person": self.person.id, "device": self.name, "chat": chat, "seq": seq}
        self.history.add("recv", **told, mid=frame["messageId"])
        if frame["senderId"] != self.person.id and frame["kind"] == "message":
            self._heads[chat] = max(seq, self._heads.get(chat, 0))
            self.history.add("delivered", "invoke", **told)
            await socket.send(json.dumps({"type": "message.delivered", "chatId": chat, "seq": seq}))

    def _tell(self, op: Any, phase: Any, row: dict[str, Any]) -> None:
        self.history.add(op, phase, person=self.person.id, device=self.name, **row)

    def give_up(self) -> None:
        """The run is over: what is still open was never answered."""
        if self._open is not None:
            self._tell("stuck", "fail", self._open)


async def churn(owner: Person, member: Person, group: str, stop: asyncio.Event) -> None:
    """Remove a member and let them in again; at the end they are out, so that their window has an end."""
    dice = random.Random(group)
    async with httpx.AsyncClient(base_url=f"{owner.base_url}/api/v1", timeout=5) as http:
        headers = {"authorization": f"Bearer {owner.token}"}
        inside = True
        while inside or not stop.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(dice.uniform(1, 4)):
                    await stop.wait()
                    await asyncio.sleep(0.2)  # one more removal may have to be tried
            with contextlib.suppress(httpx.HTTPError):
                if inside:
                    answer = await http.delete(f"/chats/{group}/members/{member.id}", headers=headers)
                else:
                    answer = await http.post(f"/chats/{group}/members", json={"userIds": [member.id]}, headers=headers)
                if answer.is_success:
                    inside = not inside


async def final(person: Person, history: History) -> None:
    """Everything this person is shown by a sync from nothing."""
    chats: dict[str, dict[str, Any]] = {}
    pages: dict[str, list[dict[str, Any]]] = {}
    epoch = ""
    since, positions = None, {}
    async with httpx.AsyncClient(base_url=f"{person.base_url}/api/v1", timeout=20) as http:
        while True:
            body = {"since": since, "positions": positions, "limit": 500}
            answer = await http.post("/sync", json=body, headers={"authorization": f"Bearer {person.token}"})
            answer.raise_for_status()
            found = answer.json()
            epoch, since = found["logEpoch"], found["since"]
            chats |= {chat["id"]: chat for chat in found["chats"]}
            for chat_id, page in found["log"].items():
                pages.setdefault(chat_id, []).append(page)
                positions[chat_id] = page["toSeq"]
            if not found["hasMore"]:
                break
    shown = [_final_chat(chat, pages.get(chat_id, [])) for chat_id, chat in chats.items()]
    history.add("final", person=person.id, epoch=epoch, final=shown)


def _final_chat(chat: dict[str, Any], pages: list[dict[str, Any]]) -> FinalChat:
    covered = (pages[0]["fromSeq"], pages[-1]["toSeq"]) if pages else (chat["joinedSeq"], chat["joinedSeq"] - 1)
    return FinalChat(
        chat=chat["id"], type=chat["type"], membership=chat["membership"], joined=chat["joinedSeq"],
        left=chat["leftSeq"],
        last=chat["lastSeq"], unread=chat["unreadCount"], read=chat["readSeq"], delivered=chat["deliveredSeq"],
        others_read=chat["othersReadSeq"], others_delivered=chat["othersDeliveredSeq"], covered=covered,
        entries=[_entry(item) for page in pages for item in page["items"]],
    )  # fmt: skip


def _entry(item: dict[str, Any]) -> Entry:
    if item["kind"] == "change":
        return Entry(seq=item["seq"], mid=item["messageId"], kind=item["change"], target=item["targetSeq"])
    content = item["content"] or {}
    text = content.get("text") if item["kind"] == "message" else content.get("event")
    return Entry(
        seq=item["seq"], mid=item["messageId"], kind=item["kind"], cmid=item["clientMsgId"], sender=item["senderId"],
        text=text, edited=item["editedAt"] is not None,
    )  # fmt: skip
