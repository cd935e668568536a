"""Lanes: where entries get their numbers. A chat is always in the same lane, and a lane has one insert in flight.

The unique index `(chatId, seq)` decides: a lane whose head was old collides, looks up what of its batch is stored,
reads head and membership again, and numbers the rest in their old order.
"""

import asyncio
import zlib
from collections import deque
from collections.abc import Coroutine

from prometheus_client import Counter, Gauge, Histogram
from pymongo.errors import PyMongoError

from tidings.contracts.errors import ApiError
from tidings.contracts.times import now_ms
from tidings.message import change
from tidings.message.chats import Chats
from tidings.message.log import Document, Entry, collapse, number
from tidings.message.publish import Publisher
from tidings.message.settings import Settings
from tidings.message.store import Store
from tidings.message.writer import Writer
from tidings.platform import logging, metrics, retry, tracing
from tidings.platform.bus import PUBLISH_TIMEOUT_S

_log = logging.get(__name__)
BATCH = Histogram("tidings_message_batch_entries", "Entries per insert", buckets=(1, 2, 5, 10, 20, 50, 100, 200))
INSERT = Histogram("tidings_message_insert_seconds", "Time of one insert", buckets=metrics.FAST_BUCKETS)
COLLISIONS = Counter("tidings_message_collisions_total", "Inserts that met a number or key already taken")
WAITING = Gauge("tidings_message_lane_entries", "Entries waiting in lanes")

Outcome = Document | ApiError
"""The stored entry (with `repeated` set when it was there already), or why there is none."""


class Lanes:
    """The lanes of this process."""

    def __init__(self, store: Store, chats: Chats, writer: Writer, publisher: Publisher, settings: Settings) -> None:
        self._lanes = [Lane(store, chats, writer, publisher, settings) for _ in range(settings.lanes)]

    def append(self, entry: Entry) -> "asyncio.Future[Document]":
        """Queue an entry. The future has the stored document, or raises ApiError. Entries of a chat are stored in
        the order of these calls."""
        lane = self._lanes[zlib.crc32(entry.document["chatId"].encode()) % len(self._lanes)]
        return lane.append(entry)

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            for lane in self._lanes:
                group.create_task(lane.run())

    async def drain(self) -> None:
        """Wait until nothing waits."""
        while any(lane.busy for lane in self._lanes):  # noqa: ASYNC110  only at the end of the process
            await asyncio.sleep(0.02)


