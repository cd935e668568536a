"""gRPC of message-service: decode, call one action, encode."""

import asyncio
from collections.abc import Sequence
from typing import Any

from tidings.contracts.errors import ApiError
from tidings.message import render
from tidings.message.changes import Ask, Changer
from tidings.message.chats import Chats
from tidings.message.history import Count, History
from tidings.message.lanes import Lanes
from tidings.message.log import Document, Entry, Seat
from tidings.message.lookups import Lookups
from tidings.message.receipts import Mark, Receipts
from tidings.message.send import Draft, Sender
from tidings.message.store import Store
from tidings.rpc.v1 import message_pb2 as pb
from tidings.rpc.v1.message_pb2_grpc import MessageServiceServicer

HIDDEN_AT_ONCE = 10_000


def refusal(error: ApiError) -> pb.Refusal:
    """A refusal of one item of a batch."""
    return pb.Refusal(code=error.code, detail=error.detail, retry_after_ms=error.retry_after_ms or 0)


class MessageRpc(MessageServiceServicer):
    """The service of proto/message.proto."""

    def __init__(
        self,
        *,
        store: Store,
        lookups: Lookups,
        chats: Chats,
        lanes: Lanes,
        sender: Sender,
        changer: Changer,
        receipts: Receipts,
        history: History,
        epoch: str,
    ) -> None:
        self._store, self._lookups, self._chats, self._lanes, self._sender = store, lookups, chats, lanes, sender
        self._changer, self._receipts, self._history, self._epoch = changer, receipts, history, epoch

    async def SendMessages(self, request: pb.SendMessagesRequest, context: Any) -> pb.SendMessagesResponse:
        drafts = [
            Draft(
                chat_id=m.chat_id,
                sender_id=m.sender_id,
                client_msg_id=m.client_msg_id,
                content=m.content_json,
                reply_to=m.reply_to or None,
                mentions=list(m.mentions),
                expires_in_s=m.expires_in_s,
                origin=m.origin or None,
            )
            for m in request.messages
        ]
        return pb.SendMessagesResponse(results=[_sent(outcome) for outcome in await self._sender.send(drafts)])

    async def ChangeMessages(self, request: pb.ChangeMessagesRequest, context: Any) -> pb.ChangeMessagesResponse:
        results = await self._changer.change([_ask(change) for change in request.changes])
        return pb.ChangeMessagesResponse(
            results=[
                pb.ChangeResult(refusal=refusal(r)) if isinstance(r, ApiError) else pb.ChangeResult(frame_json=r)
                for r in results
            ]
        )

    async def UpdateMessageStatus(
        self, request: pb.UpdateMessageStatusRequest, context: Any
    ) -> pb.UpdateMessageStatusResponse:
        marks = [
            Mark(m.chat_id, m.user_id, "read" if m.status == "read" else "delivered", m.seq) for m in request.marks
        ]
        results = await self._receipts.mark(marks)
        return pb.UpdateMessageStatusResponse(refusals=[refusal(r) if r is not None else pb.Refusal() for r in results])

    async def GetLastMessages(self, request: pb.GetLastMessagesRequest, context: Any) -> pb.GetLastMessagesResponse:
        newest = await self._lookups.newest({w.chat_id for w in request.windows})
        return pb.GetLastMessagesResponse(chats=await self._lasts(request.user_id, request.windows, newest))

    async def _lasts(
        self, user_id: str, windows: Sequence[pb.Window], newest: dict[str, Document]
    ) -> list[pb.LastMessage]:
        asked = [(w.user_id or user_id, w.chat_id, _seat(w)) for w in windows]
        out = []
        for (reader, chat_id, _), (last_seq, document) in zip(
            asked, await self._history.lasts(asked, newest), strict=True
        ):
            shown = b"" if document is None else render.encode(render.message(document, reader))
            at = 0 if document is None else document["at"]
            out.append(pb.LastMessage(chat_id=chat_id, message_json=shown, last_seq=last_seq, last_at_ms=at))
        return out

    async def GetUnreadCounts(self, request: pb.GetUnreadCountsRequest, context: Any) -> pb.GetUnreadCountsResponse:
        newest = await self._lookups.newest({w.chat_id for w in request.windows})
        if not request.with_lasts:
            return pb.GetUnreadCountsResponse(chats=await self._counts(request, newest))
        counts, lasts = await asyncio.gather(
            self._counts(request, newest), self._lasts(request.user_id, request.windows, newest)
        )
        return pb.GetUnreadCountsResponse(chats=counts, lasts=lasts)

    async def _counts(self, request: pb.GetUnreadCountsRequest, newest: dict[str, Document]) -> list[pb.UnreadCount]:
        heads = {chat_id: entry["seq"] for chat_id, entry in newest.items()}
        asked = [(w.user_id or request.user_id, w.chat_id, _seat(w)) for w in request.windows]
        found = await self._history.counts(asked, heads)
        return [_count(w.chat_id, count) for w, count in zip(request.windows, found, strict=True)]

    async def AppendNotice(self, request: pb.AppendNoticeRequest, context: Any) -> pb.AppendNoticeResponse:
        for notice in request.notices:
            self._chats.drop(notice.chat_id)  # chat-service has committed: what is cached here is from before
        waits = [self._lanes.append(_notice(n)) for n in request.notices]
        out = []
        for wait in waits:
            try:
                d: Document = await wait
                out.append(pb.AppendedNotice(seq=d["seq"], message_id=d["_id"], at_ms=d["at"]))
            except ApiError as error:
                out.append(pb.AppendedNotice(refusal=refusal(error)))
        return pb.AppendNoticeResponse(notices=out)

    async def GetHeads(self, request: pb.GetHeadsRequest, context: Any) -> pb.GetHeadsResponse:
        heads = await self._store.heads(list(request.chat_ids))
        return pb.GetHeadsResponse(
            heads=[pb.Head(chat_id=c, seq=heads.get(c, 0)) for c in request.chat_ids], log_epoch=self._epoch
        )

    async def GetChatStates(self, request: pb.GetChatStatesRequest, context: Any) -> pb.GetChatStatesResponse:
        answers = await asyncio.gather(*(self._states(ask) for ask in request.asks))
        return pb.GetChatStatesResponse(answers=answers, log_epoch=self._epoch)

    async def _states(self, ask: pb.StatesAsk) -> pb.ChatStates:
        ids, since_ms = list(ask.chat_ids), ask.since_ms
        newest, moved, hidden = await asyncio.gather(
            self._lookups.newest(ids),
            self._lookups.changed_since(ids, since_ms) if since_ms else _nothing(),
            self._lookups.hidden_in(ask.user_id, since_ms) if ask.user_id else _nothing(),
        )
        states = []
        for chat_id in ids:
            entry = newest.get(chat_id, {"seq": 0, "at": 0})
            changed = entry["at"] >= since_ms or chat_id in moved or chat_id in hidden
            states.append(pb.ChatState(chat_id=chat_id, seq=entry["seq"], changed=changed))
        return pb.ChatStates(states=states, has_hidden=bool(hidden))

    async def GetEntries(self, request: pb.GetEntriesRequest, context: Any) -> pb.GetEntriesResponse:
        newest = await self._lookups.newest({r.window.chat_id for ask in request.asks for r in ask.ranges})
        heads = {chat_id: entry["seq"] for chat_id, entry in newest.items()}
        return pb.GetEntriesResponse(answers=await asyncio.gather(*(self._pages(ask, heads) for ask in request.asks)))

    async def _pages(self, ask: pb.EntriesAsk, heads: dict[str, int]) -> pb.EntryPages:
        left = ask.limit or 500
        pages = []
        for wanted in ask.ranges:
            chat_id = wanted.window.chat_id
            if left <= 0:
                pages.append(pb.EntryPage(chat_id=chat_id, has_more=True, to_seq=wanted.after))
                continue
            head, seat = heads.get(chat_id, 0), _seat(wanted.window)
            page = await self._history.after(ask.user_id, chat_id, seat, head, wanted.after, left)
            left -= len(page.items)
            pages.append(
                pb.EntryPage(chat_id=chat_id, page_json=render.encode(page), has_more=page.has_more, to_seq=page.to_seq)
            )
        return pb.EntryPages(pages=pages)

    async def GetHidden(self, request: pb.GetHiddenRequest, context: Any) -> pb.GetHiddenResponse:
        after, limit = _place(request.after), request.limit or HIDDEN_AT_ONCE
        found = await self._store.hidden_since(request.user_id, request.since_ms, after, limit)
        return pb.GetHiddenResponse(
            message_ids=[message_id for _, message_id, _ in found],
            chat_ids=sorted({chat_id for _, _, chat_id in found}),
            next=f"{found[-1][0]}:{found[-1][1]}" if len(found) == limit else "",
        )


