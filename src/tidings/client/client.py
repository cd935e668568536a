"""The client: one person's chats, held in a store of their own, the same online and offline.

What is read comes from the store; what is written is committed when a method answers, and the engine sends it when
there is a network.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import msgspec

from tidings.client import events as e
from tidings.client import model as m
from tidings.client.api import Api
from tidings.client.engine import Engine
from tidings.client.model import Json
from tidings.client.outbox import send_frame
from tidings.client.rows import ChatRow, Message
from tidings.client.session import SessionFile
from tidings.client.store import Store
from tidings.contracts import ids, times
from tidings.contracts.errors import ApiError
from tidings.contracts.objects import User

READ_CHUNK: Final = 50
TYPING_EVERY_S: Final = 3.0  # `typing.start` lapses after 6


class Client:
    """Use as `async with Client(url, folder) as client`. Every call may raise ApiError.

    `folder` holds the store and the session; None keeps both in memory. One program at a time may open a folder,
    others may share its session: `session_folder`.
    """

    def __init__(
        self, url: str = "http://localhost:30080", folder: Path | None = None, *, session_folder: Path | None = None
    ) -> None:
        self._store = Store(folder)
        self.api = Api(url, SessionFile(session_folder or folder))
        self._engine = Engine(self.api, self._store, self._tell)
        self._listeners: set[e.Listener] = set()
        self._typed_at: dict[str, float] = {}

    async def __aenter__(self) -> Self:
        session = self.api.session
        if session is not None:
            await self._engine.start(session.user_id)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """End what runs. For who uses `api` alone, without `async with`."""
        await self._engine.stop()
        await self.api.close()
        await self._engine.close_store()

    # -- signing in ---------------------------------------------------------------------------------------

    @property
    def user_id(self) -> str:
        """Of the person signed in; empty when nobody is."""
        return self.api.session.user_id if self.api.session is not None else ""

    async def request_code(self, phone: str) -> Json:
        """Have a code sent. Answers `{expiresIn, resendAfter}` in seconds, and `delivery`: `sms` or `shown`."""
        return await self.api.call("POST", "/auth/request-otp", {"phone": phone}, signed=False)

    async def sign_in(self, phone: str, code: str, device_name: str = "Tidings for Python") -> str:
        """Sign in with the code and begin to sync. Answers the user's id."""
        session = await self.api.sign_in(phone, code, device_name)
        await self._engine.stop()
        await self._engine.start(session.user_id)
        return session.user_id

    async def sign_out(self) -> None:
        """End the session and remove everything held here."""
        await self._engine.stop()
        try:
            await self.api.sign_out()
        finally:
            await self._engine.on_store(lambda: self._store.begin(""))

    # -- reading: answered from the store, never from the network -----------------------------------------------

    async def chats(self) -> list[ChatRow]:
        """Pinned first, then by newest activity."""
        return await self._engine.on_store(self._store.chats)

    async def chat(self, chat_id: str) -> ChatRow | None:
        return await self._engine.on_store(lambda: self._store.chat(chat_id))

    async def messages(self, chat_id: str, before: int | None = None, limit: int = 50) -> list[Message]:
        """The newest `limit` messages below the number `before`, oldest first; what is not yet stored is last."""
        return await self._engine.on_store(lambda: self._store.messages(chat_id, before, limit))

    async def after(self, chat_id: str, seq: int, limit: int = 500) -> list[Message]:
        """The messages above the number `seq`, oldest first."""
        return await self._engine.on_store(lambda: self._store.after(chat_id, seq, limit))

    async def message(self, message_id: str) -> Message | None:
        """A message that is held, by its id or its clientMsgId."""
        return await self._engine.on_store(lambda: self._store.message(message_id))

    async def find(self, words: str, chat_id: str | None = None, limit: int = 50) -> list[Message]:
        """Messages held here whose text contains `words`, newest first. Works offline."""
        return await self._engine.on_store(lambda: self._store.find(words, chat_id, limit))

    async def person(self, user_id: str) -> User | None:
        """What is known here of a person."""
        return await self._engine.on_store(lambda: self._store.person(user_id))

    async def pending(self) -> int:
        """How many frames wait to be sent and answered."""
        return await self._engine.on_store(self._store.pending)

    # -- writing: committed when answered, sent when there is a network -------------------------------------------

    async def send(
        self, chat_id: str, content: str | Json, *, reply_to: str | None = None, mentions: Iterable[str] = (),
        expires_in: int | None = None,
    ) -> Message:  # fmt: skip
        """Put a message into the outbox. Answers its row, which is `pending` until the server has stored it."""
        client_msg_id = ids.new_id()
        whole = {"kind": "text", "text": content} if isinstance(content, str) else content
        await self._engine.do(
            m.Send(
                chat_id=chat_id, client_msg_id=client_msg_id, content=whole, created_at=times.rfc3339(times.now_ms()),
                reply_to=reply_to, mentions=list(mentions), expires_in=expires_in,
            )
        )  # fmt: skip
        row = await self.message(client_msg_id)
        if row is None:
            raise RuntimeError("the store lost a row that it had committed")
        return row

    async def send_again(self, message: Message) -> None:
        """A refused message once more, as it was."""
        client_id, answered = message.client_msg_id or "", message.reply_to
        frame = send_frame(
            message.chat_id,
            client_id,
            message.content or {},
            answered.message_id if answered else None,
            message.mentions,
        )
        await self._engine.do(m.Again(entry=m.Entry(id=client_id, chat_id=message.chat_id, frame=frame)))

    async def edit(self, message: Message, content: str | Json) -> None:
        whole = {"kind": "text", "text": content} if isinstance(content, str) else content
        await self._ask(message, {"type": "message.edit", "content": whole})

    async def delete(self, message: Message, *, for_everyone: bool = True) -> None:
        await self._ask(message, {"type": "message.delete", "for": "everyone" if for_everyone else "me"})

    async def react(self, message: Message, emoji: str | None) -> None:
        """React with one emoji; None takes it back."""
        await self._ask(message, {"type": "message.react", "emoji": emoji})

    async def vote(self, message: Message, option_ids: list[str]) -> None:
        await self._ask(message, {"type": "message.vote", "optionIds": option_ids})

    async def _ask(self, message: Message, frame: Json) -> None:
        if message.message_id is None:
            raise ApiError("conflict", "This message is not stored yet")
        ref = ids.new_id()
        await self._engine.do(m.Ask(chat_id=message.chat_id, ref=ref, frame=frame | {"messageId": message.message_id}))

    async def read(self, chat_id: str, seq: int) -> None:
        """Everything up to `seq` has been read."""
        await self._engine.do(m.Read(chat_id=chat_id, seq=seq))

    async def typing(self, chat_id: str) -> None:
        """Someone types here: call it at each key, it is told every 3 s."""
        now = time.monotonic()
        if self.online and now - self._typed_at.get(chat_id, 0.0) > TYPING_EVERY_S:
            self._typed_at[chat_id] = now
            await self._engine.say({"type": "typing.start", "chatId": chat_id})

    async def watch(self, user_ids: list[str]) -> None:
        """Be told the presence of these people, by `Told`, on this connection."""
        if user_ids and self.online:
            await self._engine.say({"type": "presence.subscribe", "userIds": user_ids})

    # -- calls that need the network --------------------------------------------------------------------------------

    async def open_direct(self, user_id: str) -> str:
        """The chat with a person (oneself: notes), made if there is none. Answers its id."""
        return await self._made(await self.api.post("/chats", {"type": "direct", "userId": user_id}, retry=True))

    async def create_group(self, name: str, user_ids: list[str]) -> str:
        """Answers the id of the new group."""
        body = {"type": "group", "name": name, "participantIds": user_ids, "clientChatId": ids.new_id()}
        return await self._made(await self.api.post("/chats", body, retry=True))

    async def _made(self, chat: Json) -> str:
        await self._engine.do(m.Frame(frame={"type": "chat.created", "chat": chat}))
        chat_id: str = chat["id"]
        return chat_id

    async def look_up(self, phones: list[str]) -> dict[str, User]:
        """Who of these phone numbers is here: phone as given -> person."""
        answer = await self.api.post("/users/contacts/sync", {"phoneNumbers": phones})
        await self._keep_people(item["user"] for item in answer["items"])
        return {item["phone"]: msgspec.convert(item["user"], User) for item in answer["items"]}

    async def members(self, chat_id: str) -> list[Json]:
        """All members of a group, with their roles."""
        found: list[Json] = []
        cursor: str | None = None
        while True:
            page = await self.api.get(f"/chats/{chat_id}/members", limit=200, cursor=cursor)
            found += page["items"]
            cursor = page["nextCursor"]
            if cursor is None:
                break
        await self._keep_people(member["user"] for member in found)
        return found

    async def load_person(self, user_id: str) -> User:
        """Ask the server who this is, and keep it."""
        user = await self.api.get(f"/users/{user_id}")
        await self._keep_people([user])
        return msgspec.convert(user, User)

    async def _keep_people(self, users: Iterable[Json]) -> None:
        kept = list(users)
        await self._engine.on_store(lambda: self._store.put_people(kept))
        self._tell(e.Changed(frozenset()))

    async def upload(self, path: Path, mime_type: str) -> Json:
        """Store a file. Answers its Media object, to be named in a content."""
        with path.open("rb") as file:
            return await self.api.upload(path.name, file, mime_type)

    # -- what happens -----------------------------------------------------------------------------------------------

    @property
    def online(self) -> bool:
        """Whether there is a connection."""
        return self._engine.online

    @property
    def settled(self) -> bool:
        """Connected, and everything known to exist is held."""
        return self._engine.settled

    async def events(self) -> AsyncIterator[e.Event]:
        """What happens from now on. A slow listener loses the oldest events and is told so (`Missed`); the store has
        it all."""
        listener = e.Listener()
        self._listeners.add(listener)
        try:
            while True:
                yield await listener.next()
        finally:
            self._listeners.discard(listener)

    async def until(self, condition: Callable[[], bool], timeout_s: float = 30.0) -> None:
        """Wait for something that an event brings, such as `lambda: client.settled`. Raises TimeoutError."""
        listener = e.Listener()
        self._listeners.add(listener)
        try:
            async with asyncio.timeout(timeout_s):
                while not condition():
                    await listener.next()
        finally:
            self._listeners.discard(listener)

    async def sent(self, message: Message, timeout_s: float = 30.0) -> Message:
        """Wait until the server has stored a message of one's own. Raises ApiError if refused, TimeoutError."""
        key = message.client_msg_id or ""
        listener = e.Listener()
        self._listeners.add(listener)
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    row = await self.message(key)
                    if row is not None and row.state == "stored":
                        return row
                    if row is not None and row.state == "failed":
                        raise ApiError(row.error or "internal")
                    await listener.next()
        finally:
            self._listeners.discard(listener)

    async def incoming(self) -> AsyncIterator[Message]:
        """Every message of others above one's own read mark, oldest first in each chat, for ever: for bots.

        A message counts as read when the loop comes back for the next. So one that was being handled when the program
        died comes again, and nothing is passed over.
        """
        listener = e.Listener()
        self._listeners.add(listener)
        try:
            while True:
                found = await self._engine.on_store(lambda: self._store.unread(READ_CHUNK))
                for message in found:
                    yield message
                    await self.read(message.chat_id, message.seq or 0)
                if not found:
                    await listener.next()
        finally:
            self._listeners.discard(listener)

    def _tell(self, event: e.Event) -> None:
        for listener in self._listeners:
            listener.add(event)