class Lane:
    """One queue, one insert in flight."""

    def __init__(self, store: Store, chats: Chats, writer: Writer, publisher: Publisher, settings: Settings) -> None:
        self._store, self._chats, self._writer, self._publisher = store, chats, writer, publisher
        self._settings = settings
        self._queue: deque[tuple[Entry, asyncio.Future[Document]]] = deque()
        self._wake = asyncio.Event()
        self._publishing: set[asyncio.Task[None]] = set()
        self._working = False

    @property
    def busy(self) -> bool:
        """Whether something waits or is at work."""
        return bool(self._queue) or self._working

    def append(self, entry: Entry) -> "asyncio.Future[Document]":
        """See Lanes.append. Raises ApiError `overloaded` when the queue is full: nothing is stored then."""
        if len(self._queue) >= self._settings.lane_queue:
            raise ApiError("overloaded", retry_after_ms=250)
        future: asyncio.Future[Document] = asyncio.get_running_loop().create_future()
        entry.asked = tracing.asking()
        self._queue.append((entry, future))
        WAITING.inc()
        self._wake.set()
        return future

    async def run(self) -> None:
        """Take what waits, as much as a batch may hold, and store it."""
        while True:
            if not self._queue:
                self._wake.clear()
                await self._wake.wait()
            batch = self._take()
            self._working = True
            try:
                asked = {entry.asked.span_id: entry.asked for entry, _ in batch if entry.asked}
                with tracing.span("append", links=asked.values(), entries=len(batch)):
                    await self._store_batch(batch)
            except Exception as error:
                metrics.FAULTS.labels("lane").inc()
                _log.exception("a batch failed")
                for _, future in batch:
                    if not future.done():
                        future.set_exception(error if isinstance(error, ApiError) else ApiError("internal"))
            finally:
                self._working = False

    def _take(self) -> list[tuple[Entry, "asyncio.Future[Document]"]]:
        batch: list[tuple[Entry, asyncio.Future[Document]]] = []
        size = 0
        while self._queue and len(batch) < self._settings.batch_entries and size < self._settings.batch_bytes:
            entry, future = self._queue.popleft()
            WAITING.dec()
            if future.cancelled():  # the caller's deadline passed before any work began
                continue
            batch.append((entry, future))
            size += entry.size
        return batch

    async def _store_batch(self, batch: list[tuple[Entry, "asyncio.Future[Document]"]]) -> None:
        kept, owner = collapse(entry.key for entry, _ in batch)
        entries = [batch[position][0] for position in kept]
        outcomes = await self._append(entries)
        holds = self._writer.holds()
        for (_, future), index in zip(batch, owner, strict=True):
            outcome = outcomes[index]
            if future.done():
                continue
            if isinstance(outcome, ApiError):
                future.set_exception(outcome)
            # A lease says nothing of what was stored under an id that we lost meanwhile.
            elif holds and (outcome.get("repeated") or outcome["writer"] == self._writer.id):
                future.set_result(outcome)
            else:  # stored, but maybe taken over already: the sender asks again and gets the first answer
                future.set_exception(ApiError("unavailable", "this writer lost its lease", retry_after_ms=500))

    async def _append(self, entries: list[Entry]) -> list[Outcome]:
        """Store entries; the outcome of each, in their order."""
        outcomes: list[Outcome | None] = [None] * len(entries)
        open_ = list(range(len(entries)))
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._settings.append_s
        for attempt in range(self._settings.collision_tries):
            if attempt and loop.time() > deadline:
                break  # who waited has gone: a database that hangs must not hold all that comes after as well
            if attempt:
                await asyncio.sleep(retry.backoff_s(attempt, first_s=0.005, most_s=0.5))
            try:
                if attempt:
                    await self._answer_stored(entries, open_, outcomes)
                ready = await self._permitted(entries, open_, outcomes)
                if ready:
                    await self._insert(entries, ready, outcomes)
            except PyMongoError as error:
                # The outcome is unknown: the look-up above comes before any new number.
                metrics.DEPENDENCY.labels("mongo").inc()
                _log.warning("insert failed, looking up what it stored", error=repr(error)[:300])
                for chat_id in {entries[i].document["chatId"] for i in open_}:
                    self._chats.drop(chat_id)
            except ApiError as error:
                _log.warning("membership could not be read, or an event not be sent", error=str(error))
            open_ = [i for i in open_ if outcomes[i] is None]
            if not open_:
                break
        gave_up = ApiError("unavailable", "the message could not be stored at the moment", retry_after_ms=500)
        return [gave_up if outcome is None else outcome for outcome in outcomes]

    async def _answer_stored(self, entries: list[Entry], open_: list[int], outcomes: list[Outcome | None]) -> None:
        found = await self._store.find_keys(entries[i].key for i in open_)
        found_at = [i for i in open_ if entries[i].key in found]
        again = [found[entries[i].key] for i in found_at]
        # Applied and published once more: the first time may not have come to its end.
        await self._store.apply([change.update(d) for d in again if d["kind"] == "change"])
        if lost := [d for d in again if self._writer.lost(d["writer"])]:
            # It may have come after that writer was taken over: nobody else will ever publish it.
            try:
                async with asyncio.timeout(PUBLISH_TIMEOUT_S):
                    await self._publisher.publish(lost, {})
            except TimeoutError:
                raise ApiError("unavailable", "events cannot be published at the moment") from None
        for i in found_at:
            stored = found[entries[i].key]
            outcomes[i] = {**stored, "repeated": stored["_id"] != entries[i].document.get("_id")}
        if again:
            self._publish_soon(again, {}, None)

    async def _permitted(self, entries: list[Entry], open_: list[int], outcomes: list[Outcome | None]) -> list[int]:
        """The entries that may be written, by the membership that goes with the head they are numbered from."""
        wanted = [i for i in open_ if outcomes[i] is None]
        named = {entries[i].document["chatId"] for i in wanted if entries[i].check}
        chats = await self._chats.get_many(named, as_it_is=True)
        ready: list[int] = []
        refused: list[tuple[int, ApiError]] = []
        for i in wanted:
            entry = entries[i]
            chat = chats.get(entry.document["chatId"])
            try:
                if entry.check:
                    if chat is None:
                        raise ApiError("not_found", "there is no such chat")
                    entry.check(chat)
                ready.append(i)
            except ApiError as error:
                refused.append((i, error))
        if refused:
            # A resend gets its first answer even if the right to write was lost since.
            found = await self._store.find_keys(entries[i].key for i, _ in refused)
            for i, why in refused:
                stored = found.get(entries[i].key)
                outcomes[i] = why if stored is None else {**stored, "repeated": True}
        return ready

    async def _insert(self, entries: list[Entry], ready: list[int], outcomes: list[Outcome | None]) -> None:
        heads: dict[str, int] = {}
        unknown: set[str] = set()
        for i in ready:
            chat_id = entries[i].document["chatId"]
            chat = self._chats.known(chat_id)
            if chat is not None:
                heads[chat_id] = chat.head
            elif entries[i].check:  # dropped since the check: check again
                return
            else:
                unknown.add(chat_id)
        unknown -= heads.keys()
        if unknown:  # a notice needs a number but no membership; chat-service may be waiting for it
            heads |= dict.fromkeys(unknown, 0) | await self._store.heads(sorted(unknown))
        at = now_ms()
        for i in ready:
            document = entries[i].document
            document["_id"] = self._writer.next_id()  # anew at each attempt: the checkpoint may have passed an old one
            document["at"] = at
            document["writer"] = self._writer.id
            # The notice of the change may be told later than this, by another writer or by whoever takes that one over.
            chat = self._chats.known(document["chatId"])
            document.pop("membersAt", None)
            if chat is not None and not chat.unsettled:
                document["membersAt"] = chat.members_at
        after = number((entries[i] for i in ready), heads)
        documents = [entries[i].document for i in ready]
        in_flight = self._writer.in_flight
        token = in_flight.begin(min(d["_id"] for d in documents), max(d["_id"] for d in documents))
        stored_count = 0
        try:
            loop = asyncio.get_running_loop()
            started = loop.time()
            failed_at = await self._store.insert(documents)
            INSERT.observe(loop.time() - started)
            BATCH.observe(len(documents))
            stored_count = len(documents) if failed_at is None else failed_at
            stored, rest = documents[:stored_count], documents[stored_count:]
            await self._store.apply([change.update(d) for d in stored if d["kind"] == "change"])
            for i in ready[:stored_count]:
                outcomes[i] = entries[i].document
            if failed_at is None:
                self._advance(after, entries, ready)
            else:
                COLLISIONS.inc()
                for chat_id in {d["chatId"] for d in (*stored, *rest)}:
                    self._chats.drop(chat_id)
            if stored:
                if in_flight.held > self._settings.unpublished_batches:
                    in_flight.leave(token)
                else:
                    origins = {entries[i].document["_id"]: entries[i].origin for i in ready[:stored_count]}
                    await self._publish_in_order(stored, origins, (in_flight, token))
                token = 0
        except BaseException:
            in_flight.leave(token)  # what there is of it in the log is applied and published from there
            token = 0
            raise
        finally:
            if token and not stored_count:
                in_flight.done(token)

    def _advance(self, after: dict[str, int], entries: list[Entry], ready: list[int]) -> None:
        for chat_id, head in after.items():
            chat = self._chats.known(chat_id)
            if chat is not None:
                chat.head = max(chat.head, head)
        for i in ready:
            if entries[i].membership:
                self._chats.drop(entries[i].document["chatId"])

    async def _publish_in_order(self, stored: list[Document], origins: dict[str, str | None], token: object) -> None:
        """Send the events before the next batch of this lane sends its own; wait for the acknowledgements aside."""
        batches = await self._publisher.batches(stored, origins)
        try:
            acks = await self._publisher.start(batches)
        except ApiError:
            acks = []
        self._spawn(self._settle(batches, acks, token))

    def _publish_soon(self, stored: list[Document], origins: dict[str, str | None], token: object) -> None:
        if len(self._publishing) > self._settings.unpublished_batches:
            return  # NATS is away, and what is unpublished is in the log

        async def work() -> None:
            await self._settle(await self._publisher.batches(stored, origins), [], token)

        self._spawn(work())

    async def _settle(
        self, batches: list[tuple[str, bytes]], acks: "list[asyncio.Future[object]]", token: object
    ) -> None:
        await self._publisher.finish(batches, acks)
        if isinstance(token, tuple):
            in_flight, number_ = token
            in_flight.done(number_)

    def _spawn(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.create_task(work)
        self._publishing.add(task)
        task.add_done_callback(self._publishing.discard)
