"""What other services know of chats and people, asked in as few calls as it takes."""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

import msgspec

from tidings.notification.decide import Chat, Member, Unread
from tidings.notification.provider import Target
from tidings.platform.rpc import Peers
from tidings.rpc.v1 import chat_pb2, message_pb2, user_pb2

if TYPE_CHECKING:
    from tidings.rpc.v1.chat_pb2_grpc import ChatServiceAsyncStub
    from tidings.rpc.v1.message_pb2_grpc import MessageServiceAsyncStub
    from tidings.rpc.v1.user_pb2_grpc import UserServiceAsyncStub

_AT_ONCE: Final = 200  # ids in a call


class _Name(msgspec.Struct):
    name: str


class Participants:
    """Chats and who is in them, cached until a membership event or `age_s`. Owner: the service's event loop."""

    def __init__(self, chats: "Peers[ChatServiceAsyncStub]", age_s: float, kept: int) -> None:
        self._chats = chats
        self._age_s = age_s
        self._kept = kept
        self._cached: OrderedDict[str, tuple[float, int, Chat]] = OrderedDict()  # read when, after which change, what
        self._drops = 0

    def drop(self, chat_id: str) -> None:
        """Who is in the chat changed."""
        self._drops += 1
        self._cached.pop(chat_id, None)

    async def of(self, members_at: Mapping[str, int]) -> dict[str, Chat]:
        """Of these chats those that exist, each no older than the change of membership named for it."""
        now = asyncio.get_running_loop().time()
        found: dict[str, Chat] = {}
        missing = []
        for chat_id, wanted in members_at.items():
            at, changed, chat = self._cached.get(chat_id, (0.0, 0, None))
            if chat is not None and now - at < self._age_s and changed >= wanted:
                found[chat_id] = chat
            else:
                missing.append(chat_id)
        drops = self._drops
        for start in range(0, len(missing), _AT_ONCE):
            answer = await self._chats.call(
                self._chats.stub().GetChatParticipants,
                chat_pb2.GetChatParticipantsRequest(chat_ids=missing[start : start + _AT_ONCE]),
            )
            found |= {chat.chat_id: _chat(chat) for chat in answer.chats if chat.type}
        if drops == self._drops:  # else an answer may be older than the change that was told meanwhile
            self._keep({chat_id: found[chat_id] for chat_id in missing if chat_id in found}, members_at, now)
        return found

    def _keep(self, chats: dict[str, Chat], members_at: Mapping[str, int], now: float) -> None:
        for chat_id, chat in chats.items():
            changed = max((max(member.joined_seq, member.left_seq) for member in chat.members), default=0)
            self._cached[chat_id] = (now, max(changed, members_at[chat_id]), chat)
            self._cached.move_to_end(chat_id)
        while len(self._cached) > self._kept:
            self._cached.popitem(last=False)


class People:
    """Push targets, names and unread counts. Nothing is cached: it is looked at just before sending."""

    def __init__(
        self,
        users: "Peers[UserServiceAsyncStub]",
        chats: "Peers[ChatServiceAsyncStub]",
        messages: "Peers[MessageServiceAsyncStub]",
    ) -> None:
        self._users = users
        self._chats = chats
        self._messages = messages

    async def targets(self, user_ids: Sequence[str]) -> dict[str, list[Target]]:
        """Push targets by person; who has none is not there."""
        found: dict[str, list[Target]] = {}
        for start in range(0, len(user_ids), _AT_ONCE):
            answer = await self._users.call(
                self._users.stub().GetPushTargets,
                user_pb2.GetPushTargetsRequest(user_ids=user_ids[start : start + _AT_ONCE]),
            )
            for target in answer.targets:
                made = Target(target.id, target.user_id, target.session_id, target.kind, target.address)
                found.setdefault(target.user_id, []).append(made)
        return found

    async def target(self, user_id: str, target_id: str) -> Target | None:
        """One push target, if it is still there."""
        found = (await self.targets([user_id])).get(user_id, [])
        return next((target for target in found if target.id == target_id), None)

    async def unread(self, user_id: str) -> dict[str, Unread]:
        """Where a person stands in each of their chats."""
        mine = await self._chats.call(self._chats.stub().GetUserChats, chat_pb2.GetUserChatsRequest(user_id=user_id))
        if not mine.chats:
            return {}
        windows = [
            message_pb2.Window(chat_id=chat.chat_id, joined_seq=chat.joined_seq, left_seq=chat.left_seq)
            for chat in mine.chats
        ]
        answer = await self._messages.call(
            self._messages.stub(user_id).GetUnreadCounts,
            message_pb2.GetUnreadCountsRequest(user_id=user_id, windows=windows),
        )
        return {chat.chat_id: Unread(chat.unread_count, chat.read_seq, chat.delivered_seq) for chat in answer.chats}

    async def names(self, viewer_id: str, user_ids: Sequence[str]) -> dict[str, str]:
        """What these people are called, as `viewer_id` may see it."""
        ask = user_pb2.UsersAsk(viewer_id=viewer_id, user_ids=user_ids)
        answer = await self._users.call(self._users.stub().GetUsers, user_pb2.GetUsersRequest(asks=[ask]))
        return {u.user_id: msgspec.json.decode(u.user_json, type=_Name).name for u in answer.answers[0].users}

    async def drop_target(self, target_id: str) -> None:
        """The provider says it is gone."""
        await self._users.call(self._users.stub().DropPushTarget, user_pb2.DropPushTargetRequest(id=target_id))


def _chat(chat: chat_pb2.ChatParticipants) -> Chat:
    members = tuple(
        Member(person.user_id, person.joined_seq, person.left_seq, person.muted) for person in chat.participants
    )
    return Chat(chat.chat_id, chat.type, chat.name, members)
