"""Who takes part in a chat, cached: dropped by every event that changes it, and old after 15 to 30 s in any case.

Fan-out asks for what it needs at once. Typing asks one by one and can wait: that becomes few calls, as a thousand
chats are old in the same second if a thousand people came in the same second.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from tidings.platform.joined import Joined
from tidings.platform.retry import lifetime_s
from tidings.platform.rpc import Peers
from tidings.rpc.v1 import chat_pb2 as pb

if TYPE_CHECKING:
    from tidings.rpc.v1.chat_pb2_grpc import ChatServiceAsyncStub


class Chat(msgspec.Struct):
    """A chat as fan-out needs it: person to (first number seen, last number seen or 0)."""

    windows: dict[str, tuple[int, int]]
    blocked: bool
    until: float  # cached
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
        self._asked = Joined(self._load)

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
        found: dict[str, Chat] = {}
        missing: list[str] = []
        for chat_id in dict.fromkeys(chat_ids):
            chat = self._young(chat_id)
            if chat is not None and chat.members_at >= wanted.get(chat_id, 0):
                found[chat_id] = chat
            else:
                missing.append(chat_id)
        if missing:
            for chat_id, chat in (await self._load(missing)).items():
                chat.members_at = max(chat.members_at, wanted.get(chat_id, 0))  # it was asked after that was heard of
                found[chat_id] = chat
        return found

    async def one(self, chat_id: str) -> Chat | None:
        """A chat for who can wait, asked for together with those of others. Raises ApiError `unavailable`."""
        return self._young(chat_id) or (await self._asked.get([chat_id])).get(chat_id)

    def _young(self, chat_id: str) -> Chat | None:
        chat = self._known.get(chat_id)
        return chat if chat is not None and asyncio.get_running_loop().time() < chat.until else None

    async def _load(self, chat_ids: Collection[str]) -> dict[str, Chat]:
        drops, now = self._drops, asyncio.get_running_loop().time()
        request = pb.GetChatParticipantsRequest(chat_ids=chat_ids)
        answer = await self._chats.call(self._chats.stub().GetChatParticipants, request)
        loaded: dict[str, Chat] = {}
        for each in answer.chats:
            if not each.type:
                continue
            windows = {p.user_id: (p.joined_seq, p.left_seq) for p in each.participants}
            changed = max((max(window) for window in windows.values()), default=0)
            loaded[each.chat_id] = Chat(windows, each.blocked, now + lifetime_s(self._age_s), changed)
            if drops == self._drops and not each.unsettled:
                self._known[each.chat_id] = loaded[each.chat_id]
                self._known.move_to_end(each.chat_id)
        while len(self._known) > self._kept:
            self._known.popitem(last=False)
        return loaded
