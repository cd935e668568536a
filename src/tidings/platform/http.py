"""The HTTP side of a service: a Litestar app behind one edge that knows who asks, until when, and how it went."""

import asyncio
import hmac
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import msgspec
from litestar import Litestar, Request, Response, get
from litestar.datastructures import State
from litestar.di import Provide
from litestar.enums import ScopeType
from litestar.exceptions import HTTPException, ValidationException
from litestar.handlers import BaseRouteHandler
from litestar.openapi import OpenAPIConfig
from litestar.openapi.datastructures import ResponseSpec
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from opentelemetry.trace import SpanKind, StatusCode

from tidings import __version__
from tidings.contracts.errors import ApiError, FieldError
from tidings.contracts.ids import new_id
from tidings.platform import context, logging, metrics, tracing

_log = logging.get(__name__)

PROBLEM: Final = "application/problem+json"
CODE_OF_STATUS: Final = {
    400: "invalid_request", 401: "unauthenticated", 403: "forbidden", 404: "not_found", 405: "method_not_allowed",
    413: "too_large", 415: "unsupported_media", 429: "rate_limited", 503: "unavailable",
}  # fmt: skip

ANSWER_S: Final = 9.0  # until an answer begins, not counting the time in which the body comes; a client waits 10 s

Check = Callable[[], Awaitable[object]]


def there_already(kind: Any) -> dict[int, ResponseSpec]:
    """For `responses` of a route that makes something (201) or finds that it is there (200): the second answer."""
    return {200: ResponseSpec(kind, generate_examples=False, description="It was there already")}


class Caller(msgspec.Struct, frozen=True):
    """Who asks, as the gateway established it; `base_url` is the gateway as this client reaches it."""

    user_id: str
    session_id: str
    base_url: str


class Health:
    """Readiness of this process: it takes work, and every check passes."""

    def __init__(self, checks: dict[str, Check]) -> None:
        self.checks = checks
        self.accepting = False

    async def failures(self) -> dict[str, str]:
        """Check name to reason; empty when ready."""
        if not self.accepting:
            return {"process": "starting or stopping"}
        names = list(self.checks)
        results = await asyncio.gather(
            *(asyncio.wait_for(self.checks[name](), 2) for name in names), return_exceptions=True
        )
        return {
            name: type(result).__name__
            for name, result in zip(names, results, strict=True)
            if isinstance(result, BaseException)
        }


def app(
    name: str,
    routes: Sequence[BaseRouteHandler | Any],
    health: Health,
    token: str,
    *,
    max_body: int,
    openapi: Callable[[dict[str, Any]], Awaitable[dict[str, Any]]] | None = None,
    away: Sequence[type[Exception]] = (),
    answer_s: float = ANSWER_S,
) -> ASGIApp:
    """The service's HTTP interface: `routes` under `/api/v1` and what operators ask: health, readiness, metrics.
    `away`: errors of a store that does not answer. `answer_s`: after this a request is `unavailable`."""

    @get("/health", sync_to_thread=False, include_in_schema=False)
    def alive() -> dict[str, str]:
        return {"status": "ok", "service": name, "version": __version__}

    @get("/ready", include_in_schema=False)
    async def ready() -> Response[dict[str, Any]]:
        failures = await health.failures()
        return Response({"ready": not failures, "failing": failures}, status_code=503 if failures else 200)

    @get("/metrics", sync_to_thread=False, include_in_schema=False)
    def exposition() -> Response[bytes]:
        body, kind = metrics.render()
        return Response(body, media_type=kind)

    @get("/openapi.json", include_in_schema=False)
    async def description(request: Request[Any, Any, Any]) -> dict[str, Any]:
        own = request.app.openapi_schema.to_schema()
        return own if openapi is None else await openapi(own)

    inner = Litestar(
        route_handlers=[alive, ready, exposition, description, *routes],
        dependencies={"caller": Provide(caller, sync_to_thread=False)},
        exception_handlers={
            ApiError: _on_api_error,
            ValidationException: _on_validation,
            HTTPException: _on_http_error,
            RecursionError: _on_recursion,
            Exception: _on_fault,
            **dict.fromkeys(away, _on_away),
        },
        openapi_config=OpenAPIConfig(
            title=f"Tidings {name}", version=__version__, path="/internal/schema", render_plugins=[]
        ),
        request_max_body_size=max_body,
        state=State({"service": name}),
        logging_config=None,
    )
    return _Edge(inner, token, answer_s)


def caller(request: Request[Any, Any, Any]) -> Caller:
    """The signed-in person. Raises ApiError `unauthenticated` when the gateway named none."""
    user_id = request.headers.get("x-user-id", "")
    if not user_id:
        raise ApiError("unauthenticated")
    return Caller(user_id, request.headers.get("x-session-id", ""), base_url(request))


def base_url(request: Request[Any, Any, Any]) -> str:
    """Scheme and authority under which this client reaches the gateway."""
    scheme = request.headers.get("x-forwarded-proto", "http")
    return f"{scheme}://{request.headers.get('host', 'localhost')}"


