"""Who may see a file, and the grants by which messages make readers."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from tidings.contracts.errors import ApiError
from tidings.media.record import Grant, Record, Window, may_read
from tidings.media.store import Store
from tidings.platform.rpc import Peers
from tidings.rpc.v1 import chat_pb2

if TYPE_CHECKING:
    from tidings.rpc.v1.chat_pb2_grpc import ChatServiceAsyncStub


class Attachment(msgspec.Struct, frozen=True):
    """Someone wants to show files in a chat (or, without one, as a profile's or chat's picture)."""

    user_id: str
    media_ids: Sequence[str]
    chat_id: str
    after_seq: int


class Access:
    """Decides who reads what."""

    def __init__(self, store: Store, chats: "Peers[ChatServiceAsyncStub]") -> None:
        self._store = store
        self._chats = chats

    async def open(self, media_id: str, user_id: str) -> Record:
        """The file, for its owner or a reader. Raises ApiError `not_found`, also for what they may not know of."""
        record = (await self._store.find([media_id])).get(media_id)
        if record is None or (record.owner_id != user_id and media_id not in await self._readable(user_id, [media_id])):
            raise ApiError("not_found")
        return record

    async def attach(self, attachments: Sequence[Attachment]) -> list[str]:
        """Grant what may be granted, all before it returns; per attachment the code of its refusal, or ""."""
        records = await self._store.find([media_id for item in attachments for media_id in item.media_ids])
        foreign: dict[str, set[str]] = {}
        for item in attachments:
            for media_id in item.media_ids:
                if media_id in records and records[media_id].owner_id != item.user_id:
                    foreign.setdefault(item.user_id, set()).add(media_id)
        readable = {user_id: await self._readable(user_id, sorted(ids)) for user_id, ids in foreign.items()}
        codes: list[str] = []
        grants: list[Grant] = []
        for item in attachments:
            code = _refusal(item, records, readable.get(item.user_id, set()))
            codes.append(code)
            if not code and item.chat_id:
                grants += [Grant(media_id, item.chat_id, item.after_seq) for media_id in item.media_ids]
        await self._store.grant(grants)
        return codes

    async def _readable(self, user_id: str, media_ids: Sequence[str]) -> set[str]:
        """Which of these files some message in a window of this person shows."""
        mine = await self._chats.call(self._chats.stub().GetUserChats, chat_pb2.GetUserChatsRequest(user_id=user_id))
        grants = await self._store.grants(media_ids, [chat.chat_id for chat in mine.chats])
        if not grants:
            return set()
        windows = await self._windows(user_id, sorted({grant.chat_id for grant in grants}))
        return {
            media_id
            for media_id in media_ids
            if may_read((grant for grant in grants if grant.media_id == media_id), windows)
        }

    async def _windows(self, user_id: str, chat_ids: Sequence[str]) -> list[Window]:
        """The settled windows of a person: participants, unlike the list of chats, wait for the log."""
        found = await self._chats.call(
            self._chats.stub().GetChatParticipants, chat_pb2.GetChatParticipantsRequest(chat_ids=chat_ids)
        )
        return [
            Window(chat.chat_id, person.joined_seq, person.left_seq)
            for chat in found.chats
            for person in chat.participants
            if person.user_id == user_id
        ]


def _refusal(item: Attachment, records: dict[str, Record], readable: set[str]) -> str:
    for media_id in item.media_ids:
        record = records.get(media_id)
        if record is None or (record.owner_id != item.user_id and media_id not in readable):
            return "not_found"
        if record.state == "failed" or (not item.chat_id and record.kind != "image"):
            return "unsupported_media"
    return ""
