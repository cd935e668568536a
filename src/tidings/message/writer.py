"""A writer: the identity under which this process appends, its lease, and the cursor of what it published.

The log is the outbox; the checkpoint is its cursor. Whoever finds a writer whose lease lapsed publishes what that
one stored above its checkpoint. Leases use a monotonic clock here and MongoDB's to tell others.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable

from prometheus_client import Counter, Gauge
from pymongo.errors import PyMongoError

from tidings.contracts.ids import Uuid7Sequence
from tidings.contracts.times import now_ms
from tidings.message import change
from tidings.message.log import Document
from tidings.message.publish import Publisher
from tidings.message.settings import Settings
from tidings.message.store import Store
from tidings.platform import logging

_log = logging.get(__name__)
TAKEOVERS = Counter("tidings_message_takeovers_total", "Writers taken over after they died")
LOST = Counter("tidings_message_leases_lost_total", "Leases that another writer took while we lived")
CATCH_UP_S = 1.0
LOOK_EVERY_S = 5.0
UNPUBLISHED = Gauge("tidings_message_unpublished_batches", "Stored batches whose events are not acknowledged yet")


class Lease:
    """How long this process may still answer. Without I/O: `clock` is monotonic seconds, counted in suspend too."""

    def __init__(self, length_s: float, margin_s: float, clock: Callable[[], float]) -> None:
        self._length_s, self._margin_s, self._clock = length_s, margin_s, clock
        self._until = 0.0

    def renewed(self, asked_at: float) -> None:
        """A renewal asked at `asked_at` was stored."""
        self._until = asked_at + self._length_s

    def holds(self) -> bool:
        """Whether an answer given now surely comes before anyone takes over."""
        return self._clock() < self._until - self._margin_s


Span = tuple[str, str]  # the first and the last id


class InFlight:
    """Ids of batches that are stored or being stored and not yet published. Without I/O.

    Those that wait for NATS in too great number are left to the log: of them only the span of their ids is kept.
    """

    def __init__(self) -> None:
        self._open: dict[int, Span] = {}
        self._left: Span | None = None
        self._taken: Span | None = None
        self._last = ""
        self._count = 0

    def begin(self, first: str, last: str) -> int:
        """A batch got the ids `first..last`, which are higher than all before."""
        self._count += 1
        self._open[self._count] = (first, last)
        self._last = last
        return self._count

    def done(self, batch: int) -> None:
        """Its events are acknowledged, or it stored nothing."""
        self._open.pop(batch, None)

    def leave(self, batch: int) -> None:
        """Its events are not kept here: they will be read from the log."""
        first, last = self._open.pop(batch)
        self._left = (min(first, self._left[0]), max(last, self._left[1])) if self._left else (first, last)

    def take_left(self) -> "Span | None":
        """The span to publish from the log now; the same until `left_published`."""
        if self._taken is None:
            self._taken, self._left = self._left, None
        return self._taken

    def left_published(self) -> None:
        """All of the span that was taken is acknowledged."""
        self._taken = None

    @property
    def held(self) -> int:
        """Batches whose events are in memory."""
        return len(self._open)

    def through(self) -> str:
        """Every id up to this one is published."""
        spans = [*self._open.values(), *(span for span in (self._left, self._taken) if span)]
        return below(min(first for first, _ in spans)) if spans else self._last

    def __len__(self) -> int:
        return len(self._open) + (self._left is not None) + (self._taken is not None)


def below(id_: str) -> str:
    """An id just below this one: without its last character it sorts before it and after every smaller one."""
    return id_[:-1]


def boot_clock() -> float:
    """Monotonic seconds that go on while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Writer:
    """Owner of the writer id, the lease and the checkpoint of this process."""

    def __init__(self, store: Store, publisher: Publisher, settings: Settings, instance: str) -> None:
        self._store, self._publisher, self._settings, self._instance = store, publisher, settings, instance
        self._ids = Uuid7Sequence()
        self._lease = Lease(settings.lease_s, settings.lease_margin_s, boot_clock)
        self._lease_ms = int(settings.lease_s * 1000)
        self._past: list[str] = []
        self.id = ""
        self.in_flight = InFlight()

    def holds(self) -> bool:
        """Whether what was stored under the present id may be answered."""
        return self._lease.holds()

    def lost(self, writer: str) -> bool:
        """Whether this id was ours until its lease was taken."""
        return writer != self.id and writer in self._past

    def next_id(self) -> str:
        """The next entry id: a UUIDv7 above all before."""
        return self._ids.next()

    async def start(self) -> None:
        """Take a new writer id."""
        writer, asked = self._ids.next(), boot_clock()
        await self._store.open_writer(writer, self._instance, self._lease_ms)
        self._past = [*self._past[-20:], writer]
        self.in_flight = InFlight()
        self.id = writer
        self._lease.renewed(asked)

    async def keep(self) -> None:
        """Save the checkpoint and renew the lease for ever. Waits for nothing else: the lease would end meanwhile."""
        pause = self._settings.checkpoint_ms / 1000
        saved, asked_at = "", boot_clock()
        while True:
            await asyncio.sleep(pause)
            UNPUBLISHED.set(len(self.in_flight))
            now = boot_clock()
            try:
                through = self.in_flight.through()
                if through != saved or now - asked_at > self._settings.lease_s / 10 or not self.holds():
                    if await self._store.checkpoint(self.id, through, self._lease_ms):
                        saved, asked_at = through, now
                        self._lease.renewed(now)
                    else:
                        LOST.inc()
                        _log.warning("our lease was taken: going on as a new writer", writer=self.id)
                        await self.start()
                        saved = ""
            except PyMongoError as error:
                _log.warning("checkpoint failed", error=repr(error))

    async def catch_up(self) -> None:
        """Publish what was left to the log while NATS was away, once it is back. For ever."""
        while True:
            await asyncio.sleep(CATCH_UP_S)
            writer, in_flight = self.id, self.in_flight  # a lost lease replaces both
            if not self._publisher.reachable or (span := in_flight.take_left()) is None:
                continue
            try:
                count = await self._publish_again(writer, below(span[0]), through=span[1])
            except PyMongoError as error:
                _log.warning("what was left to the log cannot be read yet", error=repr(error))
                continue
            in_flight.left_published()
            _log.info("published what was left to the log", writer=writer, entries=count)

    async def watch(self, *, slot_is_ours: bool) -> None:
        """Look for dead writers for ever; at a restart the last holder of our slot is one, whatever its lease says."""
        while True:
            try:
                await self.recover(slot_is_ours=slot_is_ours)
                slot_is_ours = False
            except PyMongoError as error:
                _log.warning("dead writers wait for the next look", error=repr(error))
            await asyncio.sleep(LOOK_EVERY_S)

    async def recover(self, *, slot_is_ours: bool = False) -> None:
        """Publish what dead writers left. With `slot_is_ours` the last holder of our instance name is surely dead."""
        for found in await self._store.abandoned(self._instance if slot_is_ours else None):
            if found["_id"] == self.id or not await self._store.take_over(found, self.id, self._lease_ms):
                continue
            TAKEOVERS.inc()
            count = await self._publish_again(found["_id"], found["publishedThrough"])
            await self._store.close_writer(found["_id"])
            _log.info("took over a writer", writer=found["_id"], republished=count)

    async def republish(self, last_ms: int) -> None:
        """NATS may have lost its tail: publish once more what our writers and dead ones stored in this last time."""
        since_ms = now_ms() - last_ms
        boundary = f"{since_ms >> 16:08x}-{since_ms & 0xFFFF:04x}"
        for writer in dict.fromkeys([*self._past, *await self._store.closed_lately(last_ms)]):
            count = await self._publish_again(writer, boundary)
            _log.info("published again after a start of NATS", writer=writer, entries=count)

    async def stop(self) -> None:
        """Call when `keep` has ended. Wait a little for the last events, then close; what is still open is taken over
        by another."""
        for _ in range(50):
            if not len(self.in_flight):
                break
            await asyncio.sleep(0.1)
        with contextlib.suppress(PyMongoError):
            done = not len(self.in_flight)
            await self._store.checkpoint(self.id, self.in_flight.through(), 0, close=done)

    async def _publish_again(self, writer: str, after_id: str, *, through: str | None = None) -> int:
        count = 0
        chunk = []
        async for document in self._store.written_after(writer, after_id):
            if through is not None and document["_id"] > through:
                break
            chunk.append(document)
            if len(chunk) == 200:
                count += await self._redo(chunk)
                chunk = []
        return count + await self._redo(chunk)

    async def _redo(self, documents: list[Document]) -> int:
        if documents:
            await self._store.apply([change.update(d) for d in documents if d["kind"] == "change"])
            await self._publisher.publish(documents, {})
        return len(documents)
