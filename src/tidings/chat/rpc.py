"""gRPC of chat-service: decode, call one action, encode."""

from typing import Any

import msgspec

from tidings.chat.blocks import Blocks
from tidings.chat.changes import Changes
from tidings.chat.outbox import Outbox, settled
from tidings.chat.rules import allows, is_admin, is_settled, window
from tidings.chat.store import Store, seat
from tidings.chat.views import Views
from tidings.contracts.errors import ApiError
from tidings.contracts.times import now_ms
from tidings.rpc.v1 import chat_pb2 as pb
from tidings.rpc.v1.chat_pb2_grpc import ChatServiceServicer


class ChatRpc(ChatServiceServicer):
    """The service of proto/chat.proto."""

    def __init__(self, store: Store, outbox: Outbox, views: Views, changes: Changes, blocks: Blocks) -> None:
        self._store, self._outbox, self._views, self._changes = store, outbox, views, changes
        self._blocks = blocks

    async def CheckChatPermission(
        self, request: pb.CheckChatPermissionRequest, context: Any
    ) -> pb.CheckChatPermissionResponse:
        chats = {c.chat_id: c for c in await self._participants([q.chat_id for q in request.queries])}
        return pb.CheckChatPermissionResponse(results=[_permission(chats.get(q.chat_id), q) for q in request.queries])

    async def GetChatParticipants(
        self, request: pb.GetChatParticipantsRequest, context: Any
    ) -> pb.GetChatParticipantsResponse:
        found = await self._participants(list(request.chat_ids), as_it_is=request.as_it_is)
        return pb.GetChatParticipantsResponse(chats=found)

    async def GetUserChats(self, request: pb.GetUserChatsRequest, context: Any) -> pb.GetUserChatsResponse:
        chats, now = [], now_ms()
        for row in await settled(self._store, self._outbox, request.user_id):
            if seen := window(seat(row)):
                chats.append(  # noqa: PERF401  the window is asked once
                    pb.UserChat(
                        chat_id=row["id"], type=row["type"], joined_seq=seen[0], left_seq=seen[1],
                        muted=(row["muted_until_ms"] or 0) > now, archived=row["archived"],
                    )
                )  # fmt: skip
        return pb.GetUserChatsResponse(chats=chats)

    async def GetChatViews(self, request: pb.GetChatViewsRequest, context: Any) -> pb.GetChatViewsResponse:
        rows = await self._store.seen_in(request.chat_id, request.user_ids)
        rows = [row for row in rows if window(seat(row))]
        shown = await self._views.show(rows, "")
        return pb.GetChatViewsResponse(
            views=[
                pb.ChatView(user_id=row["user_id"], chat_json=msgspec.json.encode(chat))
                for row, chat in zip(rows, shown, strict=True)
            ]
        )

    async def SetPinnedMessage(self, request: pb.SetPinnedMessageRequest, context: Any) -> pb.SetPinnedMessageResponse:
        try:
            await self._changes.pin(request.chat_id, request.user_id, request.message_id, request.pinned)
        except ApiError as error:
            if error.code in ("unavailable", "internal"):
                raise
            return pb.SetPinnedMessageResponse(code=error.code)
        return pb.SetPinnedMessageResponse()

    async def _participants(self, chat_ids: list[str], *, as_it_is: bool = False) -> list[pb.ChatParticipants]:
        rows = await self._store.participants(chat_ids)
        open_ = {row["chat_id"] for row in rows if not is_settled(seat(row))}
        if open_ and not as_it_is:
            await self._outbox.settle(sorted(open_))
            rows = await self._store.participants(chat_ids)
            open_ = {row["chat_id"] for row in rows if not is_settled(seat(row))}
        chats = {row["id"]: row for row in await self._store.chats(chat_ids)}
        out = {
            chat_id: pb.ChatParticipants(
                chat_id=chat_id, type=c["type"], send=c["send"], edit_info=c["edit_info"],
                disappearing_seconds=c["disappearing_s"] or 0, name=c["name"] or "", pinned_message_ids=c["pinned_ids"],
                unsettled=chat_id in open_,
            )
            for chat_id, c in chats.items()
        }  # fmt: skip
        now = now_ms()
        for row in rows:
            if seen := window(seat(row)):
                out[row["chat_id"]].participants.add(
                    user_id=row["user_id"], role=row["role"], joined_seq=seen[0], left_seq=seen[1],
                    muted=(row["muted_until_ms"] or 0) > now,
                )  # fmt: skip
        blocked = await self._blocks.among({chat["pair_key"] for chat in chats.values() if chat["pair_key"]})
        for chat_id, chat in chats.items():
            out[chat_id].blocked = chat["pair_key"] in blocked
        return [out.get(chat_id) or pb.ChatParticipants(chat_id=chat_id) for chat_id in chat_ids]


def _permission(chat: pb.ChatParticipants | None, query: pb.PermissionQuery) -> pb.PermissionResult:
    me = next((p for p in chat.participants if p.user_id == query.user_id), None) if chat else None
    if chat is None or me is None:
        return pb.PermissionResult(code="not_found")
    if query.action == pb.CHAT_ACTION_READ:
        return pb.PermissionResult(allowed=True)
    if me.left_seq:
        return pb.PermissionResult(code="forbidden")
    if query.action == pb.CHAT_ACTION_SEND and chat.blocked:
        return pb.PermissionResult(code="blocked")
    right = {
        pb.CHAT_ACTION_SEND: allows(me.role, chat.send),
        pb.CHAT_ACTION_DELETE_ANY: chat.type == "group" and is_admin(me.role),
        pb.CHAT_ACTION_PIN: chat.type == "direct" or allows(me.role, chat.edit_info),
    }.get(query.action, False)
    return pb.PermissionResult(allowed=right, code="" if right else "forbidden")