def _place(after: str) -> tuple[int, str]:
    at, _, message_id = after.partition(":")
    return (int(at), message_id) if at else (0, "")


def _count(chat_id: str, count: Count) -> pb.UnreadCount:
    return pb.UnreadCount(
        chat_id=chat_id,
        unread_count=count.unread,
        mention_count=count.mentioned,
        read_seq=count.read_seq,
        delivered_seq=count.delivered_seq,
        others_read_seq=count.others_read_seq,
        others_delivered_seq=count.others_delivered_seq,
    )


async def _nothing() -> set[str]:
    return set()


def _sent(outcome: Document | ApiError) -> pb.SendResult:
    if isinstance(outcome, ApiError):
        return pb.SendResult(refusal=refusal(outcome))
    return pb.SendResult(
        message_id=outcome["_id"],
        seq=outcome["seq"],
        created_at_ms=outcome["at"],
        repeated_send=bool(outcome.get("repeated")),
    )


def _ask(change: pb.MessageChange) -> Ask:
    ask = Ask(user_id=change.user_id, message_id=change.message_id, origin=change.origin or None)
    match change.WhichOneof("change"):
        case "edit_content_json":
            ask.content = change.edit_content_json
        case "delete_for":
            ask.delete_for = change.delete_for
        case "reaction":
            ask.reaction = change.reaction
        case "ballot":
            ask.options = list(change.ballot.option_ids)
        case "pinned":
            ask.pinned = change.pinned
        case _:
            raise ApiError("invalid_request", "no change was named")
    return ask


def _notice(notice: pb.NoticeEntry) -> Entry:
    document: Document = {
        "chatId": notice.chat_id,
        "kind": "notice",
        "senderId": notice.actor_id,
        "clientMsgId": f"notice-{notice.change_id}",
        "content": notice.notice_json.decode(),
    }
    if notice.membership:
        document["membership"] = True
    return Entry(document=document, size=len(notice.notice_json) + 300, check=None, membership=notice.membership)


def _seat(window: pb.Window) -> Seat:
    return Seat(role="", joined_seq=window.joined_seq, left_seq=window.left_seq)
