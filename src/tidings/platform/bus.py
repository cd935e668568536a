"""Events over NATS: publishing to JetStream, durable consumers with dead letters, and plain broadcasts.

Delivery is at least once and, within a partition, in order as long as nothing fails; consumers are idempotent.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
import nats
import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.api import DiscardPolicy, Header, StorageType, StreamConfig
from nats.js.client import JetStreamContext
from nats.js.errors import APIError, BadRequestError

from tidings.contracts.errors import ApiError
from tidings.contracts.events import CHATS, DEAD, MESSAGES, PUSHES, STREAMS, USERS
from tidings.contracts.times import now_ms
from tidings.platform import logging, metrics, retry, tracing
from tidings.platform.consumer import UNREACHABLE, Consumer, Handler

_log = logging.get(__name__)

PUBLISH_TIMEOUT_S: Final = 3.0
STREAM_AGE_S: Final = 3 * 86_400.0
DEAD_AGE_S: Final = 14 * 86_400.0
STREAM_BYTES: Final = {MESSAGES: 1 << 30, CHATS: 128 << 20, USERS: 16 << 20, PUSHES: 128 << 20, DEAD: 128 << 20}
STREAM_DIFFERS: Final = 10058  # error code: a stream of this name is there, and is another


class Bus:
    """One connection to NATS. Owns reconnection; publishers see errors, consumers wait."""

    def __init__(self, client: Client, namespace: str) -> None:
        self._client = client
        self._js: JetStreamContext = client.jetstream(timeout=PUBLISH_TIMEOUT_S)
        self._prefix = "" if namespace == "tidings" else f"{namespace}."
        self._namespace = namespace
        self.server_id = str(client._server_info.get("server_id", ""))  # of the NATS process: new at each of its starts
        self._ahead_s = 0.0  # what the clock of NATS shows beyond this loop's
        self._consumers: list[Consumer] = []
        self._restarted: list[Callable[[], Awaitable[None]]] = []
        self._tasks: set[asyncio.Task[None]] = set()

    def subject(self, name: str) -> str:
        """The subject on the wire."""
        return self._prefix + name

    def stream(self, name: str) -> str:
        """The stream on the wire; two systems that share a NATS have their own."""
        return name if not self._prefix else f"{self._namespace}_{name}".replace(".", "_")

    @property
    def connected(self) -> bool:
        """Whether the connection stands at this moment."""
        return bool(self._client.is_connected)

    async def ping(self) -> None:
        """Raises when NATS does not answer within a second."""
        await self._client.flush(timeout=1)

    def on_server_start(self, action: Callable[[], Awaitable[None]]) -> None:
        """Call `action` after each reconnection to a NATS process that was newly started."""
        self._restarted.append(action)

    async def read_clock(self, stream: str) -> None:
        """Learn what time it is for NATS: ours may be wrong."""
        # nats-py leaves the server's time out of its StreamInfo.
        info = await self._js._api_request(f"{self._js._prefix}.STREAM.INFO.{stream}", b"", timeout=PUBLISH_TIMEOUT_S)
        self._ahead_s = datetime.fromisoformat(info["ts"]).timestamp() - asyncio.get_running_loop().time()

    def server_time(self) -> datetime:
        """The time by the clock of NATS, which stamps the events."""
        return datetime.fromtimestamp(asyncio.get_running_loop().time() + self._ahead_s, UTC)

    async def publish(self, subject: str, body: bytes, *, message_id: str = "") -> None:
        """Store an event in its stream; returns when JetStream has it. Raises ApiError `unavailable`.

        The stream takes a `message_id` once within its window (2 minutes): it saves consumers most repetitions, and
        none may rely on it.
        """
        future = await self.start_publish(subject, body, message_id=message_id)
        try:
            await asyncio.wait_for(future, PUBLISH_TIMEOUT_S)
        except (*UNREACHABLE, APIError) as error:
            raise ApiError("unavailable", "events cannot be published at the moment") from error

    async def start_publish(self, subject: str, body: bytes, *, message_id: str = "") -> "asyncio.Future[Any]":
        """Send an event and return the future of its acknowledgement: calls made in turn are stored in turn."""
        headers = dict(tracing.inject({})) | ({Header.MSG_ID.value: message_id} if message_id else {})
        try:
            future = await self._js.publish_async(
                self.subject(subject), body, wait_stall=PUBLISH_TIMEOUT_S, headers=headers or None
            )
        except UNREACHABLE as error:
            metrics.EVENTS_PUBLISHED.labels(_family(subject), "failed").inc()
            raise ApiError("unavailable", "events cannot be published at the moment") from error
        future.add_done_callback(lambda done: _count_publish(subject, done))
        return future

    async def broadcast(self, subject: str, *events: msgspec.Struct) -> None:
        """Tell every live instance, at most once; returns when NATS has all. Failures are logged: what a
        broadcast drops from caches expires there by itself."""
        try:
            for event in events:
                await self._client.publish(self.subject(subject), msgspec.json.encode(event))
            await self._client.flush(timeout=1)
        except UNREACHABLE as error:
            metrics.EVENTS_PUBLISHED.labels(subject, "failed").inc()
            _log.warning("broadcast failed", subject=subject, error=repr(error))

    async def listen(self, subject: str, kind: type[Any], action: Callable[[Any], Awaitable[None]]) -> None:
        """Call `action` with each broadcast of `subject`."""

        async def receive(message: Msg) -> None:
            try:
                await action(msgspec.json.decode(message.data, type=kind))
            except Exception:
                metrics.FAULTS.labels(f"broadcast {subject}").inc()
                _log.exception("broadcast handler failed", subject=subject)

        await self._client.subscribe(self.subject(subject), cb=receive)

    async def consume(
        self,
        stream: str,
        name: str,
        subjects: list[str],
        handler: Handler,
        *,
        in_flight: int = 1,
        skip_older_s: float | None = None,
    ) -> "Consumer":
        """Start a durable consumer that all instances share. `in_flight` 1 keeps the order of its subjects."""
        consumer = Consumer(self, stream, name, subjects, handler, in_flight, skip_older_s)
        self._consumers.append(consumer)
        await retry.until("nats", consumer.start, timeout_s=30, errors=(*UNREACHABLE, APIError))
        return consumer

    async def bury(self, consumer: str, subject: str, body: bytes, error: Exception, sequence: int = 0) -> None:
        """Keep an event, or the part of one that cannot be worked on, for an operator to look at and replay."""
        headers = {
            "Tidings-Subject": subject,
            "Tidings-Sequence": str(sequence),
            "Tidings-Consumer": consumer,
            "Tidings-Error": repr(error)[:500].replace("\n", " ").replace("\r", " "),
            "Tidings-At": str(now_ms()),
        }
        await self._js.publish(self.subject(f"dead.{consumer}"), body, headers=headers)

    async def ensure_streams(self) -> None:
        """Create the streams that are not there. Safe from every instance at once."""
        for name, subjects in STREAMS.items():
            config = StreamConfig(
                name=self.stream(name),
                subjects=[self.subject(subject) for subject in subjects],
                storage=StorageType.FILE,
                discard=DiscardPolicy.OLD,
                max_age=DEAD_AGE_S if name == DEAD else STREAM_AGE_S,
                max_bytes=STREAM_BYTES[name],
                duplicate_window=0,
            )
            try:
                await self._js.add_stream(config)
            except BadRequestError as error:
                if error.err_code != STREAM_DIFFERS:
                    raise
                await self._add_subjects(config)

    async def _add_subjects(self, wanted: StreamConfig) -> None:
        """A stream that is there with other limits keeps them, as an operator set them; one of an earlier release
        gets the subjects that it lacks."""
        there = (await self._js.stream_info(str(wanted.name))).config
        had = there.subjects or []
        missing = [subject for subject in wanted.subjects or [] if not any(_covers(wide, subject) for wide in had)]
        if missing:
            there.subjects = [*had, *missing]
            await self._js.update_stream(there)
            _log.info("stream has new subjects", stream=wanted.name, subjects=missing)

    async def reconnected(self) -> None:
        """After a reconnection: NATS may be a new process, with an older or an empty store."""
        server_id = str(self._client._server_info.get("server_id", ""))
        is_new, self.server_id = server_id != self.server_id, server_id
        _log.info("nats connection is back", new_server=is_new)
        with contextlib.suppress(asyncio.CancelledError):
            await retry.until("nats", self.ensure_streams, timeout_s=60, errors=(*UNREACHABLE, APIError))
            for consumer in self._consumers:
                await retry.until("nats", consumer.ensure, timeout_s=60, errors=(*UNREACHABLE, APIError))
            if is_new:
                for action in self._restarted:
                    await action()

    def reconnected_soon(self) -> None:
        """Run `reconnected` beside the read loop, which must go on for it to get answers."""
        task = asyncio.create_task(self.reconnected())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Stop consumers, send what is buffered, close."""
        for consumer in self._consumers:
            await consumer.stop()
        for task in self._tasks:  # what did not end by itself comes again
            task.cancel()
        with contextlib.suppress(*UNREACHABLE):
            await self._client.flush(timeout=1)
        await self._client.close()


