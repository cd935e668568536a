"""What the notification service consumes: new messages and read marks; membership only drops what is cached."""

import msgspec

from tidings.contracts.events import MESSAGES, ChatEvent, LogBatch, LogEvent, StatusBatch, StatusEvent
from tidings.notification.collect import Collector
from tidings.notification.people import Participants
from tidings.notification.settings import Settings
from tidings.platform.bus import Bus

_MESSAGES: msgspec.json.Decoder[LogBatch] = msgspec.json.Decoder(LogBatch)
_STATUS: msgspec.json.Decoder[StatusBatch] = msgspec.json.Decoder(StatusBatch)


class Events:
    """Durable consumers `push` and `push-read`, shared by all instances."""

    def __init__(
        self, messages: Collector[LogEvent], reads: Collector[StatusEvent], participants: Participants
    ) -> None:
        self._messages = messages
        self._reads = reads
        self._participants = participants

    async def start(self, bus: Bus, settings: Settings) -> None:
        """Listen and consume."""
        # Every instance hears of membership by itself: the durable consumer tells only one of them.
        for subject in ("group.member.added", "group.member.removed", "chat.updated"):
            await bus.listen(subject, ChatEvent, self._on_chat)
        older_s = float(settings.skip_older_s)
        await bus.consume(
            MESSAGES, "push", ["msg.new.*"], self.on_messages, in_flight=settings.in_flight, skip_older_s=older_s
        )
        await bus.consume(
            MESSAGES,
            "push-read",
            ["msg.status.updated.*"],
            self.on_status,
            in_flight=settings.in_flight,
            skip_older_s=older_s,
        )

    async def on_messages(self, body: bytes) -> None:
        """A batch of new entries."""
        events = _MESSAGES.decode(body).events
        for event in events:
            if event.membership:
                self._participants.drop(event.chat_id)
        await self._messages.give([event for event in events if event.kind == "message"])

    async def on_status(self, body: bytes) -> None:
        """A batch of watermarks."""
        await self._reads.give([event for event in _STATUS.decode(body).events if event.status == "read"])

    async def _on_chat(self, event: ChatEvent) -> None:
        self._participants.drop(event.chat_id)
