"""What this instance knows of chats: membership and head, cached together and dropped together."""

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING

from tidings.contracts.errors import ApiError
from tidings.contracts.events import BlocksChanged
from tidings.message.log import Chat, Seat
from tidings.message.store import Store
from tidings.platform.retry import lifetime_s
from tidings.platform.rpc import Peers
from tidings.rpc.v1 import chat_pb2

if TYPE_CHECKING:
    from tidings.rpc.v1.chat_pb2_grpc import ChatServiceAsyncStub


class Chats:
    """Owner of the cache. A lane advances `head`; everything else drops the whole chat."""

    def __init__(self, store: Store, peers: "Peers[ChatServiceAsyncStub]", max_age_s: float, size: int) -> None:
        self._store = store
        self._peers = peers
        self._max_age_s = max_age_s
        self._size = size
        self._cached: dict[str, Chat] = {}
        self._loading: dict[tuple[str, bool], asyncio.Task[dict[str, Chat]]] = {}

    def known(self, chat_id: str) -> Chat | None:
        """The cached chat, if it is young enough."""
        chat = self._cached.get(chat_id)
        if chat is None:
            return None
        if asyncio.get_running_loop().time() > chat.until:
            del self._cached[chat_id]
            return None
        return chat

    async def get(self, chat_id: str) -> Chat:
        """One chat. Raises ApiError `not_found` when there is none."""
        chat = (await self.get_many([chat_id])).get(chat_id)
        if chat is None:
            raise ApiError("not_found", "there is no such chat")
        return chat

    async def get_many(self, chat_ids: Iterable[str], *, as_it_is: bool = False) -> dict[str, Chat]:
        """Those that exist; what is not cached is loaded, once for all who ask meanwhile.

        A lane takes membership `as_it_is`: the change that has no number yet may be waiting in that very lane.
        Everyone else waits for its number, as who was just added may read at once.
        """
        found: dict[str, Chat] = {}
        missing: list[str] = []
        waits: set[asyncio.Task[dict[str, Chat]]] = set()
        for chat_id in set(chat_ids):
            chat = self.known(chat_id)
            if chat is not None and (as_it_is or not chat.unsettled):
                found[chat_id] = chat
            elif (chat_id, as_it_is) in self._loading:
                waits.add(self._loading[chat_id, as_it_is])
            else:
                missing.append(chat_id)
        if missing:
            task = asyncio.create_task(self._load(missing, as_it_is))
            for chat_id in missing:
                self._loading[chat_id, as_it_is] = task
            waits.add(task)
        for task in waits:
            found.update(await asyncio.shield(task))
        return found

    def drop(self, chat_id: str) -> None:
        """Forget a chat: its membership changed, or a number was taken by somebody else."""
        self._cached.pop(chat_id, None)
        self._loading.pop((chat_id, True), None)
        self._loading.pop((chat_id, False), None)

    async def on_blocks_changed(self, event: BlocksChanged) -> None:
        """Forget the direct chat of these two."""
        pair = {event.user_id, event.other_id}
        for chat in [c for c in self._cached.values() if c.type == "direct" and set(c.seats) == pair]:
            self.drop(chat.chat_id)

    async def _load(self, chat_ids: list[str], as_it_is: bool) -> dict[str, Chat]:
        me = asyncio.current_task()
        try:
            heads = await self._store.heads(chat_ids)  # before the membership: see log.Chat
            answer = await self._peers.call(
                self._peers.stub().GetChatParticipants,
                chat_pb2.GetChatParticipantsRequest(chat_ids=chat_ids, as_it_is=as_it_is),
                timeout_s=3,
            )
            now = asyncio.get_running_loop().time()
            loaded = {
                c.chat_id: _chat(c, heads.get(c.chat_id, 0), now + lifetime_s(self._max_age_s))
                for c in answer.chats
                if c.type
            }
            for chat_id in chat_ids:
                # Dropped meanwhile: what was read may be from before the change, so it serves nobody later.
                if self._loading.get((chat_id, as_it_is)) is me and chat_id in loaded:
                    self._remember(loaded[chat_id])
            return loaded
        finally:
            for chat_id in chat_ids:
                if self._loading.get((chat_id, as_it_is)) is me:
                    del self._loading[chat_id, as_it_is]

    def _remember(self, chat: Chat) -> None:
        if len(self._cached) >= self._size:
            for chat_id in list(self._cached)[: self._size // 10]:
                del self._cached[chat_id]
        self._cached[chat.chat_id] = chat


def _chat(answer: chat_pb2.ChatParticipants, head: int, until: float) -> Chat:
    return Chat(
        chat_id=answer.chat_id,
        type=answer.type,
        seats={
            p.user_id: Seat(role=p.role, joined_seq=p.joined_seq, left_seq=p.left_seq, muted=p.muted)
            for p in answer.participants
        },
        send=answer.send,
        edit_info=answer.edit_info,
        blocked=answer.blocked,
        disappearing_s=answer.disappearing_seconds,
        head=head,
        until=until,
        members_at=max((max(p.joined_seq, p.left_seq) for p in answer.participants), default=0),
        unsettled=answer.unsettled,
    )
