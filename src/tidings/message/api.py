"""HTTP routes of message-service: decode, call one action, encode. No rules."""

from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from litestar import Response, Router, delete, get, patch, post, put
from litestar.params import Parameter, QueryParameter
from msgspec import Meta

from tidings.contracts.errors import ApiError, invalid
from tidings.contracts.ids import ClientId, Id, is_id
from tidings.contracts.limits import MAX_INT, Lifetime, Limits
from tidings.contracts.objects import Listing, Message, Page
from tidings.contracts.times import now_ms
from tidings.message import answers, render
from tidings.message.changes import Ask, Changer
from tidings.message.chats import Chats
from tidings.message.history import History
from tidings.message.log import Document, is_gone
from tidings.message.lookups import Lookups
from tidings.message.receipts import Mark, Receipts
from tidings.message.search import search
from tidings.message.send import Draft, Sender
from tidings.message.store import Store
from tidings.platform.cursors import Cursors
from tidings.platform.http import Caller, there_already
from tidings.platform.rpc import Peers

if TYPE_CHECKING:
    from tidings.rpc.v1.chat_pb2_grpc import ChatServiceAsyncStub

Limit = Annotated[int, Parameter(ge=1, le=100)]
Position = Annotated[int | None, Parameter(ge=0, le=MAX_INT)]


class SendBody(msgspec.Struct, rename="camel"):
    client_msg_id: ClientId
    content: dict[str, Any] | str  # checked where it is stored
    reply_to: Id | None = None
    mentions: list[Id] = []
    expires_in: Lifetime | None = None


class EditBody(msgspec.Struct, rename="camel"):
    content: dict[str, Any] | str


class ReadBody(msgspec.Struct, rename="camel"):
    message_ids: list[Id]


class EmojiBody(msgspec.Struct, rename="camel"):
    emoji: Annotated[str, Meta(min_length=1, max_length=64)]


class ForwardItem(msgspec.Struct, rename="camel"):
    message_id: Id
    client_msg_id: ClientId


class ForwardBody(msgspec.Struct, rename="camel"):
    chat_id: Id
    items: list[ForwardItem]


