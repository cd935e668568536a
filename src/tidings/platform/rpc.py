"""gRPC between services: a server that checks the internal token, and channels that hand deadlines on.

Errors are ApiErrors on both sides; the code travels in the trailing metadata.
"""

import asyncio
import zlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, Generic, TypeVar

import grpc
import grpc.aio
from opentelemetry.trace import SpanKind

from tidings.contracts.errors import STATUS, ApiError
from tidings.platform import context, logging, metrics, tracing

_log = logging.get(__name__)

TOKEN_HEADER: Final = "x-internal-auth"  # noqa: S105  a header name
CODE_HEADER: Final = "tidings-code"
RETRY_HEADER: Final = "tidings-retry-after-ms"
MAX_MESSAGE_BYTES: Final = 32 * 1024 * 1024
# Probes of the bandwidth would send a ping with nearly every call, and a ping under way keeps keepalive from sending
# its own: windows are large instead, and every ping must be answered in time.
_TRANSPORT: Final = (
    ("grpc.http2.bdp_probe", 0),
    ("grpc.http2.lookahead_bytes", 4 * 1024 * 1024),
    ("grpc.http2.ping_timeout_ms", 3_000),
)
SERVER_OPTIONS: Final = (
    *_TRANSPORT,
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.so_reuseport", 0),  # a port in use is an error, not a share
    ("grpc.http2.min_ping_interval_without_data_ms", 4_000),
    ("grpc.keepalive_permit_without_calls", 1),
)
CHANNEL_OPTIONS: Final = (
    *_TRANSPORT,
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.keepalive_time_ms", 5_000),  # one that hangs is known to be away after both
    ("grpc.keepalive_timeout_ms", 3_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.enable_retries", 0),  # retries happen at one layer, ours
)

_GRPC_OF: Final = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    403: grpc.StatusCode.PERMISSION_DENIED,
    404: grpc.StatusCode.NOT_FOUND,
    409: grpc.StatusCode.ABORTED,
    410: grpc.StatusCode.FAILED_PRECONDITION,
    422: grpc.StatusCode.OUT_OF_RANGE,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    500: grpc.StatusCode.INTERNAL,
    503: grpc.StatusCode.UNAVAILABLE,
}

HUNG_S: Final = 1.0  # a call that waited longer than this in vain says something of the callee
AVOID_S: Final = 8.0  # after one: until keepalive has looked, others are asked where there are any

Stub = TypeVar("Stub")
Answer = TypeVar("Answer")
Register = Callable[[grpc.aio.Server], None]


def server(token: str, register: Sequence[Register], away: Sequence[type[Exception]] = ()) -> grpc.aio.Server:
    """A server with these servicers; add a port and start it. `away`: errors of a store that does not answer."""
    made = grpc.aio.server(
        interceptors=[_Edge(token, tuple(away))], options=SERVER_OPTIONS, maximum_concurrent_rpcs=4096
    )
    for add in register:
        add(made)
    return made


class _Edge(grpc.aio.ServerInterceptor):
    """Token, deadline, request id, span, metric and error code around every call."""

    def __init__(self, token: str, away: tuple[type[Exception], ...]) -> None:
        self._token, self._away = token, away

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        handler = await continuation(handler_call_details)
        if handler is None or handler.unary_unary is None:
            return handler
        method = handler_call_details.method.rpartition("/")[2]
        inner: Any = handler.unary_unary
        token, away = self._token, self._away

        async def serve(request: Any, call: "grpc.aio.ServicerContext[Any, Any]") -> Any:
            metadata = {key: value for key, value in call.invocation_metadata() or () if isinstance(value, str)}
            if metadata.get(TOKEN_HEADER) != token:
                await call.abort(grpc.StatusCode.UNAUTHENTICATED, "internal token missing or wrong")
            context.request_id.set(metadata.get("x-request-id", ""))
            loop = asyncio.get_running_loop()
            started = loop.time()
            code = "ok"
            try:
                with (
                    context.within(call.time_remaining()),
                    tracing.span(f"rpc {method}", kind=SpanKind.SERVER, parent=tracing.extract(metadata)),
                ):
                    return await inner(request, call)
            except ApiError as error:
                code = error.code
                await _abort(call, error)
            except grpc.aio.AbortError:
                raise
            except away as error:
                code = "unavailable"
                metrics.DEPENDENCY.labels("store").inc()
                _log.warning("a store did not answer", method=method, error=repr(error)[:300])
                await _abort(call, ApiError("unavailable", "not available at the moment", retry_after_ms=1000))
            except Exception:
                code = "internal"
                metrics.FAULTS.labels(f"rpc {method}").inc()
                _log.exception("rpc failed", method=method)
                await _abort(call, ApiError("internal"))
            finally:
                metrics.RPC_SERVED.labels(method, code).observe(loop.time() - started)

        return grpc.unary_unary_rpc_method_handler(
            serve, request_deserializer=handler.request_deserializer, response_serializer=handler.response_serializer
        )


