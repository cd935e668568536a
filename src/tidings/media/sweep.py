"""Cleans up after killed processes and clients that went away: every file ends `ready`, `failed` or forgotten."""

import asyncio

from pymongo.errors import PyMongoError

from tidings.contracts.errors import ApiError
from tidings.contracts.times import now_ms
from tidings.media.objects import Objects
from tidings.media.process import Processing
from tidings.media.record import Record
from tidings.media.settings import Settings
from tidings.media.store import Store
from tidings.platform import logging, metrics

_log = logging.get(__name__)


class Sweeper:
    """Runs beside every instance; each stale file goes to one of them."""

    def __init__(self, settings: Settings, store: Store, objects: Objects, processing: Processing) -> None:
        self._settings = settings
        self._store = store
        self._objects = objects
        self._processing = processing

    async def run(self) -> None:
        """Sweep for as long as the service lives."""
        loop = asyncio.get_running_loop()
        orphans_due = loop.time() + self._settings.orphan_interval_s
        while True:
            await asyncio.sleep(self._settings.sweep_interval_s)
            try:
                await self.unfinished()
                await self.leftover_parts()
                if loop.time() >= orphans_due:
                    orphans_due = loop.time() + self._settings.orphan_interval_s
                    await self.orphans()
            except (ApiError, PyMongoError) as error:
                metrics.DEPENDENCY.labels("sweep").inc()
                _log.warning("sweep interrupted", error=repr(error))

    async def unfinished(self) -> int:
        """Finish or forget what stands still; returns how many."""
        count = 0
        now = now_ms()
        for in_parts, age_s in ((False, self._settings.pending_timeout_s), (True, self._settings.parts_timeout_s)):
            while record := await self._store.claim_stale("pending", now - age_s * 1000, in_parts=in_parts):
                await self._pending(record)
                count += 1
        while record := await self._store.claim_stale("processing", now - self._settings.processing_timeout_s * 1000):
            if record.tries > self._settings.processing_tries:
                await self._processing.fail(record)
                await self._objects.delete(record.incoming_key)
            else:
                await self._processing.finish(record)
            count += 1
        return count

    async def leftover_parts(self) -> None:
        """Abort what came in parts and belongs to no upload that may still go on."""
        old = await self._objects.unfinished_parts(self._settings.pending_timeout_s)
        records = await self._store.find([key.rpartition("/")[2] for key, _ in old])
        for key, upload_id in old:
            record = records.get(key.rpartition("/")[2])
            if record is None or record.state != "pending" or record.upload_id != upload_id:
                await self._objects.abort_parts(key, upload_id)

    async def _pending(self, record: Record) -> None:
        # An object is there as a whole or not at all.
        if await self._objects.size(record.incoming_key) is None:
            if record.upload_id:
                await self._objects.abort_parts(record.incoming_key, record.upload_id)
            await self._store.drop(record.id)
            return
        stored = await self._store.change(record.id, ["pending"], state="processing")
        if stored is not None:
            await self._processing.finish(stored)

    async def orphans(self) -> int:
        """Delete old objects that no record knows; returns how many."""
        count = 0
        async for keys in self._objects.older_than(self._settings.orphan_age_s):
            records = await self._store.find([key.rpartition("/")[2] for key in keys])
            for key in keys:
                record = records.get(key.rpartition("/")[2])
                if record is None or not _belongs(record, key):
                    await self._objects.delete(key)
                    count += 1
        if count:
            _log.info("orphans deleted", count=count)
        return count


def _belongs(record: Record, key: str) -> bool:
    if record.state in ("pending", "processing"):
        return True
    return record.state == "ready" and key in (record.key, record.thumbnail_key)
