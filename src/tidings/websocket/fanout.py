"""Events of the chat log to sockets: each frame encoded once, sent to those whose window covers it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from tidings.contracts import frames
from tidings.contracts.events import ChatEvent, LogBatch, LogEvent, StatusBatch
from tidings.contracts.objects import Vote
from tidings.platform.presence import Presence
from tidings.platform.redis import UNREACHABLE
from tidings.platform.rpc import Peers
from tidings.rpc.v1 import chat_pb2 as pb
from tidings.websocket.bundles import Bundles, Item
from tidings.websocket.hub import Hub
from tidings.websocket.participants import Participants

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tidings.rpc.v1.chat_pb2_grpc import ChatServiceAsyncStub

_LOG: msgspec.json.Decoder[LogBatch] = msgspec.json.Decoder(LogBatch)
_STATUS: msgspec.json.Decoder[StatusBatch] = msgspec.json.Decoder(StatusBatch)
_CHAT: msgspec.json.Decoder[ChatEvent] = msgspec.json.Decoder(ChatEvent)
VIEWS_A_CALL = 100


class Fanout:
    """Handlers of the durable consumers. Keeps nothing."""

    def __init__(
        self,
        participants: Participants,
        bundles: Bundles,
        hub: Hub,
        presence: Presence,
        chats: "Peers[ChatServiceAsyncStub]",
        tell_membership: "Callable[[str], Awaitable[None]]",
    ) -> None:
        self._participants, self._bundles, self._hub = participants, bundles, hub
        self._presence, self._chats, self._tell_membership = presence, chats, tell_membership

    async def on_log(self, body: bytes) -> None:
        """A batch of entries of one partition, in log order."""
        events = _LOG.decode(body).events
        for event in events:
            if event.membership:
                self._participants.drop(event.chat_id)
                # The next batch may go to another instance: it must not use what it knew before this one.
                await self._tell_membership(event.chat_id)
        members_at: dict[str, int] = {}
        for event in events:
            if event.only is None:
                members_at[event.chat_id] = max(event.members_at, members_at.get(event.chat_id, 0))
        chats = await self._participants.of(list(members_at), members_at)
        items: list[Item] = []
        for event in events:
            if event.only is not None:
                items.append(Item(event.only, bytes(event.frame), event.origin))
            elif (chat := chats.get(event.chat_id)) is not None:
                readers = chat.readers(event.seq)
                if event.ballots:
                    items += _ballots(event, readers)
                else:
                    items.append(Item(readers, bytes(event.frame), event.origin))
        await self._bundles.deliver(items)

    async def on_status(self, body: bytes) -> None:
        """A batch of watermarks that moved."""
        items = []
        for event in _STATUS.decode(body).events:
            moved = frames.StatusUpdated(
                chat_id=event.chat_id, user_id=event.user_id, status=event.status, seq=event.seq, at=event.at
            )
            items.append(Item(event.to, frames.encode_frame(moved)))
        await self._bundles.deliver(items)

    async def on_chat_created(self, body: bytes) -> None:
        """`chat.created`: each gets the chat as they see it."""
        await self._show(_CHAT.decode(body), frames.ChatCreated)

    async def on_chat_updated(self, body: bytes) -> None:
        """`chat.updated`: the same."""
        event = _CHAT.decode(body)
        self._participants.drop(event.chat_id)
        await self._show(event, frames.ChatUpdated)

    async def on_member_added(self, body: bytes) -> None:
        """`group.member.added`."""
        await self._members(_CHAT.decode(body), frames.MembersAdded)

    async def on_member_removed(self, body: bytes) -> None:
        """`group.member.removed`."""
        await self._members(_CHAT.decode(body), frames.MembersRemoved)

    async def _members(self, event: ChatEvent, kind: type[frames.MembersAdded] | type[frames.MembersRemoved]) -> None:
        self._participants.drop(event.chat_id)
        frame = kind(chat_id=event.chat_id, user_ids=event.user_ids, actor_id=event.actor_id, seq=event.seq)
        await self._bundles.deliver([Item(event.audience, frames.encode_frame(frame))])

    async def _show(self, event: ChatEvent, kind: type[frames.ChatCreated] | type[frames.ChatUpdated]) -> None:
        online = await self._connected(event.audience)
        for start in range(0, len(online), VIEWS_A_CALL):
            request = pb.GetChatViewsRequest(chat_id=event.chat_id, user_ids=online[start : start + VIEWS_A_CALL])
            answer = await self._chats.call(self._chats.stub().GetChatViews, request)
            await self._bundles.deliver(
                [Item([v.user_id], frames.encode_frame(kind(chat=msgspec.Raw(v.chat_json)))) for v in answer.views]
            )

    async def _connected(self, user_ids: Sequence[str]) -> list[str]:
        if not self._bundles.others:
            return self._hub.here(user_ids)
        try:
            flags = await self._presence.online(user_ids, lingering=False)
        except UNREACHABLE:
            return list(user_ids)
        return [user_id for user_id, online in zip(user_ids, flags, strict=True) if online]


def _ballots(event: LogEvent, readers: list[str]) -> list[Item]:
    """A vote is shown to each who voted with their own marks, and to the others as it is."""
    ballots = event.ballots or {}
    plain = [reader for reader in readers if not ballots.get(reader)]
    items = [Item(plain, bytes(event.frame), event.origin)]
    voted: frames.Voted = msgspec.json.decode(bytes(event.frame), type=frames.Voted)
    votes = msgspec.json.decode(voted.votes, type=list[Vote])
    for reader in readers:
        if chosen := ballots.get(reader):
            own = [Vote(option_id=v.option_id, count=v.count, mine=v.option_id in chosen) for v in votes]
            voted.votes = msgspec.Raw(msgspec.json.encode(own))
            items.append(Item([reader], frames.encode_frame(voted), event.origin))
    return items
