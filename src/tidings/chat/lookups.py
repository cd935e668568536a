"""What people who come back ask of message- and user-service, in one call for all who ask meanwhile.

A thousand may come back in the same seconds: a call costs the same for one of them or fifty, nearly. Joined calls have
no one caller's deadline but `ANSWER_S`; who waits for them has their own.
"""

from collections.abc import Collection
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from tidings.platform.joined import Joined
from tidings.platform.rpc import Peers
from tidings.rpc.v1 import message_pb2, user_pb2

if TYPE_CHECKING:
    from tidings.rpc.v1.message_pb2_grpc import MessageServiceAsyncStub
    from tidings.rpc.v1.user_pb2_grpc import UserServiceAsyncStub

ANSWER_S: Final = 4.0  # twice, behind one that hangs, is less than a request has
# Who asks for more entries, or of more chats, asks alone: others would wait for it. All of a call fit into one answer
# of 32 MB, however long they are.
JOINED_ENTRIES: Final = 50
JOINED_RANGES: Final = 5
READERS_A_CALL: Final = 12  # of entries
ASKS_A_CALL: Final = 200
CALLS: Final = 2  # under way at once, of each kind: one that takes long does not hold up everyone


class Reader(NamedTuple):
    """Who reads a chat, and the part of its log they see: `left` 0 is up to its end."""

    user_id: str
    chat_id: str
    joined: int
    left: int


class States(NamedTuple):
    """Chats whose state one person asks for, with whether it changed since a moment (Unix ms)."""

    user_id: str
    chat_ids: tuple[str, ...]
    since_ms: int


class Entries(NamedTuple):
    """What one person has not got: the entries above a number each, `limit` in all."""

    user_id: str
    ranges: tuple[tuple[Reader, int], ...]
    limit: int


class Seen(NamedTuple):
    """People whom one viewer wants to see."""

    viewer_id: str
    user_ids: tuple[str, ...]
    base_url: str


Counted = tuple[message_pb2.UnreadCount, message_pb2.LastMessage | None]


class Lookups:
    """Calls; each is joined with those to the same instance. All raise ApiError `unavailable`."""

    def __init__(self, messages: "Peers[MessageServiceAsyncStub]", users: "Peers[UserServiceAsyncStub]") -> None:
        self._messages, self._users = messages, users
        homes = range(len(messages))
        self._states = [Joined(partial(self._load_states, home), ASKS_A_CALL, CALLS) for home in homes]
        self._entries = [Joined(partial(self._load_entries, home), READERS_A_CALL, CALLS) for home in homes]
        self._counts = [Joined(partial(self._load_counts, home, with_lasts=False), at_once=CALLS) for home in homes]
        self._both = [Joined(partial(self._load_counts, home, with_lasts=True), at_once=CALLS) for home in homes]
        self._people = Joined(self._load_people, ASKS_A_CALL, CALLS)

    async def states(self, home: int, ask: States) -> tuple[message_pb2.ChatStates, str]:
        """Where logs end, and their epoch."""
        return (await self._states[home].get([ask]))[ask]

    async def _load_states(
        self, home: int, asks: Collection[States]
    ) -> dict[States, tuple[message_pb2.ChatStates, str]]:
        request = message_pb2.GetChatStatesRequest(
            asks=[message_pb2.StatesAsk(user_id=a.user_id, chat_ids=a.chat_ids, since_ms=a.since_ms) for a in asks]
        )
        answer = await self._messages.call(self._messages.at(home).GetChatStates, request, timeout_s=ANSWER_S)
        return {ask: (states, answer.log_epoch) for ask, states in zip(asks, answer.answers, strict=True)}

    async def entries(self, home: int, ask: Entries, missing: int) -> message_pb2.EntryPages:
        """Pages of the log; `missing`: how many entries there are in all ranges."""
        if missing <= JOINED_ENTRIES and len(ask.ranges) <= JOINED_RANGES:
            return (await self._entries[home].get([ask]))[ask]
        return (await self._load_entries(home, [ask]))[ask]

    async def _load_entries(self, home: int, asks: Collection[Entries]) -> dict[Entries, message_pb2.EntryPages]:
        request = message_pb2.GetEntriesRequest(
            asks=[
                message_pb2.EntriesAsk(
                    user_id=ask.user_id,
                    ranges=[message_pb2.EntryRange(window=span(reader), after=after) for reader, after in ask.ranges],
                    limit=ask.limit,
                )
                for ask in asks
            ]
        )
        answer = await self._messages.call(self._messages.at(home).GetEntries, request, timeout_s=ANSWER_S)
        return dict(zip(asks, answer.answers, strict=True))

    async def counts(self, home: int, readers: Collection[Reader], *, with_lasts: bool) -> dict[Reader, Counted]:
        """Unread and watermarks; also the last message `with_lasts`."""
        return await (self._both if with_lasts else self._counts)[home].get(readers)

    async def _load_counts(self, home: int, readers: Collection[Reader], *, with_lasts: bool) -> dict[Reader, Counted]:
        windows = [span(reader) for reader in readers]
        request = message_pb2.GetUnreadCountsRequest(windows=windows, with_lasts=with_lasts)
        answer = await self._messages.call(self._messages.at(home).GetUnreadCounts, request, timeout_s=ANSWER_S)
        lasts = answer.lasts if with_lasts else [None] * len(windows)
        return dict(zip(readers, zip(answer.chats, lasts, strict=True), strict=True))

    async def people(self, ask: Seen) -> dict[str, bytes]:
        """Users as JSON."""
        return (await self._people.get([ask]))[ask]

    async def _load_people(self, asks: Collection[Seen]) -> dict[Seen, dict[str, bytes]]:
        request = user_pb2.GetUsersRequest(
            asks=[user_pb2.UsersAsk(viewer_id=a.viewer_id, user_ids=a.user_ids, base_url=a.base_url) for a in asks]
        )
        answer = await self._users.call(self._users.stub().GetUsers, request, timeout_s=ANSWER_S)
        return {
            ask: {u.user_id: u.user_json for u in users.users} for ask, users in zip(asks, answer.answers, strict=True)
        }


def span(reader: Reader) -> message_pb2.Window:
    """The same as message-service takes it."""
    return message_pb2.Window(
        chat_id=reader.chat_id, joined_seq=reader.joined, left_seq=reader.left, user_id=reader.user_id
    )
