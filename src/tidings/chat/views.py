"""Chats as their participants see them, assembled in batches from four services."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Raw

from tidings.chat.lookups import Lookups, Reader, Seen, span
from tidings.chat.rules import window
from tidings.chat.store import seat
from tidings.contracts.errors import ApiError
from tidings.contracts.objects import Chat, ChatPermissions, ChatSettings, Media, User
from tidings.contracts.times import now_ms, rfc3339, rfc3339_or_none
from tidings.platform import logging
from tidings.platform.postgres import Row
from tidings.platform.rpc import Peers
from tidings.rpc.v1 import media_pb2, message_pb2

if TYPE_CHECKING:
    from tidings.rpc.v1.media_pb2_grpc import MediaServiceAsyncStub
    from tidings.rpc.v1.message_pb2_grpc import MessageServiceAsyncStub
    from tidings.rpc.v1.user_pb2_grpc import UserServiceAsyncStub

_log = logging.get(__name__)
Key = tuple[str, str]
"""A person and a chat."""


class Views:
    """Rows of `Store.seen_by` to Chats. Rows without a window yet are left out."""

    def __init__(
        self,
        messages: "Peers[MessageServiceAsyncStub]",
        users: "Peers[UserServiceAsyncStub]",
        media: "Peers[MediaServiceAsyncStub]",
    ) -> None:
        self.messages, self.users, self.media = messages, users, media
        self.lookups = Lookups(messages, users)

    def homes(self, rows: Sequence[Row]) -> dict[int, list[Row]]:
        """The rows, by the index of the message instance that is home to their chat."""
        homes: dict[int, list[Row]] = defaultdict(list)
        for row in rows:
            homes[self.messages.home(row["id"])].append(row)
        return homes

    async def lasts(self, rows: Sequence[Row]) -> dict[Key, Any]:
        """Last message, head and activity per person and chat."""

        async def ask(index: int, some: list[Row]) -> Any:
            request = message_pb2.GetLastMessagesRequest(windows=[span(reader(row)) for row in some])
            return (await self.messages.call(self.messages.at(index).GetLastMessages, request)).chats

        return await self._each(rows, ask)

    async def _counts(self, rows: Sequence[Row], lasts: dict[Key, Any] | None) -> tuple[dict[Key, Any], dict[Key, Any]]:
        """Unread and watermarks per person and chat, and what `lasts` gives where it was not asked before."""

        async def ask(index: int, some: list[Row]) -> Any:
            readers = [reader(row) for row in some]
            found = await self.lookups.counts(index, readers, with_lasts=lasts is None)
            return [found[each] for each in readers]

        found = await self._each(rows, ask)
        counts = {key: count for key, (count, _) in found.items()}
        return counts, {key: last for key, (_, last) in found.items()} if lasts is None else lasts

    async def _each(self, rows: Sequence[Row], ask: Callable[[int, list[Row]], Awaitable[Any]]) -> dict[Key, Any]:
        homes = self.homes(rows)
        answers = await asyncio.gather(*(ask(index, some) for index, some in homes.items()))
        return {
            (row["user_id"], row["id"]): found
            for some, answer in zip(homes.values(), answers, strict=True)
            for row, found in zip(some, answer, strict=True)
        }

    async def people(self, viewer_id: str, user_ids: Sequence[str], base_url: str) -> dict[str, bytes]:
        """Users as JSON."""
        if not user_ids:
            return {}
        return await self.lookups.people(Seen(viewer_id, tuple(dict.fromkeys(user_ids)), base_url))

    async def _pictures(self, media_ids: Sequence[str], base_url: str) -> dict[str, bytes]:
        if not media_ids:
            return {}
        request = media_pb2.GetMediaMetadataRequest(media_ids=list(dict.fromkeys(media_ids)), base_url=base_url)
        try:
            answer = await self.media.call(self.media.stub().GetMediaMetadata, request, timeout_s=1, wait=False)
        except ApiError as error:  # a chat without its picture is better than none
            _log.warning("pictures are left out", error=str(error))
            return {}
        return {m.media_id: m.media_json for m in answer.media}

    async def show(self, rows: Sequence[Row], base_url: str, lasts: dict[Key, Any] | None = None) -> list[Chat]:
        """In the order of the rows, each as its own `user_id` sees it; one call per service (and viewer of people)."""
        rows = [row for row in rows if window(seat(row))]
        if not rows:
            return []
        peers: dict[str, list[str]] = defaultdict(list)
        for row in rows:
            if row["peer_id"]:
                peers[row["user_id"]].append(row["peer_id"])
        avatars = [row["avatar_media_id"] for row in rows if row["avatar_media_id"]]
        (counts, found), people, pictures = await asyncio.gather(
            self._counts(rows, lasts),
            asyncio.gather(*(self.people(viewer, ids, base_url) for viewer, ids in peers.items())),
            self._pictures(avatars, base_url),
        )
        seen = dict(zip(peers, people, strict=True))
        out = []
        for row in rows:
            key = (row["user_id"], row["id"])
            out.append(_chat(row, found.get(key), counts.get(key), seen.get(row["user_id"], {}), pictures))
        return out


def reader(row: Row) -> Reader:
    """Whose row it is, and what they see of the log."""
    return Reader(row["user_id"], row["id"], *(window(seat(row)) or (0, 0)))


def _chat(row: Row, last: Any, count: Any, people: dict[str, bytes], pictures: dict[str, bytes]) -> Chat:
    last = last or message_pb2.LastMessage()
    count = count or message_pb2.UnreadCount()
    peer, avatar = people.get(row["peer_id"]), pictures.get(row["avatar_media_id"])
    muted = row["muted_until_ms"]
    return Chat(
        id=row["id"],
        type=row["type"],
        name=row["name"],
        description=row["description"],
        avatar=msgspec.json.decode(avatar, type=Media) if avatar else None,
        peer=msgspec.json.decode(peer, type=User) if peer else None,
        member_count=row["member_count"],
        my_role=row["role"],
        membership=row["membership"],
        joined_seq=row["joined_seq"],
        left_seq=row["left_seq"],
        last_seq=last.last_seq,
        last_message=Raw(last.message_json or b"null"),
        unread_count=count.unread_count,
        mention_count=count.mention_count,
        read_seq=count.read_seq,
        delivered_seq=count.delivered_seq,
        others_read_seq=count.others_read_seq,
        others_delivered_seq=count.others_delivered_seq,
        settings=ChatSettings(
            muted_until=rfc3339_or_none(muted) if muted and muted > now_ms() else None,
            pinned=row["pinned"],
            archived=row["archived"],
            marked_unread=row["marked_unread"],
        ),
        permissions=ChatPermissions(send=row["send"], edit_info=row["edit_info"], add_members=row["add_members"]),
        disappearing_seconds=row["disappearing_s"],
        pinned_message_ids=list(row["pinned_ids"]),
        created_at=rfc3339(row["created_ms"]),
        updated_at=rfc3339(row["changed_ms"]),
    )
