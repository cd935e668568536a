"""The way of a push to its push service: over JetStream, so that it outlives restarts and a bad push service holds up
nobody but its own.

What is decided goes to `push.out`. What cannot be sent at once (the service is crowded, pauses, asks to come again)
moves to `push.again`, where it waits by delayed redelivery; so the first way is free at any time.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import msgspec
from msgspec import Raw
from prometheus_client import Counter

from tidings.contracts.events import PUSHES, PushEvent
from tidings.contracts.times import now_ms
from tidings.notification.origins import Origins
from tidings.notification.payload import Payload, ReadPush
from tidings.notification.people import People
from tidings.notification.post import Answer, Poster
from tidings.notification.provider import Push
from tidings.notification.settings import Settings
from tidings.notification.store import Store
from tidings.notification.webpush import Subscription, topic
from tidings.platform.bus import Bus
from tidings.platform.consumer import NotNow
from tidings.platform.outer import origin_of

WEB_PUSHES: Final = Counter("tidings_web_pushes_total", "Web pushes by what became of them", ["type", "outcome"])
OUT: Final = "push.out"
AGAIN: Final = "push.again"
WEB: Final = "webpush"

Publish = Callable[[str, bytes], Awaitable[None]]

_EVENT: Final[msgspec.json.Decoder[PushEvent]] = msgspec.json.Decoder(PushEvent)
_PAYLOAD: Final[msgspec.json.Decoder[Any]] = msgspec.json.Decoder(Payload)
_SUBSCRIPTION: Final[msgspec.json.Decoder[Subscription]] = msgspec.json.Decoder(Subscription)


class WebQueue:
    """The provider of targets of the kind `webpush`: puts pushes on their way."""

    def __init__(self, publish: Publish) -> None:
        self._publish = publish

    async def send(self, pushes: Sequence[Push]) -> None:
        """All of that kind, once JetStream has them."""
        now = now_ms()
        events = [_event(push, now) for push in pushes if push.target.kind == WEB]
        await asyncio.gather(*(self._publish(OUT, msgspec.json.encode(event)) for event in events))


class Deliverer:
    """Consumes `push.out` and `push.again`."""

    def __init__(self, people: People, store: Store, poster: Poster, publish: Publish, settings: Settings) -> None:
        self._people = people
        self._store = store
        self._poster = poster
        self._publish = publish
        self._settings = settings
        self._origins = Origins()

    async def start(self, bus: Bus) -> None:
        """Consume."""
        settings = self._settings
        await bus.consume(PUSHES, "push-out", [OUT], self.first, in_flight=settings.sending)
        await bus.consume(PUSHES, "push-again", [AGAIN], self.again, in_flight=settings.waiting)

    async def first(self, body: bytes) -> None:
        """A push that was just decided."""
        event = _EVENT.decode(body)
        wait_s = await self._deliver(event)
        if wait_s:
            event = msgspec.structs.replace(event, not_before_ms=now_ms() + int(wait_s * 1000))
            await self._publish(AGAIN, msgspec.json.encode(event))

    async def again(self, body: bytes) -> None:
        """One that had to wait. Raises NotNow when it has to wait longer."""
        event = _EVENT.decode(body)
        left_ms = event.not_before_ms - now_ms()
        wait_s = left_ms / 1000 if left_ms > 0 else await self._deliver(event)
        if wait_s:
            raise NotNow(wait_s)

    async def _deliver(self, event: PushEvent) -> float:
        """0 when that was it, else the seconds after which to try again. Raises ApiError `unavailable`."""
        if now_ms() - event.at_ms > self._settings.try_for_s * 1000:
            return self._ended(event, "late")
        if await self._store.is_overtaken(event.user_id, event.chat_id, event.kind, event.seq):
            return self._ended(event, "overtaken")
        target = await self._people.target(event.user_id, event.target_id)
        if target is None:
            return self._ended(event, "target gone")
        subscription = _SUBSCRIPTION.decode(target.address)
        origin = origin_of(subscription.endpoint)
        loop = asyncio.get_running_loop()
        wait_s = self._origins.enter(origin, loop.time())
        if wait_s:
            return wait_s
        answered = False
        try:
            answer = await self._poster.post(
                subscription, topic(event.chat_id, event.target_id), _PAYLOAD.decode(event.payload)
            )
            answered = answer.verdict != "later"
        finally:
            self._origins.leave(origin, answered, loop.time())
        return await self._conclude(event, answer)

    async def _conclude(self, event: PushEvent, answer: Answer) -> float:
        if answer.verdict == "later":
            WEB_PUSHES.labels(event.kind, "later").inc()
            return answer.wait_s + self._backoff_s(event)
        if answer.verdict == "gone":
            await self._people.drop_target(event.target_id)
        return self._ended(event, answer.verdict)

    def _backoff_s(self, event: PushEvent) -> float:
        """About as long again as it has been tried for: doubles without a count that somebody must keep."""
        tried_s = (now_ms() - event.at_ms) / 1000
        most_s = max(self._settings.again_first_s, min(tried_s, self._settings.again_most_s))
        return random.uniform(most_s / 2, most_s)  # noqa: S311

    def _ended(self, event: PushEvent, outcome: str) -> float:
        WEB_PUSHES.labels(event.kind, outcome).inc()
        return 0.0


def _event(push: Push, now: int) -> PushEvent:
    return PushEvent(
        user_id=push.target.user_id,
        target_id=push.target.id,
        chat_id=push.payload.chat_id,
        seq=push.payload.seq,
        kind="read" if isinstance(push.payload, ReadPush) else "message",
        payload=Raw(msgspec.json.encode(push.payload)),
        at_ms=now,
    )
