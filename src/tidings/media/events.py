"""What the media service tells others: the state of a file changed."""

import msgspec

from tidings.contracts.events import MEDIA_UPDATED, MediaUpdatedEvent
from tidings.media.objects import Objects
from tidings.media.record import Record
from tidings.media.show import show
from tidings.platform.bus import Bus


class Events:
    """Broadcasts to the owner's sockets."""

    def __init__(self, bus: Bus, objects: Objects, public_url: str) -> None:
        self._bus = bus
        self._objects = objects
        self._public_url = public_url

    async def updated(self, record: Record) -> None:
        """Tell the owner's devices. At most once: `GET /media/{id}` has it always."""
        (media,) = await show([record], self._objects, self._public_url)
        event = MediaUpdatedEvent(owner_id=record.owner_id, media=msgspec.Raw(msgspec.json.encode(media)))
        await self._bus.broadcast(MEDIA_UPDATED, event)