def routes(
    *, store: Store, lookups: Lookups, chats: Chats, sender: Sender, changer: Changer, receipts: Receipts,
    history: History, peers: "Peers[ChatServiceAsyncStub]", cursors: Cursors, limits: Limits, search_timeout_ms: int,
) -> list[Router]:  # fmt: skip
    """The routes under /api/v1."""

    @get("/chats/{chat_id:str}/messages")
    async def read_history(
        chat_id: str,
        caller: Caller,
        after: Position = None,
        before: Position = None,
        around: Position = None,
        limit: Limit = 50,
    ) -> Response[answers.Entries]:
        given = [p for p in (after, before, around) if p is not None]
        if len(given) > 1:
            raise invalid("after", "give one of after, before and around")
        chat = await chats.get(_id(chat_id))
        seat = chat.reader(caller.user_id)
        head = (await store.heads([chat_id])).get(chat_id, 0)
        if after is not None:
            page: Page = await history.after(caller.user_id, chat_id, seat, head, after, limit)
        elif around is not None:
            page = await history.around(caller.user_id, chat_id, seat, head, around, limit)
        else:
            page = await history.before(
                caller.user_id, chat_id, seat, head, MAX_INT if before is None else before, limit
            )
        return _json(page)

    @post("/chats/{chat_id:str}/messages", responses=there_already(Message))
    async def send_message(chat_id: str, data: SendBody, caller: Caller) -> Response[Message]:
        draft = Draft(
            chat_id=_id(chat_id),
            sender_id=caller.user_id,
            client_msg_id=data.client_msg_id,
            content=render.encode(data.content),
            reply_to=data.reply_to,
            mentions=data.mentions,
            expires_in_s=data.expires_in or 0,
        )
        stored = _value((await sender.send([draft]))[0])
        return _json(render.message(stored, caller.user_id), 200 if stored.get("repeated") else 201)

    @get("/messages/{message_id:str}")
    async def read_message(message_id: str, caller: Caller) -> Response[Message]:
        document, _ = await history.readable(caller.user_id, _id(message_id))
        starred = bool(await store.starred_among(caller.user_id, [message_id]))
        return _json(render.message(document, caller.user_id, starred=starred))

    @patch("/messages/{message_id:str}")
    async def edit(message_id: str, data: EditBody, caller: Caller) -> Response[Message]:
        await _change(Ask(user_id=caller.user_id, message_id=_id(message_id), content=render.encode(data.content)))
        return await _shown(message_id, caller)

    @delete("/messages/{message_id:str}", status_code=204)
    async def remove(
        message_id: str,
        caller: Caller,
        whom: Annotated[Literal["everyone", "me"], QueryParameter(name="for")] = "everyone",
    ) -> None:
        await _change(Ask(user_id=caller.user_id, message_id=_id(message_id), delete_for=whom))

    @put("/messages/{message_id:str}/reaction")
    async def react(message_id: str, data: EmojiBody, caller: Caller) -> Response[Message]:
        await _change(Ask(user_id=caller.user_id, message_id=_id(message_id), reaction=data.emoji))
        return await _shown(message_id, caller)

    @delete("/messages/{message_id:str}/reaction", status_code=204)
    async def unreact(message_id: str, caller: Caller) -> None:
        await _change(Ask(user_id=caller.user_id, message_id=_id(message_id), reaction=""))

    @put("/messages/{message_id:str}/pin")
    async def pin(message_id: str, caller: Caller) -> Response[Message]:
        await _change(Ask(user_id=caller.user_id, message_id=_id(message_id), pinned=True))
        return await _shown(message_id, caller)

    @delete("/messages/{message_id:str}/pin", status_code=204)
    async def unpin(message_id: str, caller: Caller) -> None:
        await _change(Ask(user_id=caller.user_id, message_id=_id(message_id), pinned=False))

    @put("/messages/{message_id:str}/star")
    async def star(message_id: str, caller: Caller) -> Response[Message]:
        await history.readable(caller.user_id, _id(message_id))
        await store.star(caller.user_id, message_id, now_ms())
        return await _shown(message_id, caller)

    @delete("/messages/{message_id:str}/star", status_code=204)
    async def unstar(message_id: str, caller: Caller) -> None:
        await store.unstar(caller.user_id, _id(message_id))

    @get("/messages/starred")
    async def starred(caller: Caller, cursor: str | None = None, limit: Limit = 50) -> Response[answers.MessageListing]:
        before = cursors.open("starred", caller.user_id, cursor, str) if cursor else None
        ids = await store.starred(caller.user_id, before, limit + 1)
        documents = await store.entries_by_id(ids[:limit])
        known = await chats.get_many({d["chatId"] for d in documents.values()})
        hidden = await lookups.hidden_among(caller.user_id, documents.keys()) if documents else set()
        items = [
            render.message(d, caller.user_id, starred=True)
            for d in (documents.get(i) for i in ids[:limit] if i not in hidden)
            if d and d["chatId"] in known and _sees(known[d["chatId"]].seats.get(caller.user_id), d)
        ]
        more = cursors.seal("starred", caller.user_id, ids[limit - 1]) if len(ids) > limit else None
        return _json(Listing(items=items, next_cursor=more))

    @get("/messages/search")
    async def find(
        caller: Caller,
        q: str,
        chat_id: Annotated[str | None, QueryParameter(name="chatId")] = None,
        cursor: str | None = None,
        limit: Limit = 50,
    ) -> Response[answers.Hits]:
        before = cursors.open(f"search {q} {chat_id}", caller.user_id, cursor, str) if cursor else None
        within = _id(chat_id) if chat_id is not None else None
        found, last = await search(store, lookups, peers, caller.user_id, q, within, before, limit, search_timeout_ms)
        items = [{"message": render.message(d, caller.user_id), "highlights": spans} for d, spans in found]
        more = cursors.seal(f"search {q} {chat_id}", caller.user_id, last) if last else None
        return _json(Listing(items=items, next_cursor=more))

    @post("/messages/read", status_code=200)
    async def mark_read(data: ReadBody, caller: Caller) -> Response[answers.ReadPositions]:
        if len(data.message_ids) > limits.read_ids:
            raise ApiError("limit_exceeded", f"at most {limits.read_ids} ids")
        documents = await store.entries_by_id(data.message_ids)
        known = await chats.get_many({d["chatId"] for d in documents.values()})
        highest: dict[str, int] = {}
        for message_id in data.message_ids:
            d = documents.get(message_id)
            if d is None or d["chatId"] not in known or not _sees(known[d["chatId"]].seats.get(caller.user_id), d):
                raise ApiError("not_found", "messageIds: there is no such message")
            highest[d["chatId"]] = max(highest.get(d["chatId"], 0), d["seq"])
        marks = [Mark(c, caller.user_id, "read", seq) for c, seq in highest.items()]
        for refused in await receipts.mark(marks, at_once=True):
            if refused is not None:
                raise refused
        asked = [(caller.user_id, c, known[c].seats[caller.user_id]) for c in highest]
        counts = await history.counts(asked, await store.heads(list(highest)))
        told = zip(highest, counts, strict=True)
        return _json({"chats": [{"chatId": c, "readSeq": n.read_seq, "unreadCount": n.unread} for c, n in told]})

    @post("/messages/forward", responses=there_already(answers.Messages))
    async def forward(data: ForwardBody, caller: Caller) -> Response[answers.Messages]:
        if not 1 <= len(data.items) <= limits.forward_items:
            raise ApiError("limit_exceeded", f"1 to {limits.forward_items} messages at a time")
        drafts = []
        for item in data.items:
            source, _ = await history.readable(caller.user_id, item.message_id)
            if source["kind"] != "message" or is_gone(source, now_ms()):
                raise ApiError("not_found", "items: there is nothing to forward in this message")
            drafts.append(
                Draft(
                    chat_id=data.chat_id,
                    sender_id=caller.user_id,
                    client_msg_id=item.client_msg_id,
                    content=source["content"].encode(),
                    forwarded=source.get("forwarded", 0) + 1,
                )
            )
        stored = [_value(outcome) for outcome in await sender.send(drafts)]
        new = any(not d.get("repeated") for d in stored)
        return _json({"items": [render.message(d, caller.user_id) for d in stored]}, 201 if new else 200)

    @get("/messages/{message_id:str}/receipts")
    async def read_receipts(message_id: str, caller: Caller) -> Response[answers.Receipts]:
        return _json({"items": await history.receipts(caller.user_id, _id(message_id))})

    async def _change(ask: Ask) -> bytes:
        result = (await changer.change([ask]))[0]
        if isinstance(result, ApiError):
            raise result
        return result

    async def _shown(message_id: str, caller: Caller) -> Response[Message]:
        document, _ = await history.readable(caller.user_id, message_id)
        starred_ = bool(await store.starred_among(caller.user_id, [message_id]))
        return _json(render.message(document, caller.user_id, starred=starred_))

    handlers: list[Any] = [
        read_history, send_message, starred, find, mark_read, forward, read_message, edit, remove, react, unreact, pin,
        unpin, star, unstar, read_receipts,
    ]  # fmt: skip
    return [Router("/api/v1", route_handlers=handlers)]


def _id(text: str) -> str:
    """An id in a path; what is none cannot exist."""
    if not is_id(text):
        raise ApiError("not_found")
    return text


def _sees(seat: Any, document: Document) -> bool:
    return seat is not None and bool(seat.sees(document["seq"]))


def _value(outcome: Document | ApiError) -> Document:
    if isinstance(outcome, ApiError):
        raise outcome
    return outcome


def _json(body: Any, status: int = 200) -> Response[Any]:
    """Encoded here and once: a Response that is given an object would walk it again."""
    return Response(render.encode(body), status_code=status, media_type="application/json")
