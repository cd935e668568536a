"""Chats as their participants see them, assembled in batches from four services."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Raw

from tidings.chat.rules import window
from tidings.chat.store import seat
from tidings.contracts.objects import Chat, ChatPermissions, ChatSettings, Media, User
from tidings.contracts.times import now_ms, rfc3339, rfc3339_or_none
from tidings.platform.postgres import Row
from tidings.platform.rpc import Peers
from tidings.rpc.v1 import media_pb2, message_pb2, user_pb2

if TYPE_CHECKING:
    from tidings.rpc.v1.media_pb2_grpc import MediaServiceAsyncStub
    from tidings.rpc.v1.message_pb2_grpc import MessageServiceAsyncStub
    from tidings.rpc.v1.user_pb2_grpc import UserServiceAsyncStub


class Views:
    """Rows of `Store.seen_by` to Chats. Rows without a window yet are left out."""

    def __init__(
        self,
        messages: "Peers[MessageServiceAsyncStub]",
        users: "Peers[UserServiceAsyncStub]",
        media: "Peers[MediaServiceAsyncStub]",
    ) -> None:
        self.messages, self.users, self.media = messages, users, media

    def windows(self, rows: Sequence[Row]) -> dict[int, list[message_pb2.Window]]:
        """The windows, by the index of the message instance that is home to their chat."""
        homes: dict[int, list[message_pb2.Window]] = defaultdict(list)
        for row in rows:
            if seen := window(seat(row)):
                homes[self.messages.home(row["id"])].append(
                    message_pb2.Window(chat_id=row["id"], joined_seq=seen[0], left_seq=seen[1])
                )
        return homes

    async def lasts(self, user_id: str, rows: Sequence[Row]) -> dict[str, Any]:
        """Last message, head and activity per chat."""
        calls = [
            self.messages.call(
                self.messages.at(i).GetLastMessages, message_pb2.GetLastMessagesRequest(user_id=user_id, windows=w)
            )
            for i, w in self.windows(rows).items()
        ]
        return {c.chat_id: c for answer in await asyncio.gather(*calls) for c in answer.chats}

    async def _counts(self, user_id: str, rows: Sequence[Row]) -> dict[str, Any]:
        calls = [
            self.messages.call(
                self.messages.at(i).GetUnreadCounts, message_pb2.GetUnreadCountsRequest(user_id=user_id, windows=w)
            )
            for i, w in self.windows(rows).items()
        ]
        return {c.chat_id: c for answer in await asyncio.gather(*calls) for c in answer.chats}

    async def people(self, viewer_id: str, user_ids: Sequence[str], base_url: str) -> dict[str, bytes]:
        """Users as JSON."""
        if not user_ids:
            return {}
        answer = await self.users.call(
            self.users.stub().GetUsers,
            user_pb2.GetUsersRequest(viewer_id=viewer_id, user_ids=list(dict.fromkeys(user_ids)), base_url=base_url),
        )
        return {u.user_id: u.user_json for u in answer.users}

    async def _pictures(self, media_ids: Sequence[str], base_url: str) -> dict[str, bytes]:
        if not media_ids:
            return {}
        answer = await self.media.call(
            self.media.stub().GetMediaMetadata,
            media_pb2.GetMediaMetadataRequest(media_ids=list(media_ids), base_url=base_url),
        )
        return {m.media_id: m.media_json for m in answer.media}

    async def show(
        self, user_id: str, rows: Sequence[Row], base_url: str, lasts: dict[str, Any] | None = None
    ) -> list[Chat]:
        """In the order of the rows."""
        rows = [row for row in rows if window(seat(row))]
        if not rows:
            return []
        peers = [row["peer_id"] for row in rows if row["peer_id"]]
        avatars = [row["avatar_media_id"] for row in rows if row["avatar_media_id"]]
        found, counts, people, pictures = await asyncio.gather(
            self.lasts(user_id, rows) if lasts is None else _given(lasts),
            self._counts(user_id, rows),
            self.people(user_id, peers, base_url),
            self._pictures(avatars, base_url),
        )
        return [_chat(row, found.get(row["id"]), counts.get(row["id"]), people, pictures) for row in rows]


async def _given(lasts: dict[str, Any]) -> dict[str, Any]:
    return lasts


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