def _covers(wide: str, subject: str) -> bool:
    """Whether a subject with wildcards takes all that another does."""
    ours, theirs = wide.split("."), subject.split(".")
    if ours[-1] == ">":
        ours, theirs = ours[:-1], theirs[: len(ours) - 1]
    return len(ours) == len(theirs) and all(a in ("*", b) for a, b in zip(ours, theirs, strict=True))


def _family(subject: str) -> str:
    """The subject without its partition, for metrics."""
    return subject.rstrip("0123456789").rstrip(".")


def _count_publish(subject: str, done: "asyncio.Future[Any]") -> None:
    failed = done.cancelled() or done.exception() is not None
    metrics.EVENTS_PUBLISHED.labels(_family(subject), "failed" if failed else "ok").inc()


@asynccontextmanager
async def connect(url: str, namespace: str, name: str) -> AsyncIterator[Bus]:
    """Connect, create the streams, and keep connected for as long as the block lasts."""
    bus: Bus | None = None

    async def on_reconnect() -> None:
        if bus is not None:
            bus.reconnected_soon()

    async def on_error(error: Exception) -> None:
        metrics.DEPENDENCY.labels("nats").inc()
        _log.warning("nats error", error=repr(error))

    async def attempt() -> Client:
        return await nats.connect(
            url,
            name=name,
            allow_reconnect=True,
            max_reconnect_attempts=-1,
            reconnect_time_wait=0.2,
            connect_timeout=2,
            ping_interval=5,
            max_outstanding_pings=2,
            pending_size=16 * 1024 * 1024,
            reconnected_cb=on_reconnect,
            error_cb=on_error,
        )

    client = await retry.until("nats", attempt, timeout_s=30, errors=UNREACHABLE)
    bus = Bus(client, namespace)
    try:
        await retry.until("nats", bus.ensure_streams, timeout_s=30, errors=(*UNREACHABLE, APIError))
        yield bus
    finally:
        await bus.close()