async def _abort(call: "grpc.aio.ServicerContext[Any, Any]", error: ApiError) -> None:
    trailer = [(CODE_HEADER, error.code)]
    if error.retry_after_ms is not None:
        trailer.append((RETRY_HEADER, str(error.retry_after_ms)))
    await call.abort(_GRPC_OF.get(error.status, grpc.StatusCode.UNKNOWN), error.detail, tuple(trailer))


class Peers(Generic[Stub]):
    """The instances of one service, each with a channel and stub.

    A key (a chat id) has a home instance, so that one process numbers a chat; while that is away or hangs the next
    one in the key's own order serves it.
    """

    def __init__(self, name: str, targets: Sequence[str], stub: Callable[[grpc.aio.Channel], Stub], token: str) -> None:
        self.name = name
        self._token = token
        self._channels = [grpc.aio.insecure_channel(target, options=CHANNEL_OPTIONS) for target in targets]
        self._stubs = [stub(channel) for channel in self._channels]
        self._index_of = {id(call): n for n, made in enumerate(self._stubs) for call in vars(made).values()}
        self._avoid_until = [0.0] * len(self._stubs)
        self._next = 0

    def __len__(self) -> int:
        return len(self._stubs)

    def home(self, key: str) -> int:
        """The index of the instance for `key`: its home, or the next that is not known to be away."""
        return self._serving(zlib.crc32(key.encode()))

    def _serving(self, first: int) -> int:
        """The first instance from here on that is connected and does not hang; else one that may come; else this."""
        count = len(self._stubs)
        if count == 1 or self._doubt(first % count) == 0:  # asked for every frame
            return first % count
        return min(((first + step) % count for step in range(count)), key=self._doubt)

    def _doubt(self, index: int) -> int:
        state = self._channels[index].get_state(try_to_connect=True)
        if state is grpc.ChannelConnectivity.TRANSIENT_FAILURE:
            return 2
        if self._avoid_until[index] > asyncio.get_running_loop().time():
            return 2
        # One that hangs is connected to by the kernel, and never gets further.
        return 0 if state is grpc.ChannelConnectivity.READY else 1

    def at(self, index: int) -> Stub:
        """The stub of one instance."""
        return self._stubs[index]

    def stub(self, key: str | None = None) -> Stub:
        """The stub for `key`, or any in turn."""
        if key is not None:
            return self._stubs[self.home(key)]
        self._next += 1
        return self._stubs[self._serving(self._next)]

    async def call(
        self,
        method: Callable[..., Awaitable[Answer]],
        request: Any,
        *,
        timeout_s: float = 5.0,
        wait: bool = True,
    ) -> Answer:
        """Call `method` of a stub. Raises ApiError; a service that is away or late is `unavailable`.

        Waits for a connection within the deadline, so that a restart of the callee is a pause, not an error. Without
        `wait` one that is away is an error at once: for what an answer can do without.
        """
        loop = asyncio.get_running_loop()
        started = loop.time()
        name = getattr(method, "_method", b"").rpartition(b"/")[2].decode() or "call"
        headers = {TOKEN_HEADER: self._token}
        if request_id := context.request_id.get():
            headers["x-request-id"] = request_id
        tracing.inject(headers)
        code = "ok"
        try:
            return await method(
                request,
                timeout=context.remaining_s(timeout_s),
                metadata=tuple(headers.items()),
                wait_for_ready=wait,
            )
        except grpc.aio.AioRpcError as error:
            now = loop.time()
            if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED and now - started > HUNG_S:
                self._avoid_until[self._index_of[id(method)]] = now + AVOID_S
            raised = _from_grpc(self.name, error)
            code = raised.code
            raise raised from None
        finally:
            metrics.RPC_CALLED.labels(name, code).observe(loop.time() - started)

    async def close(self) -> None:
        """Close all channels."""
        for channel in self._channels:
            await channel.close(grace=0.5)


def _from_grpc(name: str, error: grpc.aio.AioRpcError) -> ApiError:
    trailer = dict(error.trailing_metadata() or ())
    code = trailer.get(CODE_HEADER)
    if isinstance(code, str) and code in STATUS:
        retry_after = trailer.get(RETRY_HEADER)
        return ApiError(code, error.details() or "", retry_after_ms=int(retry_after) if retry_after else None)
    metrics.DEPENDENCY.labels(name).inc()
    _log.warning("call failed", service=name, status=error.code().name, detail=error.details())
    return ApiError("unavailable", f"the {name} service cannot be reached at the moment")
