"""Edits, deletions, reactions, votes and pins: who may make them, and what they put into the log."""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec
from msgspec import Raw

from tidings.contracts import content as contents
from tidings.contracts import frames
from tidings.contracts.content import Content, Poll, Text
from tidings.contracts.errors import ApiError
from tidings.contracts.events import LogEvent
from tidings.contracts.ids import new_id
from tidings.contracts.limits import Limits
from tidings.contracts.times import now_ms
from tidings.message import log, render
from tidings.message.chats import Chats
from tidings.message.lanes import Lanes
from tidings.message.log import Chat, Document, Entry
from tidings.message.publish import Publisher
from tidings.message.store import Store
from tidings.platform.rpc import Peers
from tidings.rpc.v1 import chat_pb2

if TYPE_CHECKING:
    from tidings.rpc.v1.chat_pb2_grpc import ChatServiceAsyncStub


class Ask(msgspec.Struct, kw_only=True):
    """Somebody wants to change a message. Exactly one of the last five is set; an empty `reaction` takes it back."""

    user_id: str
    message_id: str
    origin: str | None = None
    content: bytes | None = None
    delete_for: str | None = None
    reaction: str | None = None
    options: list[str] | None = None
    pinned: bool | None = None


class Changer:
    """Answers each ask with the frame that tells of the change."""

    def __init__(
        self,
        store: Store,
        chats: Chats,
        lanes: Lanes,
        publisher: Publisher,
        peers: "Peers[ChatServiceAsyncStub]",
        limits: Limits,
    ) -> None:
        self._store, self._chats, self._lanes, self._publisher = store, chats, lanes, publisher
        self._peers, self._limits = peers, limits

    async def change(self, asks: Sequence[Ask]) -> list[bytes | ApiError]:
        """Make changes, in order for each message."""
        out: list[bytes | ApiError] = [ApiError("internal")] * len(asks)
        messages: dict[str, list[int]] = {}
        for position, ask in enumerate(asks):
            messages.setdefault(ask.message_id, []).append(position)

        async def in_turn(positions: list[int]) -> None:
            for position in positions:
                try:
                    out[position] = await self._one(asks[position])
                except ApiError as error:
                    out[position] = error

        await asyncio.gather(*(in_turn(positions) for positions in messages.values()))
        return out

    async def _one(self, ask: Ask) -> bytes:
        target = await self._store.entry(ask.message_id)
        if target is None:
            raise ApiError("not_found", "there is no such message")
        chat = await self._chats.get(target["chatId"])
        seat = chat.seats.get(ask.user_id)
        if seat is None or not seat.sees(target["seq"]):
            raise ApiError("not_found", "there is no such message")
        if ask.delete_for == "me":
            return await self._hide(ask, target)
        if target["kind"] != "message":
            raise ApiError("forbidden", "a notice cannot be changed")
        chat.member(ask.user_id)
        document = self._document(ask, target, chat)
        if isinstance(document, bytes):
            return document
        if ask.pinned is not None:
            await self._record_pin(ask, target, ask.pinned)
        entry = Entry(document=document, size=600, origin=ask.origin, check=lambda now: now.member(ask.user_id))
        stored = await self._lanes.append(entry)
        if ask.delete_for is not None and target.get("pinned"):
            with contextlib.suppress(ApiError):  # a list that still names it is untidy, the deletion stands
                await self._record_pin(ask, target, False)
        if ask.options is not None:
            target = await self._store.entry(ask.message_id) or target
            return render.vote_frame(stored, target, ask.user_id)
        return render.frame(stored, target)

    def _document(self, ask: Ask, target: Document, chat: Chat) -> Document | bytes:
        """The change entry; or, when it is in force already, the frame that says so."""
        document: Document = {
            "chatId": target["chatId"],
            "kind": "change",
            "senderId": ask.user_id,
            "clientMsgId": f"change-{new_id()}",
            "targetId": target["_id"],
            "targetSeq": target["seq"],
        }
        gone = log.is_gone(target, now_ms())
        if ask.delete_for is not None:
            document |= {"change": log.DELETE, "clientMsgId": f"delete-{target['_id']}"}
            if target.get("deletedAt") is not None:
                return _as_done(document, target, _seq_of(target, "deleteSeq"))
            self._check_delete(ask.user_id, target, chat)
            return document
        if gone and ask.reaction == "":
            return _as_done(document | {"change": log.REACTION, "emoji": None}, target, target["seq"])
        if gone and ask.pinned is False:
            return _as_done(document | {"change": log.PIN, "pinned": False}, target, _seq_of(target, "pinSeq"))
        if gone:
            raise ApiError("not_found", "the message was deleted")
        if ask.content is not None:
            return self._edit(ask, target, document)
        if ask.reaction is not None:
            if ask.reaction and not contents.is_emoji(ask.reaction):
                raise ApiError("invalid_request", "emoji: must be one emoji")
            document |= {"change": log.REACTION, "emoji": ask.reaction or None}
            present = target.get("reactions", {}).get(ask.user_id, {"emoji": None, "seq": target["seq"]})
            if present["emoji"] == document["emoji"]:
                return _as_done(document, target, present["seq"])
            return document
        if ask.options is not None:
            return self._vote(ask, target, document)
        if chat.type == "group" and chat.edit_info == "admins" and chat.member(ask.user_id).role == "member":
            raise ApiError("forbidden", "only admins may pin messages here")
        document |= {"change": log.PIN, "pinned": bool(ask.pinned)}
        if bool(target.get("pinned")) == bool(ask.pinned):
            return _as_done(document, target, _seq_of(target, "pinSeq"))
        return document

    def _edit(self, ask: Ask, target: Document, document: Document) -> Document | bytes:
        if target["senderId"] != ask.user_id:
            raise ApiError("forbidden", "only its author may edit a message")
        if now_ms() - target["at"] > self._limits.edit_window_s * 1000:
            raise ApiError("edit_window_closed")
        new = contents.check(ask.content or b"", self._limits)
        old = msgspec.json.decode(target["content"], type=Content)
        if type(new) is not type(old) and not isinstance(new, Text):
            raise ApiError("invalid_request", "content: an edit keeps the kind of the message")
        if isinstance(new, Text) and not isinstance(old, Text):
            if not hasattr(old, "caption"):
                raise ApiError("invalid_request", "content: this kind of message cannot be edited")
            new = msgspec.structs.replace(old, caption=new.text)
        if contents.media_ids(new) != contents.media_ids(old) or isinstance(new, Poll):
            raise ApiError("invalid_request", "content: only text and captions can be edited")
        encoded = contents.encode(new).decode()
        document |= {"change": log.EDIT, "content": encoded, "text": contents.searchable(new).casefold()}
        if encoded == target["content"]:
            return _as_done(document, target, _seq_of(target, "editSeq"), at=target.get("editedAt"))
        return document

    def _vote(self, ask: Ask, target: Document, document: Document) -> Document | bytes:
        if not target.get("isPoll"):
            raise ApiError("invalid_request", "messageId: this message is no poll")
        poll = msgspec.json.decode(target["content"], type=Poll)
        chosen = list(dict.fromkeys(ask.options or []))
        if not set(chosen) <= {option.id for option in poll.options}:
            raise ApiError("invalid_request", "optionIds: no such option")
        if len(chosen) > 1 and not poll.multiple:
            raise ApiError("invalid_request", "optionIds: only one answer is allowed")
        document |= {"change": log.VOTE, "options": chosen}
        present = target.get("ballots", {}).get(ask.user_id, {"options": [], "seq": target["seq"]})
        if sorted(present["options"]) == sorted(chosen):
            return render.vote_frame({**document, "seq": present["seq"], "at": target["at"]}, target, ask.user_id)
        return document

    def _check_delete(self, user_id: str, target: Document, chat: Chat) -> None:
        if target["senderId"] != user_id and (chat.type == "direct" or chat.member(user_id).role == "member"):
            raise ApiError("forbidden", "only its author or an admin may delete a message for everyone")
        if now_ms() - target["at"] > self._limits.delete_window_s * 1000:
            raise ApiError("delete_window_closed")

    async def _record_pin(self, ask: Ask, target: Document, pinned: bool) -> None:
        """chat-service owns the list and how long it may be."""
        answer = await self._peers.call(
            self._peers.stub().SetPinnedMessage,
            chat_pb2.SetPinnedMessageRequest(
                chat_id=target["chatId"], message_id=target["_id"], pinned=pinned, user_id=ask.user_id
            ),
        )
        if answer.code:
            raise ApiError(
                answer.code, "pin" if answer.code != "limit_exceeded" else "the chat has its most pins already"
            )

    async def _hide(self, ask: Ask, target: Document) -> bytes:
        body = frames.encode_frame(
            frames.Deleted(
                message_id=target["_id"],
                chat_id=target["chatId"],
                seq=None,
                target_seq=target["seq"],
                user_id=ask.user_id,
                for_="me",
            )
        )
        if await self._store.hide(ask.user_id, target, now_ms()):
            await self._publisher.hidden(
                LogEvent(
                    chat_id=target["chatId"],
                    seq=0,
                    kind="change",
                    sender_id=ask.user_id,
                    message_id=target["_id"],
                    frame=Raw(body),
                    origin=ask.origin,
                    only=[ask.user_id],
                )
            )
        return body


def _seq_of(target: Document, field: str) -> int:
    """The number of the change that is in force; of a message that was never changed so, its own."""
    found = target.get(field)
    return int(target["seq"] if found is None else found)


def _as_done(document: Document, target: Document, seq: int, at: int | None = None) -> bytes:
    return render.frame({**document, "_id": "", "seq": seq, "at": at or target["at"]}, target)
