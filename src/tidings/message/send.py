"""Sending: a client's message becomes an entry of the log."""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from tidings.contracts import content as contents
from tidings.contracts.content import Content, Poll
from tidings.contracts.errors import RETRYABLE, ApiError
from tidings.contracts.limits import Limits
from tidings.contracts.times import now_ms
from tidings.message.chats import Chats
from tidings.message.lanes import Lanes
from tidings.message.log import Document, Entry, is_gone
from tidings.message.store import Store
from tidings.platform.rpc import Peers
from tidings.rpc.v1 import media_pb2

if TYPE_CHECKING:
    from tidings.rpc.v1.media_pb2_grpc import MediaServiceAsyncStub


class Draft(msgspec.Struct, kw_only=True):
    """What somebody wants to send; `content` is JSON that nobody has checked."""

    chat_id: str
    sender_id: str
    client_msg_id: str
    content: bytes
    reply_to: str | None = None
    mentions: list[str] = []
    expires_in_s: int = 0
    origin: str | None = None
    forwarded: int = 0


class Sender:
    """`send` is the one way a message comes into being."""

    def __init__(
        self, store: Store, chats: Chats, lanes: Lanes, media: "Peers[MediaServiceAsyncStub]", limits: Limits
    ) -> None:
        self._store, self._chats, self._lanes, self._media, self._limits = store, chats, lanes, media, limits

    async def send(self, drafts: Sequence[Draft]) -> list[Document | ApiError]:
        """Store messages; the outcome of each, in order. Messages of one chat get rising numbers in this order."""
        # Chats that are not known yet are read here and not in the lane, where others would wait for them.
        cold = {d.chat_id for d in drafts if (c := self._chats.known(d.chat_id)) is None or c.unsettled}
        away: ApiError | None = None
        if cold:
            try:
                await self._chats.get_many(cold)
            except ApiError as error:
                away = error
        # After that: how long a message lasts is the chat's.
        prepared: list[Entry | ApiError] = [away if away and d.chat_id in cold else self._check(d) for d in drafts]
        asks = [
            (i, draft)
            for i, draft in enumerate(drafts)
            if not isinstance(prepared[i], ApiError) and (draft.reply_to or b'"mediaId"' in draft.content)
        ]
        if asks:
            results = await asyncio.gather(
                *(self._complete(draft, prepared[i]) for i, draft in asks), return_exceptions=True
            )
            for (i, _), result in zip(asks, results, strict=True):
                if isinstance(result, ApiError):
                    prepared[i] = result
                elif isinstance(result, BaseException):
                    raise result
        first = await self._first_answers(drafts, prepared)
        waits: list[asyncio.Future[Document] | ApiError] = []
        for entry in prepared:
            try:
                waits.append(entry if isinstance(entry, ApiError) else self._lanes.append(entry))
            except ApiError as error:
                waits.append(error)
        outcomes = [w if isinstance(w, ApiError) else await _outcome(w) for w in waits]
        return [first.get(i, outcome) for i, outcome in enumerate(outcomes)]

    async def _first_answers(
        self, drafts: Sequence[Draft], prepared: Sequence[Entry | ApiError]
    ) -> dict[int, Document]:
        """What was stored before of drafts that would be refused now: a resend gets its first answer, whatever it says
        this time."""
        keys = {
            i: (d.chat_id, d.sender_id, d.client_msg_id)
            for i, (d, entry) in enumerate(zip(drafts, prepared, strict=True))
            if isinstance(entry, ApiError) and entry.code not in RETRYABLE
        }
        found = await self._store.find_keys(keys.values()) if keys else {}
        return {i: {**found[key], "repeated": True} for i, key in keys.items() if key in found}

    def _check(self, draft: Draft) -> Entry | ApiError:
        try:
            content = contents.check(draft.content, self._limits)
        except ApiError as error:
            return error
        if len(draft.mentions) > self._limits.mentions:
            return ApiError("limit_exceeded", f"at most {self._limits.mentions} mentions")
        chat = self._chats.known(draft.chat_id)
        encoded = contents.encode(content)
        document: Document = {
            "chatId": draft.chat_id,
            "kind": "message",
            "senderId": draft.sender_id,
            "clientMsgId": draft.client_msg_id,
            "content": encoded.decode(),
            "text": contents.searchable(content).casefold(),
            "counted": True,
        }
        if isinstance(content, Poll):
            document["isPoll"] = True
        if draft.mentions:
            document["mentions"] = list(dict.fromkeys(draft.mentions))
        if draft.forwarded:
            document["forwarded"] = draft.forwarded
        lasts_s = draft.expires_in_s or (chat.disappearing_s if chat is not None else 0)
        if lasts_s:
            document["expiresAt"] = now_ms() + lasts_s * 1000
        return Entry(
            document=document,
            size=len(encoded) + 400,
            origin=draft.origin,
            check=lambda now: now.check_send(draft.sender_id, draft.mentions),
        )

    async def _complete(self, draft: Draft, entry: "Entry | ApiError") -> None:
        """What needs another look-up: the message replied to, and the right to use files."""
        assert isinstance(entry, Entry)  # noqa: S101  by the filter in `send`
        chat = await self._chats.get(draft.chat_id)
        seat = chat.reader(draft.sender_id)
        if draft.reply_to:
            target = await self._store.entry(draft.reply_to)
            if target is None or target["chatId"] != draft.chat_id or not seat.sees(target["seq"]):
                raise ApiError("not_found", "replyTo: there is no such message here")
            entry.document["replyTo"] = {
                "messageId": target["_id"],
                "seq": target["seq"],
                "senderId": target["senderId"],
                "preview": preview(target),
            }
        files = contents.media_ids(contents.check(draft.content, self._limits))
        if files:
            answer = await self._media.call(
                self._media.stub().AttachMedia,
                media_pb2.AttachMediaRequest(
                    attachments=[
                        media_pb2.Attachment(
                            user_id=draft.sender_id, media_ids=files, chat_id=draft.chat_id, after_seq=chat.head
                        )
                    ]
                ),
                timeout_s=3,
            )
            if answer.results[0].code:
                raise ApiError(answer.results[0].code, "content.mediaId: there is no such file")


def preview(document: Document) -> str:
    """A line about a stored message; empty when its content is gone or is a notice."""
    if is_gone(document, now_ms()) or document["kind"] != "message":
        return ""
    return contents.preview(msgspec.json.decode(document["content"], type=Content))


async def _outcome(future: "asyncio.Future[Document]") -> Document | ApiError:
    try:
        return await future
    except ApiError as error:
        return error