class _Edge:
    """Request id, internal token, deadline, span, metric and access to nothing without them."""

    OPEN: Final = frozenset({"/health", "/ready", "/metrics", "/openapi.json"})

    def __init__(self, inner: ASGIApp, token: str, timeout_s: float) -> None:
        self._inner = inner
        self._token = token.encode()
        self._timeout_s = timeout_s
        self._late: set[asyncio.Task[None]] = set()  # cancelled, not ended yet

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await self._inner(scope, receive, send)
            return
        method = str(scope.get("method", ""))
        headers = {key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]}
        request_id = headers.get("x-request-id", "")[:64] or new_id()
        context.request_id.set(request_id)
        loop = asyncio.get_running_loop()
        started = loop.time()
        status = 0
        # An upload takes the time it takes: the limit counts from its end, and until an answer begins.
        has_body = headers.get("content-length", "0") != "0" or "transfer-encoding" in headers
        limit, serving = asyncio.timeout(None if has_body else self._timeout_s), False

        async def receive_on() -> Any:
            message = await receive()
            if message["type"] == "http.request" and not message.get("more_body") and not status:
                limit.reschedule(loop.time() + self._timeout_s)
            return message

        async def send_on(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                if serving and not limit.expired():
                    limit.reschedule(None)
                message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode())]
            await send(message)

        name = f"{method} {_family(scope['path'])}"
        with tracing.span(name, kind=SpanKind.SERVER, parent=tracing.extract(headers)) as span:
            try:
                if scope["path"] not in self.OPEN and not hmac.compare_digest(
                    headers.get("x-internal-auth", "").encode(), self._token
                ):
                    await _refuse(send_on, ApiError("unauthenticated"), request_id)
                    return
                with context.within(self._timeout_s):
                    serving = True
                    await self._in_time(limit, scope, receive_on, send_on)
            except TimeoutError:
                if not limit.expired() or status:
                    raise
                metrics.DEPENDENCY.labels("deadline").inc()
                await _refuse(send_on, ApiError("unavailable", "not done in time", retry_after_ms=1000), request_id)
            finally:
                span.set_attribute("http.response.status_code", status)
                if status >= 500:
                    span.set_status(StatusCode.ERROR)
                if scope["path"] not in self.OPEN:
                    route = str(scope.get("path_template", "-"))
                    metrics.HTTP.labels(method, route, str(status)).observe(loop.time() - started)
                    _log.info(
                        "request",
                        method=method,
                        route=route,
                        status=status,
                        ms=round((loop.time() - started) * 1e3, 1),
                    )

    async def _in_time(self, limit: asyncio.Timeout, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve, but no longer than `limit`. Whoever asked does not wait for what is cancelled to end: a driver whose
        server hangs may need as long again to notice."""

        async def send_on(message: Message) -> None:
            if not limit.expired():
                await send(message)

        async def work() -> None:
            await self._inner(scope, receive, send_on)

        task = asyncio.create_task(work())
        try:
            async with limit:
                await asyncio.shield(task)
        finally:
            if not task.done():
                self._late.add(task)
                task.add_done_callback(self._ended_late)
                task.cancel()

    def _ended_late(self, task: "asyncio.Task[None]") -> None:
        self._late.discard(task)
        if not task.cancelled() and task.exception() is not None:
            _log.warning("a request that was given up failed", error=repr(task.exception())[:300])


def _family(path: str) -> str:
    return "/".join(part if len(part) < 24 else "{id}" for part in path.split("/"))


async def _refuse(send: Send, error: ApiError, request_id: str) -> None:
    body = msgspec.json.encode(error.problem(request_id))
    own = {"content-type": PROBLEM, "content-length": str(len(body))}
    headers = [(name.encode(), value.encode()) for name, value in (own | retry_headers(error)).items()]
    await send({"type": "http.response.start", "status": error.status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})


def retry_headers(error: ApiError) -> dict[str, str]:
    """When to come again, and how many are allowed in that time where that is the reason."""
    wait_ms = 1000 if error.retry_after_ms is None and error.status == 503 else error.retry_after_ms
    if wait_ms is None:
        return {}
    wait = str(max(1, -(-wait_ms // 1000)))
    if error.limit is None:
        return {"retry-after": wait}
    return {
        "retry-after": wait,
        "ratelimit-limit": str(error.limit),
        "ratelimit-remaining": "0",
        "ratelimit-reset": wait,
    }


def _respond(error: ApiError) -> Response[Any]:
    return Response(
        msgspec.json.encode(error.problem(context.request_id.get())),
        status_code=error.status,
        media_type=PROBLEM,
        headers=retry_headers(error),
    )


def _on_away(_: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    metrics.DEPENDENCY.labels("store").inc()
    _log.warning("a store did not answer", error=repr(error)[:300])
    return _respond(ApiError("unavailable", "not available at the moment", retry_after_ms=1000))


def _on_api_error(_: Request[Any, Any, Any], error: ApiError) -> Response[Any]:
    return _respond(error)


def _on_validation(_: Request[Any, Any, Any], error: ValidationException) -> Response[Any]:
    extra = error.extra if isinstance(error.extra, list) else []
    fields = [
        FieldError(str(item.get("key", "")), str(item.get("message", ""))) for item in extra if isinstance(item, dict)
    ]
    detail = "; ".join(f"{item.field}: {item.message}" if item.field else item.message for item in fields)
    return _respond(ApiError("invalid_request", detail, errors=fields or None))


def _on_http_error(_: Request[Any, Any, Any], error: HTTPException) -> Response[Any]:
    code = CODE_OF_STATUS.get(error.status_code, "invalid_request" if error.status_code < 500 else "internal")
    return _respond(ApiError(code, error.detail if error.status_code == 400 else ""))


def _on_recursion(request: Request[Any, Any, Any], error: RecursionError) -> Response[Any]:
    """JSON that is nested too deep makes the decoder raise this; anywhere else it is a fault of ours."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is not None and trace.tb_frame.f_globals.get("__name__", "").startswith("litestar.serialization"):
        return _respond(ApiError("invalid_request", "nested too deep"))
    return _on_fault(request, error)


def _on_fault(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    metrics.FAULTS.labels(f"http {request.method}").inc()
    _log.error("request failed", exc_info=error)
    return _respond(ApiError("internal"))
