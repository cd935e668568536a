"""A durable consumer of a stream: acknowledges after the work, waits while a dependency is away, buries what fails."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import nats.errors
from nats.aio.msg import Msg
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy
from nats.js.errors import APIError, BadRequestError, NotFoundError
from opentelemetry.trace import SpanKind

from tidings.contracts.errors import ApiError
from tidings.platform import logging, metrics, retry, tracing

if TYPE_CHECKING:
    from tidings.platform.bus import Bus

_log = logging.get(__name__)

UNREACHABLE: Final = (nats.errors.Error, OSError, TimeoutError)
ACK_WAIT_S: Final = 5.0  # how long a killed holder keeps a partition waiting; long work is extended at a third of it
POISON_TRIES: Final = 3
REPLAY_S: Final = 180.0  # what NATS may have lost when it was not stopped cleanly: its sync interval, and some

Handler = Callable[[bytes], Awaitable[None]]


class NotNow(Exception):  # noqa: N818  no error: nothing is logged or counted as one
    """What a handler raises for an event that is to come again after `delay_s`, to whichever instance."""

    def __init__(self, delay_s: float) -> None:
        super().__init__(f"again in {delay_s:.1f} s")
        self.delay_s = delay_s


class Consumer:
    """A durable push consumer with manual acknowledgement after the work.

    A handler that raises ApiError with a retryable code (a dependency is away) is tried again until it works, one
    that raises NotNow when it says.
    Any other error three times, then the event goes to `dead.<name>` and the rest goes on.
    """

    def __init__(
        self,
        bus: "Bus",
        stream: str,
        name: str,
        subjects: list[str],
        handler: Handler,
        in_flight: int,
        skip_older_s: float | None,
    ) -> None:
        self._bus = bus
        self._stream = bus.stream(stream)
        self._name = name if not bus._prefix else f"{bus._namespace}_{name}".replace(".", "_")
        self._plain_name = name
        self._subjects = [bus.subject(subject) for subject in subjects]
        self._handler = handler
        self._in_flight = in_flight
        self._skip_older_s = skip_older_s
        self._deliver = bus.subject(f"deliver.{name}")
        self._subscription: Any = None
        self._idle = asyncio.Event()
        self._idle.set()
        self._working = 0

    async def start(self) -> None:
        """Create the consumer if need be and begin to receive."""
        await self.ensure()
        if self._subscription is None:
            self._subscription = await self._bus._client.subscribe(self._deliver, queue=self._name, cb=self._receive)

    async def ensure(self) -> None:
        """Make sure the consumer exists and does not stand beyond the end of its stream, where it would be silent
        until the stream caught up: that happens when NATS lost its tail but not the consumer's state."""
        js = self._bus._js
        await self._bus.read_clock(self._stream)
        try:
            info = await js.consumer_info(self._stream, self._name)
        except NotFoundError:
            await self._create(DeliverPolicy.NEW if self._skip_older_s else DeliverPolicy.ALL, None)
            return
        last = (await js.stream_info(self._stream)).state.last_seq
        if info.delivered is not None and info.delivered.stream_seq > last:
            _log.warning(
                "consumer was ahead of its stream", consumer=self._name, at=info.delivered.stream_seq, last=last
            )
            await js.delete_consumer(self._stream, self._name)
            await self._create(DeliverPolicy.BY_START_TIME, self._bus.server_time() - timedelta(seconds=REPLAY_S))

    async def _create(self, policy: DeliverPolicy, start: datetime | None) -> None:
        config = ConsumerConfig(
            durable_name=self._name,
            deliver_subject=self._deliver,
            deliver_group=self._name,
            deliver_policy=policy,
            opt_start_time=start,
            ack_policy=AckPolicy.EXPLICIT,
            ack_wait=ACK_WAIT_S,
            max_deliver=-1,  # we count ourselves: the server would drop in silence
            max_ack_pending=self._in_flight,
            filter_subjects=self._subjects,
        )
        try:
            await self._bus._js.add_consumer(self._stream, config)
        except BadRequestError as error:
            if error.err_code not in (10013, 10148):  # another instance was first
                raise

    async def stop(self) -> None:
        """Take no more events and finish the one at work."""
        if self._subscription is not None:
            with contextlib.suppress(*UNREACHABLE):
                await self._subscription.unsubscribe()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ACK_WAIT_S):
                await self._idle.wait()

    async def _receive(self, message: Msg) -> None:
        if self._in_flight == 1:
            await self._work(message)
        else:
            task = asyncio.create_task(self._work(message))
            self._bus._tasks.add(task)
            task.add_done_callback(self._bus._tasks.discard)

    async def _work(self, message: Msg) -> None:
        loop = asyncio.get_running_loop()
        started = loop.time()
        self._working += 1
        self._idle.clear()
        progress = asyncio.create_task(_keep_alive(message))
        outcome = "ok"
        try:
            if not self._too_old(message):
                with tracing.span(
                    f"consume {self._plain_name}", kind=SpanKind.CONSUMER, parent=tracing.extract(message.headers or {})
                ):
                    await self._handler(message.data)
            await message.ack()
        except NotNow as wish:
            outcome = await self._postponed(message, wish)
        except Exception as error:
            outcome = await self._failed(message, error)
        finally:
            progress.cancel()
            self._working -= 1
            if not self._working:
                self._idle.set()
            metrics.EVENTS_CONSUMED.labels(self._plain_name, outcome).observe(loop.time() - started)

    def _too_old(self, message: Msg) -> bool:
        if self._skip_older_s is None:
            return False
        return (self._bus.server_time() - message.metadata.timestamp).total_seconds() > self._skip_older_s

    async def _postponed(self, message: Msg, wish: NotNow) -> str:
        with contextlib.suppress(*UNREACHABLE):  # then it comes again by itself, after ACK_WAIT_S
            await message.nak(delay=wish.delay_s)
        return "postponed"

    async def _failed(self, message: Msg, error: Exception) -> str:
        tries = message.metadata.num_delivered
        transient = isinstance(error, (*UNREACHABLE, ApiError)) and getattr(error, "code", "unavailable") in (
            "unavailable",
            "overloaded",
        )
        try:
            if transient or tries < POISON_TRIES:
                _log.warning("event will be tried again", consumer=self._plain_name, tries=tries, error=repr(error))
                await message.nak(delay=retry.backoff_s(tries, first_s=0.1))
                return "retried"
            metrics.DEAD_LETTERS.labels(self._plain_name).inc()
            _log.error("event given up", consumer=self._plain_name, subject=message.subject, exc_info=error)
            await self._bury(message, error)
            await message.term()
        except (*UNREACHABLE, APIError, ApiError) as failure:
            _log.warning("could not answer for an event: it will come again", error=repr(failure))
            return "unanswered"
        return "dead"

    async def _bury(self, message: Msg, error: Exception) -> None:
        subject = message.subject.removeprefix(self._bus._prefix)
        await self._bus.bury(self._plain_name, subject, message.data, error, message.metadata.sequence.stream)


async def _keep_alive(message: Msg) -> None:
    """Tell JetStream that the work goes on, so that no other instance gets the event too."""
    while True:
        await asyncio.sleep(ACK_WAIT_S / 3)
        with contextlib.suppress(*UNREACHABLE):
            await message.in_progress()
