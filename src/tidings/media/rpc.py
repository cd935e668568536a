"""gRPC: `GetMediaMetadata` and `AttachMedia`."""

from typing import Any

import msgspec

from tidings.media.attach import Access, Attachment
from tidings.media.objects import Objects
from tidings.media.show import show
from tidings.media.store import Store
from tidings.rpc.v1 import media_pb2, media_pb2_grpc


class MediaRpc(media_pb2_grpc.MediaServiceServicer):
    """Translates between messages and the rules."""

    def __init__(self, store: Store, access: Access, objects: Objects, public_url: str) -> None:
        self._store = store
        self._access = access
        self._objects = objects
        self._public_url = public_url

    async def GetMediaMetadata(
        self,
        request: media_pb2.GetMediaMetadataRequest,
        context: Any,
    ) -> media_pb2.GetMediaMetadataResponse:
        """In the order asked, without the unknown."""
        records = await self._store.find(list(request.media_ids))
        known = [records[media_id] for media_id in dict.fromkeys(request.media_ids) if media_id in records]
        shown = await show(known, self._objects, request.base_url or self._public_url)
        return media_pb2.GetMediaMetadataResponse(
            media=[media_pb2.MediaMetadata(media_id=item.id, media_json=msgspec.json.encode(item)) for item in shown]
        )

    async def AttachMedia(
        self,
        request: media_pb2.AttachMediaRequest,
        context: Any,
    ) -> media_pb2.AttachMediaResponse:
        """In the order asked."""
        codes = await self._access.attach(
            [
                Attachment(item.user_id, tuple(item.media_ids), item.chat_id, item.after_seq)
                for item in request.attachments
            ]
        )
        return media_pb2.AttachMediaResponse(results=[media_pb2.AttachResult(code=code) for code in codes])
