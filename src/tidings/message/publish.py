"""Stored entries as events: one JetStream message per subject and batch, in log order."""

import asyncio
from typing import Any

import msgspec

from tidings.contracts.errors import ApiError
from tidings.contracts.events import LogBatch, LogEvent, StatusBatch, StatusEvent, partition
from tidings.message import log, render
from tidings.message.log import Document
from tidings.message.store import Store
from tidings.platform import retry
from tidings.platform.bus import PUBLISH_TIMEOUT_S, Bus
from tidings.platform.consumer import UNREACHABLE

_ENCODER = msgspec.json.Encoder()
MAX_EVENT_BYTES = 700_000  # below the servers' usual 1 MB bound, with room for the envelope


class Publisher:
    """Turns documents into events. Keeps nothing."""

    def __init__(self, bus: Bus, store: Store, partitions: int) -> None:
        self._bus, self._store, self._partitions = bus, store, partitions

    @property
    def reachable(self) -> bool:
        """Whether NATS is there at this moment."""
        return self._bus.connected

    async def publish(self, documents: list[Document], origins: dict[str, str | None]) -> None:
        """Publish entries and return when JetStream has them all; tries until it works.

        Events may come twice after a failure: readers go by (chatId, seq).
        """
        await self._until_stored(await self.batches(documents, origins))

    async def batches(self, documents: list[Document], origins: dict[str, str | None]) -> list[tuple[str, bytes]]:
        """Subjects and bodies for these entries."""
        voted = [d["targetId"] for d in documents if d["kind"] == "change" and d["change"] == log.VOTE]
        targets = await self._store.entries_by_id(voted) if voted else {}
        out: list[tuple[str, bytes]] = []
        subject, events, size = "", list[LogEvent](), 0
        # A new message begins whenever the subject changes, so that the stream keeps the order of each chat.
        for document in sorted(documents, key=lambda d: partition(d["chatId"], self._partitions)):
            found = render.event(document, targets.get(document.get("targetId", "")), origins.get(document["_id"]))
            name = f"{render.subject(document)}.{partition(document['chatId'], self._partitions)}"
            if events and (name != subject or size > MAX_EVENT_BYTES):
                out.append((subject, _ENCODER.encode(LogBatch(events))))
                events, size = [], 0
            subject = name
            events.append(found)
            size += len(bytes(found.frame)) + 300
        if events:
            out.append((subject, _ENCODER.encode(LogBatch(events))))
        return out

    async def start(self, batches: list[tuple[str, bytes]]) -> "list[asyncio.Future[Any]]":
        """Send events in order; returns the futures of their acknowledgements. Raises ApiError."""
        return [await self._bus.start_publish(subject, body) for subject, body in batches]

    async def finish(self, batches: list[tuple[str, bytes]], acks: "list[asyncio.Future[Any]]") -> None:
        """Wait for the acknowledgements of as many batches as could be sent; what failed, and the rest, is published
        again until it works."""
        results = await asyncio.gather(
            *(asyncio.wait_for(ack, PUBLISH_TIMEOUT_S) for ack in acks), return_exceptions=True
        )
        sent, unsent = batches[: len(acks)], batches[len(acks) :]
        failed = [batch for batch, result in zip(sent, results, strict=True) if isinstance(result, BaseException)]
        await self._until_stored(failed + unsent)

    async def hidden(self, event: LogEvent) -> None:
        """Tell a person's own devices that they deleted a message for themselves. At most once: /sync has it too."""
        name = f"msg.deleted.{partition(event.chat_id, self._partitions)}"
        await self._until_stored([(name, _ENCODER.encode(LogBatch([event])))], tries=3)

    async def statuses(self, events: list[StatusEvent]) -> None:
        """Publish watermarks that moved. A lost one is made good by the next, or by /sync."""
        parts: dict[int, list[StatusEvent]] = {}
        for event in events:
            parts.setdefault(partition(event.chat_id, self._partitions), []).append(event)
        for number, some in parts.items():
            await self._bus.start_publish(f"msg.status.updated.{number}", _ENCODER.encode(StatusBatch(some)))

    async def _until_stored(self, batches: list[tuple[str, bytes]], tries: int | None = None) -> None:
        for subject, body in batches:
            attempt = 0
            while True:
                try:
                    await self._bus.publish(subject, body)
                    break
                except (ApiError, *UNREACHABLE):
                    attempt += 1
                    if tries is not None and attempt >= tries:
                        return
                    await asyncio.sleep(retry.backoff_s(attempt))
