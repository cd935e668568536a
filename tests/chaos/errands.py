"""What people do besides talking: members come and go, files and pushes, and a look at the end.

Knows nothing of faults and nothing of the rules, as the load.
"""

import asyncio
import contextlib
import hashlib
import json
import random
import uuid
from pathlib import Path
from typing import Any, Final

import httpx
from tests.chaos.history import Entry, FinalChat, History
from tests.chaos.load import FINAL
from tests.support.people import Person

PUSHES_EVERY_S: Final = 0.2


def push_target(person: Person) -> None:
    """Have this person's messages pushed."""
    person.ask("POST", "/users/me/devices", {"kind": "fcm", "token": f"token of {person.id}"}, gives=201)


async def pushes(log: Path, history: History, stop: asyncio.Event) -> None:
    """Tell the history of each push as it is written to the provider's log."""
    seen = 0
    while not stop.is_set():
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PUSHES_EVERY_S):
                await stop.wait()
        lines = log.read_bytes()[seen:].splitlines(keepends=True) if log.exists() else []
        for line in lines:
            if line.endswith(b"\n"):
                seen += len(line)
                push = json.loads(line)
                payload = push["payload"]
                history.add(
                    "push", person=push["userId"], chat=payload["chatId"], seq=payload["seq"], kind=payload["type"]
                )


async def uploads(person: Person, history: History, seed: int, stop: asyncio.Event) -> None:
    """Upload small files, one after the other."""
    dice = random.Random(f"{seed}-files")
    async with _client(person) as http:
        while not stop.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(dice.uniform(0.5, 2)):
                    await stop.wait()
            body = dice.randbytes(dice.randint(1, 5000))
            with contextlib.suppress(httpx.HTTPError):
                answer = await http.post("/media/upload", files={"file": ("file", body, "application/octet-stream")})
                if answer.status_code == 201:
                    history.add("upload", person=person.id, mid=answer.json()["id"], text=_digest(body))


async def letters(person: Person, chats: list[str], history: History, seed: int, stop: asyncio.Event) -> None:
    """Send over REST, which reaches any instance, one message after the other, each until it is answered."""
    dice = random.Random(f"{seed}-letters")
    async with _client(person) as http:
        while not stop.is_set():
            cmid = uuid.UUID(int=dice.getrandbits(128)).hex
            told = {"person": person.id, "device": "letters", "chat": dice.choice(chats), "cmid": cmid}
            told["text"] = f"text of {cmid}"
            history.add("send", "invoke", **told)
            while not await _say_letter(http, told, history):
                await asyncio.sleep(0.3)
            await asyncio.sleep(dice.uniform(0.02, 0.3))


async def _say_letter(http: httpx.AsyncClient, told: dict[str, str], history: History) -> bool:
    """Whether it is settled."""
    try:
        answer = await http.post(
            f"/chats/{told['chat']}/messages", json={"clientMsgId": told["cmid"], "content": told["text"]}
        )
        found = answer.json()
    except (httpx.HTTPError, ValueError):
        return False
    if answer.is_success:
        history.add("send", **told, mid=found["messageId"], seq=found["seq"])
    elif found.get("code") in FINAL:
        history.add("send", "fail", **told, code=found["code"])
    return answer.is_success or found.get("code") in FINAL


async def glances(writer: Person, reader: Person, history: History, stop: asyncio.Event) -> None:
    """In a chat of their own one writes now and then, and the other reads it at once: it needs no push any more."""
    chat = await asyncio.to_thread(writer.direct, reader)
    async with _client(writer) as http, _client(reader) as other:
        while not stop.is_set():
            cmid = uuid.uuid4().hex
            told = {"person": writer.id, "device": "glances", "chat": chat, "cmid": cmid, "text": f"text of {cmid}"}
            history.add("send", "invoke", **told)
            while not await _say_letter(http, told, history):
                await asyncio.sleep(0.3)
            sent = history.lines[-1]
            mark = {"person": reader.id, "device": "glances", "chat": chat, "seq": sent.seq}
            history.add("read", "invoke", **mark)
            with contextlib.suppress(httpx.HTTPError):
                if (await other.post("/messages/read", json={"messageIds": [sent.mid]})).is_success:
                    history.add("read", **mark)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(3):
                    await stop.wait()


async def fetch_uploads(person: Person, history: History) -> None:
    """Ask for every file that was uploaded, and say what came."""
    async with _client(person) as http:
        for upload in [line for line in history.lines if line.op == "upload" and line.person == person.id]:
            answer = await http.get(f"/media/{upload.mid}")
            file = await http.get(answer.json()["url"]) if answer.is_success else answer
            text = _digest(file.content) if file.is_success else f"{file.status_code}"
            history.add("object", person=person.id, mid=upload.mid, text=text)


def _client(person: Person) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        base_url=f"{person.base_url}/api/v1", timeout=5, headers={"authorization": f"Bearer {person.token}"}
    )


def _digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


async def churn(owner: Person, member: Person, group: str, stop: asyncio.Event) -> None:
    """Remove a member and let them in again; at the end they are out, so that their window has an end."""
    dice = random.Random(group)
    async with _client(owner) as http:
        inside = True
        while inside or not stop.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(dice.uniform(1, 4)):
                    await stop.wait()
                    await asyncio.sleep(0.2)  # one more removal may have to be tried
            with contextlib.suppress(httpx.HTTPError):
                if inside:
                    answer = await http.delete(f"/chats/{group}/members/{member.id}")
                else:
                    answer = await http.post(f"/chats/{group}/members", json={"userIds": [member.id]})
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
        text=text, edited=item["editedAt"] is not None, about=content.get("userIds", []),
    )  # fmt: skip
