"""One call to a push service, bounded in time and in what is read of the answer."""

import asyncio
import time
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Final, Literal

import httpcore
import msgspec
from opentelemetry.trace import SpanKind
from prometheus_client import Histogram

from tidings.notification import webpush
from tidings.notification.dial import FAILURES, InnerError, OuterBackend
from tidings.notification.payload import MessagePush, Payload, fitted
from tidings.notification.webpush import Subscription, Tokens, UnusableError, Verdict
from tidings.platform import logging, tracing
from tidings.platform.outer import is_outer, origin_of

_log = logging.get(__name__)

CALLS: Final = Histogram("tidings_web_push_seconds", "Calls to push services", ["status"])

CONNECT_S: Final = 5.0
DEADLINE_S: Final = 10.0  # for all of a call: what takes longer comes again
IDLE_S: Final = 60.0  # how long a connection is kept for the next call
CONNECTIONS: Final = 512
ANSWER_BYTES: Final = 4096  # read of an answer, so that its connection can be used again; more ends it
PAYLOAD_BYTES: Final = 3000  # push services differ in what they take up to 4,096; this little goes everywhere

Urgency = Literal["high", "low"]


class Answer(msgspec.Struct, frozen=True):
    """What came of it; `wait_s` is what the push service asks for, 0 when nothing."""

    verdict: Verdict
    wait_s: float = 0.0


class Poster:
    """Calls push services over kept connections."""

    def __init__(
        self,
        pool: httpcore.AsyncConnectionPool,
        tokens: Tokens,
        allowed: Collection[str],
        ttl_s: int,
        wait_most_s: float,
    ) -> None:
        self._pool = pool
        self._tokens = tokens
        self._allowed = allowed
        self._ttl_s = ttl_s
        self._wait_most_s = wait_most_s

    async def post(self, subscription: Subscription, topic: str, payload: Payload) -> Answer:
        """Send one push; what is too large once more without its text."""
        try:
            answer = await self._once(subscription, topic, payload, fitted(payload, PAYLOAD_BYTES))
            if answer.verdict == "too large" and isinstance(payload, MessagePush) and payload.text is not None:
                bare = msgspec.structs.replace(payload, text=None)
                answer = await self._once(subscription, topic, bare, msgspec.json.encode(bare))
        except UnusableError:
            return Answer("gone")
        return answer

    async def _once(self, subscription: Subscription, topic: str, payload: Payload, body: bytes) -> Answer:
        endpoint = subscription.endpoint
        if not is_outer(endpoint, self._allowed):  # registered while it was allowed
            return Answer("refused")
        origin = origin_of(endpoint)
        headers = {
            "authorization": self._tokens.authorization(endpoint, time.time()),
            "content-encoding": "aes128gcm",
            "content-type": "application/octet-stream",
            "ttl": str(self._ttl_s),
            "urgency": "high" if isinstance(payload, MessagePush) else "low",
            "topic": topic,
        }
        sealed = webpush.encrypt(body, subscription.keys)
        began = time.monotonic()
        with tracing.span("web push", kind=SpanKind.CLIENT, origin=origin) as span:
            status, asked = await self._call(endpoint, headers, sealed)
            span.set_attribute("status", status)
        took_s = time.monotonic() - began
        CALLS.labels(str(status)).observe(took_s)
        answer = Answer("refused") if status == "inner" else Answer("later")
        if isinstance(status, int):
            answer = Answer(webpush.verdict(status), webpush.retry_after_s(asked, time.time(), self._wait_most_s))
        # The endpoint itself is a credential: only where it leads is told.
        _log.info("web push", origin=origin, status=status, outcome=answer.verdict, ms=round(took_s * 1e3, 1))
        return answer

    async def _call(self, endpoint: str, headers: dict[str, str], body: bytes) -> tuple[int | str, str]:
        """Status and `Retry-After`; `inner` or `unreachable` when there was no answer."""
        timeouts = {"connect": CONNECT_S, "read": DEADLINE_S, "write": DEADLINE_S, "pool": DEADLINE_S}
        try:
            async with (
                asyncio.timeout(DEADLINE_S),
                self._pool.stream(
                    "POST", endpoint, headers=list(headers.items()), content=body, extensions={"timeout": timeouts}
                ) as answer,
            ):
                told = {name.lower(): value for name, value in answer.headers}
                await _read(answer)
                return answer.status, told.get(b"retry-after", b"").decode("latin-1")
        except InnerError:
            return "inner", ""
        except FAILURES as error:
            _log.debug("no answer from a push service", error=type(error).__name__)
            return "unreachable", ""


async def _read(answer: httpcore.Response) -> None:
    seen = 0
    async for part in answer.aiter_stream():
        seen += len(part)
        if seen > ANSWER_BYTES:
            return


@asynccontextmanager
async def connections(allowed: Collection[str]) -> AsyncIterator[httpcore.AsyncConnectionPool]:
    """The pool: no redirects, no proxies, no addresses of this network."""
    async with httpcore.AsyncConnectionPool(
        max_connections=CONNECTIONS,
        max_keepalive_connections=CONNECTIONS // 8,
        keepalive_expiry=IDLE_S,
        network_backend=OuterBackend(allowed),
    ) as pool:
        yield pool
