"""Who takes part in a chat, cached: dropped by every event that changes it, and old after 30 s in any case."""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from tidings.platform.rpc import Peers
from tidings.rpc.v1 import chat_pb2 as pb

if TYPE_CHECKING:
    from tidings.rpc.v1.chat_pb2_grpc import ChatServiceAsyncStub


class Chat(msgspec.Struct):
    """A chat as fan-out needs it: person to (first number seen, last number seen or 0)."""

    windows: dict[str, tuple[int, int]]
    blocked: bool
    at: float
    members_at: int = 0  # it is no older than the change of membership that has this number

    def readers(self, seq: int) -> list[str]:
        """Who may see the entry `seq`."""
        return [u for u, (joined, left) in self.windows.items() if joined <= seq and (not left or seq <= left)]

    def members(self) -> list[str]:
        """Who is in it now."""
        return [u for u, (_, left) in self.windows.items() if not left]


class Participants:
    """Owner of the cache."""

    def __init__(self, chats: "Peers[ChatServiceAsyncStub]", age_s: float, kept: int) -> None:
        self._chats, self._age_s, self._kept = chats, age_s, kept
        self._known: OrderedDict[str, Chat] = OrderedDict()
        self._drops = 0  # what is asked for while something is dropped is used, but not kept

    def drop(self, chat_id: str) -> None:
        """Something about who reads this chat has changed."""
        self._drops += 1
        self._known.pop(chat_id, None)

    def forget_pair(self, one: str, other: str) -> None:
        """One of these two has blocked the other: their direct chat is looked at again."""
        pair = {one, other}
        for chat_id in [chat_id for chat_id, chat in self._known.items() if chat.windows.keys() == pair]:
            self.drop(chat_id)

    async def of(self, chat_ids: Sequence[str], members_at: Mapping[str, int] | None = None) -> dict[str, Chat]:
        """The chats that exist, each no older than the change named for it. Raises ApiError `unavailable`."""
        wanted = members_at or {}
        now = asyncio.get_running_loop().time()
        found: dict[str, Chat] = {}
        missing: list[str] = []
        for chat_id in dict.fromkeys(chat_ids):
            chat = self._known.get(chat_id)
            if chat is not None and now - chat.at < self._age_s and chat.members_at >= wanted.get(chat_id, 0):
                found[chat_id] = chat
            else:
                missing.append(chat_id)
        if not missing:
            return found
        drops = self._drops
        request = pb.GetChatParticipantsRequest(chat_ids=missing)
        answer = await self._chats.call(self._chats.stub().GetChatParticipants, request)
        for each in answer.chats:
            if not each.type:
                continue
            windows = {p.user_id: (p.joined_seq, p.left_seq) for p in each.participants}
            changed = max((max(window) for window in windows.values()), default=0)
            found[each.chat_id] = Chat(windows, each.blocked, now, max(changed, wanted.get(each.chat_id, 0)))
            if drops == self._drops and not each.unsettled:
                self._known[each.chat_id] = found[each.chat_id]
                self._known.move_to_end(each.chat_id)
        while len(self._known) > self._kept:
            self._known.popitem(last=False)
        return found
