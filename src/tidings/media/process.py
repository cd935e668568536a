"""From the bytes that were sent to the file that is shown: pictures are cleaned in a child process, the rest is
hashed. Whatever dies on the way, `finish` can be called again."""

import asyncio
import contextlib
import hashlib
import sys
import tempfile
from collections.abc import AsyncIterator
from io import BufferedRandom
from pathlib import Path
from typing import IO

import msgspec

from tidings.contracts.errors import ApiError
from tidings.contracts.limits import Limits
from tidings.media import names, sniff
from tidings.media.events import Events
from tidings.media.objects import Objects
from tidings.media.record import Record, most_bytes
from tidings.media.settings import Settings
from tidings.media.store import Store
from tidings.platform import logging, metrics

_log = logging.get(__name__)


class UnreadableError(Exception):
    """The file is not what it seemed, or costs more than a picture may."""


class Found(msgspec.Struct):
    """What the child tells of a picture."""

    width: int
    height: int
    blurhash: str


class Processing:
    """Finishes files, a few at a time. Owns the tasks it starts."""

    def __init__(self, settings: Settings, limits: Limits, store: Store, objects: Objects, events: Events) -> None:
        self._settings = settings
        self._limits = limits
        self._store = store
        self._objects = objects
        self._events = events
        self._slots = asyncio.Semaphore(settings.workers)
        self._tasks: set[asyncio.Task[Record]] = set()
        self._folder = settings.data_dir / "media-work"
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    @property
    def full(self) -> bool:
        """Whether more work would only wait."""
        return len(self._tasks) >= self._settings.queue

    def start(self, record: Record) -> "asyncio.Task[Record]":
        """Finish a file beside the request that brought it."""
        task = asyncio.create_task(self.finish(record))
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    async def soon(self, record: Record) -> Record:
        """Finish a file; one that takes long is answered as it is, and goes on."""
        task = self.start(record)
        with contextlib.suppress(TimeoutError):
            return await asyncio.wait_for(asyncio.shield(task), self._settings.answer_within_s)
        return record

    def _done(self, task: "asyncio.Task[Record]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            # It stays `processing`: the sweeper tries again.
            _log.warning("file could not be finished now", error=repr(error))

    async def drain(self, timeout_s: float) -> None:
        """Let running work end; what does not is left to the sweeper."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=timeout_s)
        for task in list(self._tasks):
            task.cancel()

    async def finish(self, record: Record) -> Record:
        """Bring a `processing` file to `ready` or `failed`, and tell its owner."""
        try:
            async with self._slots:
                fields = await self._finished(record)
            done = await self._store.change(record.id, ["processing"], state="ready", **fields)
        except UnreadableError as error:
            _log.info("file refused", media=record.id, reason=str(error))
            done = await self.fail(record)
        if done is None:  # another instance was first
            return (await self._store.find([record.id])).get(record.id, record)
        if record.incoming_key != done.key:
            with contextlib.suppress(ApiError):  # what stays is an orphan, swept later
                await self._objects.delete(record.incoming_key)
        await self._events.updated(done)
        return done

    async def fail(self, record: Record) -> Record | None:
        """Give a file up: nothing of it is kept but the answer."""
        done = await self._store.change(record.id, ["pending", "processing"], state="failed")
        with contextlib.suppress(ApiError):
            await self._objects.delete(record.key, record.thumbnail_key)
        return done

    async def _finished(self, record: Record) -> dict[str, object]:
        known: dict[str, object] = {}
        if record.upload_id:
            record = await self._identified(record)
            known = {"kind": record.kind, "mime_type": record.mime_type}
        if record.kind == "image":
            return known | await self._picture(record)
        return known | await (self._moved(record) if record.upload_id else self._as_it_is(record))

    async def _identified(self, record: Record) -> Record:
        """What came in parts, by its first bytes, as `upload` does it while they pass."""
        size = await self._objects.size(record.incoming_key)
        if size is None or size != record.size:
            raise UnreadableError("it has not the size that was told")
        try:
            found = sniff.classify(await self._objects.head(record.incoming_key, sniff.HEAD_BYTES), record.mime_type)
        except ApiError as error:
            if error.code != "unsupported_media":
                raise
            raise UnreadableError(error.detail) from None
        if size > most_bytes(found.kind, self._limits):
            raise UnreadableError(f"too large for {found.kind}")
        return msgspec.structs.replace(record, kind=found.kind, mime_type=found.mime_type)

    async def _moved(self, record: Record) -> dict[str, object]:
        """To where it is shown, with the headers of what it turned out to be."""
        digest = hashlib.sha256()

        async def hashed() -> AsyncIterator[bytes]:
            async for chunk in self._objects.read(record.incoming_key):
                digest.update(chunk)
                yield chunk

        shown = names.disposition(record.file_name, inline=record.kind != "document")
        await self._objects.put(record.key, hashed(), record.mime_type, shown)
        return {"sha256": digest.hexdigest()}

    async def _as_it_is(self, record: Record) -> dict[str, object]:
        if record.sha256 is not None:
            return {}
        digest, size = hashlib.sha256(), 0
        async for chunk in self._objects.read(record.key):
            digest.update(chunk)
            size += len(chunk)
        return {"sha256": digest.hexdigest(), "size": size}

    async def _picture(self, record: Record) -> dict[str, object]:
        try:
            source = await self._objects.fetch(record.incoming_key, self._folder)
        except ApiError as error:
            if error.code == "not_found":
                raise UnreadableError("its bytes are gone") from None
            raise
        with source, _nameless(self._folder) as target, _nameless(self._folder) as thumbnail:
            found = await self._clean(source, target, thumbnail, record.mime_type)
            size = target.seek(0, 2)
            target.seek(0)
            sha256 = (await asyncio.to_thread(hashlib.file_digest, target, "sha256")).hexdigest()
            target.seek(0)
            thumbnail.seek(0)
            shown = names.disposition(record.file_name, inline=True)
            await self._objects.put(record.key, target, record.mime_type, shown)
            await self._objects.put(record.thumbnail_key, thumbnail, "image/jpeg", "inline")
        return msgspec.structs.asdict(found) | {"size": size, "sha256": sha256, "thumbnail": True}

    async def _clean(self, source: IO[bytes], target: IO[bytes], thumbnail: IO[bytes], mime_type: str) -> Found:
        told = {
            "memory_bytes": self._settings.worker_memory_bytes,
            "cpu_s": self._settings.worker_cpu_s,
            "target_fd": target.fileno(),
            "thumbnail_fd": thumbnail.fileno(),
            "mime_type": mime_type,
            "max_pixels": self._settings.max_pixels,
            "max_animation_pixels": self._settings.max_animation_pixels,
            "thumbnail_pixels": self._settings.thumbnail_pixels,
        }
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",
            "-m",
            "tidings.media.worker",
            msgspec.json.encode(told).decode(),
            stdin=source.fileno(),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            pass_fds=(target.fileno(), thumbnail.fileno()),
            env={"LANG": "C.UTF-8"},  # no secrets: they may stand in ours
            cwd="/",
        )
        try:
            out, err = await asyncio.wait_for(child.communicate(), self._settings.worker_timeout_s)
        except TimeoutError:
            metrics.FAULTS.labels("media worker timeout").inc()
            raise UnreadableError("took too long") from None
        finally:
            if child.returncode is None:
                child.kill()
                await child.wait()
        if child.returncode != 0:
            raise UnreadableError(f"exit {child.returncode}: {err[:300].decode(errors='replace')}")
        return msgspec.json.decode(out, type=Found)


def _nameless(folder: Path) -> BufferedRandom:
    return tempfile.TemporaryFile(dir=folder)
