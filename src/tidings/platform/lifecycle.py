"""The life of a service process: settings, logs, parts, servers, work, and an orderly end on SIGTERM."""

import asyncio
import contextlib
import gc
import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn, TypeVar

import uvicorn
import uvloop

from tidings.platform import http, logging, metrics, rpc, tracing
from tidings.platform.secrets import secret
from tidings.platform.settings import WRONG_SETTINGS, Common, SettingsError, load

HTTP_PORTS: Final = {
    "auth": 8081, "user": 8082, "chat": 8083, "message": 8084, "notification": 8085, "media": 8086, "websocket": 8087,
    "gateway": 8088,
}  # fmt: skip
GRPC_OFFSET: Final = 1000
END_GRACE_S: Final = 3.0  # beyond the time to drain; supervisors kill 20 s after SIGTERM

S = TypeVar("S", bound=Common)


@dataclass
class Servers:
    """What a service serves, once its parts are built."""

    routes: Sequence[Any] | None = None  # None: the service runs its own HTTP listener
    grpc: Sequence[rpc.Register] = ()
    checks: dict[str, http.Check] = field(default_factory=dict)
    health: http.Health | None = None
    max_body: int = 256 * 1024
    away: Sequence[type[Exception]] = ()  # errors of a store that does not answer: `unavailable`, not `internal`
    answer_s: float = http.ANSWER_S
    openapi: Callable[[dict[str, Any]], Awaitable[dict[str, Any]]] | None = None  # makes more of that of `routes`


def background(name: str, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
    """Start work that lasts as long as the process. If it fails the process ends, so that a supervisor starts it
    anew: a service that lives on without one of its parts looks healthy and is not."""
    task = asyncio.create_task(work, name=name)
    task.add_done_callback(_end_process_on_failure)
    return task


async def end(tasks: Iterable["asyncio.Task[Any]"]) -> None:
    """Cancel and wait. Asked again each second: where a library turns a cancellation into an error of its own,
    which the task then bears, it would else go on for ever."""
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=1)


def _end_process_on_failure(task: "asyncio.Task[None]") -> None:
    if task.cancelled() or task.exception() is None:
        return
    metrics.FAULTS.labels(f"task {task.get_name()}").inc()
    logging.get(__name__).error("a part of the service failed", part=task.get_name(), exc_info=task.exception())
    signal.raise_signal(signal.SIGTERM)


def http_port(section: str, settings: Common) -> int:
    """The HTTP port of a service: as set, or its usual one."""
    return settings.http_port or HTTP_PORTS[section]


def instance(section: str, settings: Common) -> str:
    """The name of this process among its like."""
    return settings.instance or f"{section}-1"


def internal_token(settings: Common) -> str:
    """What proves to a service that a call comes from inside."""
    return secret(settings.data_dir, "internal_token")


def run(section: str, kind: type[S], build: Callable[[S], AbstractAsyncContextManager[Servers]]) -> NoReturn:
    """Run a service until SIGTERM or SIGINT. Wrong settings, wherever they are found, end it with 2 and one line that
    says why: another start would be in vain."""
    try:
        settings = load(kind, section)
    except SettingsError as error:
        _refuse(section, error)
    logging.setup(section, instance(section, settings), settings.log_level)
    tracing.setup(section, instance(section, settings), settings.otlp_endpoint, settings.trace_sample)
    try:
        uvloop.run(_serve(section, settings, build))
    except SettingsError as error:
        _refuse(section, error)
    except Exception as error:
        logging.get(__name__).error("service ended by an error", exc_info=error)
        os._exit(1)  # worker threads of libraries must not keep a failed process
    tracing.shutdown()
    sys.exit(0)


def _refuse(section: str, error: SettingsError) -> NoReturn:
    print(f"tidings {section}: {error}", file=sys.stderr, flush=True)  # noqa: T201
    os._exit(WRONG_SETTINGS)


async def _serve(section: str, settings: S, build: Callable[[S], AbstractAsyncContextManager[Servers]]) -> None:
    """Until told to stop, also while the parts are being built: that may be waiting for a store."""
    built, stop = asyncio.Event(), asyncio.Event()
    work = asyncio.create_task(_work(section, settings, build, built, stop), name=section)

    def on_signal() -> None:
        stop.set()
        if not built.is_set():
            _end_in_time(settings.drain_timeout_s + END_GRACE_S)
            work.cancel()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    await asyncio.wait({work})
    if not work.cancelled():
        work.result()


async def _work(
    section: str,
    settings: S,
    build: Callable[[S], AbstractAsyncContextManager[Servers]],
    built: asyncio.Event,
    stop: asyncio.Event,
) -> None:
    log = logging.get(__name__)
    async with build(settings) as servers:
        built.set()
        health = servers.health or http.Health(servers.checks)
        grpc_server = None
        if servers.grpc:
            grpc_server = rpc.server(internal_token(settings), servers.grpc, servers.away)
            port = settings.grpc_port or HTTP_PORTS[section] + GRPC_OFFSET
            grpc_server.add_insecure_port(f"{settings.host}:{port}")
            await grpc_server.start()
        web = _web(section, settings, servers, health)
        web_task = asyncio.create_task(web.serve()) if web else None
        # What lives now lives for long: keep the collector from walking it again and again.
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 50, 50)
        health.accepting = True
        metrics.READY.set(1)
        log.info("ready", http_port=http_port(section, settings))
        waits = {asyncio.create_task(stop.wait())} | ({web_task} if web_task else set())
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        log.info("stopping")
        _end_in_time(settings.drain_timeout_s + END_GRACE_S)
        health.accepting = False
        metrics.READY.set(0)
        if web and web_task:
            web.should_exit = True
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(web_task, settings.drain_timeout_s / 2)
        if grpc_server:
            await grpc_server.stop(settings.drain_timeout_s / 3)
    log.info("stopped")


def _end_in_time(limit_s: float) -> None:
    """End the process hard when it has not ended by itself: what hangs while stopping would hang for ever."""
    loop = asyncio.get_running_loop()

    def give_up() -> None:
        hanging = [f"{task.get_name()} at {task.get_stack(limit=1)}" for task in asyncio.all_tasks(loop)]
        logging.get(__name__).error("did not stop in time", limit_s=limit_s, hanging=hanging)
        os._exit(1)

    timer = threading.Timer(limit_s, give_up)
    timer.daemon = True
    timer.start()


def _web(section: str, settings: Common, servers: Servers, health: http.Health) -> "uvicorn.Server | None":
    if servers.routes is None:
        return None
    config = uvicorn.Config(
        http.app(
            section,
            servers.routes,
            health,
            internal_token(settings),
            max_body=servers.max_body,
            openapi=servers.openapi,
            away=servers.away,
            answer_s=servers.answer_s,
        ),
        host=settings.host,
        port=http_port(section, settings),
        loop="none",
        http="httptools",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=75,  # longer than Envoy's idle time, so that Envoy never reuses a closing connection
        timeout_graceful_shutdown=int(settings.drain_timeout_s / 2),
    )
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined, method-assign, unused-ignore]
    server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign, assignment]
    return server
