"""What a system consists of: the table of services, and from settings, ports and stores the list of processes and
the environment they get.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import msgspec

from tidings.auth.settings import Settings as AuthSettings
from tidings.auth.settings import check as check_auth
from tidings.chat.settings import Settings as ChatSettings
from tidings.contracts.limits import Limits, Rates
from tidings.devstack import envoy
from tidings.devstack.envoy_parts import Site
from tidings.devstack.ports import LOOPBACK, Ports
from tidings.devstack.process import Group, Process
from tidings.devstack.stores import Store, mongo, nats, postgres, seaweed, valkey
from tidings.devstack.stores.wire import http_status
from tidings.gateway.settings import Settings as GatewaySettings
from tidings.media.settings import Settings as MediaSettings
from tidings.message.settings import Settings as MessageSettings
from tidings.notification.settings import Settings as NotificationSettings
from tidings.platform import settings
from tidings.platform.secrets import secret
from tidings.user.settings import Settings as UserSettings
from tidings.websocket.settings import Settings as WebsocketSettings


@dataclass(frozen=True)
class Service:
    """A row of the table of services (design, section 3)."""

    name: str
    http_port: int  # the usual ones; others are chosen when these are taken
    grpc_port: int | None
    stores: tuple[str, ...]  # those it connects to as it starts
    settings: type[settings.Common]
    ready_path: str = "/ready"


SERVICES = (
    Service("auth", 8081, 9081, ("postgres", "valkey"), AuthSettings),
    Service("user", 8082, 9082, ("postgres", "valkey", "nats"), UserSettings),
    Service("chat", 8083, 9083, ("postgres", "valkey", "nats"), ChatSettings),
    Service("message", 8084, 9084, ("mongo", "valkey", "nats"), MessageSettings),
    Service("notification", 8085, None, ("valkey", "nats"), NotificationSettings),
    Service("media", 8086, 9086, ("mongo", "nats", "seaweed"), MediaSettings),
    Service("websocket", 8087, None, ("valkey", "nats"), WebsocketSettings),
    # Its /ready tells of all services; that it is up itself is /health.
    Service("gateway", 8088, 9088, ("valkey", "nats"), GatewaySettings, ready_path="/health"),
)
STORES = ("postgres", "mongo", "valkey", "nats", "seaweed")
URL_SETTING = {
    "postgres": "postgres_url",
    "mongo": "mongo_url",
    "valkey": "redis_url",
    "nats": "nats_url",
    "seaweed": "s3_url",
}


class Edge(settings.Common, kw_only=True, frozen=True):
    """Settings of Envoy and of the supervisor: `TIDINGS_EDGE_...`, or `[edge]` in the file."""

    envoy_concurrency: Annotated[int, msgspec.Meta(ge=1, le=64)] = 1  # worker threads
    trusted_proxies: Annotated[int, msgspec.Meta(ge=0, le=10)] = 0  # proxies of yours in front that set X-Forwarded-For
    max_body_bytes: settings.Positive = 256 * 1024
    header_timeout_s: settings.Seconds = 10.0
    body_timeout_s: settings.Seconds = 30.0


# The settings of every section that any process reads.
KINDS: Mapping[str, type[msgspec.Struct]] = {
    "edge": Edge,
    "limits": Limits,
    "rates": Rates,
    **{service.name: service.settings for service in SERVICES},
}


class PlanError(Exception):
    """What was asked for cannot be run; the text says why."""


@dataclass(frozen=True)
class Request:
    """What `tidings up` was asked for."""

    data_dir: Path
    port: int = 30080
    listen: str = LOOPBACK
    scale: Mapping[str, int] = field(default_factory=dict)
    only_stores: bool = False
    insecure_dev: bool = False


@dataclass(frozen=True)
class Plan:
    """All that will run, and the environment all of it shares."""

    url: str
    processes: Sequence[Process]
    environ: Mapping[str, str]
    ports: Mapping[str, int]


def make_plan(request: Request, ports: Ports, given: Mapping[str, str] | None = None) -> Plan:
    """Choose ports, generate secrets, and list the processes. Raises PortTakenError, PlanError, SettingsError."""
    environ = os.environ if given is None else given
    settings.refuse_unknown_variables(KINDS, environ)
    edge = settings.load(Edge, "edge", environ)
    stores = _stores(request.data_dir, ports, edge, environ)
    shared = _inherited(environ) | {"TIDINGS_DATA_DIR": str(request.data_dir)}
    for store in stores:
        shared |= store.environ
    processes = [store.process for store in stores]
    url = f"http://{_shown_host(request.listen)}:{request.port}"
    if not request.only_stores:
        ports.claim(request.port, request.listen)
        shared |= _common(request, environ, url)
        instances = place_services(request.scale, ports)
        shared |= grpc_addresses(instances) | http_addresses(instances)
        _check_settings(shared)
        processes += [_service_process(instance) for instance in instances]
        processes.append(_edge(request, edge, instances, shared, ports))
    return Plan(url, processes, shared, dict(ports.chosen))


@dataclass(frozen=True)
class Instance:
    """One running copy of a service and where it listens."""

    service: Service
    number: int
    http_port: int
    grpc_port: int | None

    @property
    def name(self) -> str:
        return f"{self.service.name}-{self.number}"


def place_services(scale: Mapping[str, int], ports: Ports) -> list[Instance]:
    """Every instance of every service with its ports. Raises PlanError for a scale that makes no sense."""
    known = {service.name for service in SERVICES}
    for name, count in scale.items():
        if name not in known:
            raise PlanError(f"--scale: there is no service {name!r}; there are {', '.join(sorted(known))}.")
        if not 1 <= count <= 16:
            raise PlanError(f"--scale: {name}={count} is not between 1 and 16.")
    placed = []
    for service in SERVICES:
        for number in range(1, scale.get(service.name, 1) + 1):
            name = f"{service.name}-{number}"
            http = ports.pick(f"{name}-http", service.http_port if number == 1 else 0)
            grpc = None
            if service.grpc_port is not None:
                grpc = ports.pick(f"{name}-grpc", service.grpc_port if number == 1 else 0)
            placed.append(Instance(service, number, http, grpc))
    return placed


def grpc_addresses(instances: Sequence[Instance]) -> dict[str, str]:
    """`TIDINGS_MESSAGE_GRPC=127.0.0.1:9084,127.0.0.1:40001` and so on."""
    found: dict[str, list[str]] = {}
    for instance in instances:
        if instance.grpc_port is not None:
            found.setdefault(instance.service.name, []).append(f"{LOOPBACK}:{instance.grpc_port}")
    return {f"TIDINGS_{name.upper()}_GRPC": ",".join(addresses) for name, addresses in found.items()}


def http_addresses(instances: Sequence[Instance]) -> dict[str, str]:
    """What the gateway asks for readiness and API descriptions: all but itself."""
    others = [instance for instance in instances if instance.service.name != "gateway"]
    return {"TIDINGS_GATEWAY_SERVICES": ",".join(f"{one.service.name}={LOOPBACK}:{one.http_port}" for one in others)}


def _check_settings(environ: Mapping[str, str]) -> None:
    """Read what every service will read, so that a wrong setting of one stops all before anything runs."""
    for section, kind in KINDS.items():
        settings.load(kind, section, environ)
    check_auth(settings.load(AuthSettings, "auth", environ))


def given_urls(environ: Mapping[str, str]) -> set[str]:
    """The stores whose URL is set, by environment or file: those are not started."""
    stated = settings.stated(settings.Common, "", environ)
    return {store for store, setting in URL_SETTING.items() if setting in stated}


def _stores(data_dir: Path, ports: Ports, edge: Edge, environ: Mapping[str, str]) -> list[Store]:
    external = given_urls(environ)
    embed = {
        "postgres": lambda: postgres.embed(data_dir, ports),
        "mongo": lambda: mongo.embed(data_dir, ports),
        "valkey": lambda: valkey.embed(data_dir, ports),
        "nats": lambda: nats.embed(data_dir, ports, edge.namespace),
        "seaweed": lambda: seaweed.embed(data_dir, ports, edge.s3_bucket, edge.s3_region),
    }
    return [embed[name]() for name in STORES if name not in external]


def _common(request: Request, environ: Mapping[str, str], url: str) -> dict[str, str]:
    exposed = request.listen not in (LOOPBACK, "localhost", "::1")
    dev_sms = settings.load(AuthSettings, "auth", environ).sms_provider == "dev"
    if exposed and dev_sms and not request.insecure_dev:
        raise PlanError(
            f"--listen {request.listen} would open this system beyond this machine while sign-in codes are shown "
            "instead of sent (SMS provider `dev`). Configure an SMS provider, or add --insecure-dev to accept that."
        )
    return {
        "TIDINGS_HOST": LOOPBACK,
        "TIDINGS_PUBLIC_URL": environ.get("TIDINGS_PUBLIC_URL", url),
        "TIDINGS_LISTEN": request.listen,
        "TIDINGS_INSECURE_DEV": "true" if request.insecure_dev else "false",
    }


def _service_process(instance: Instance) -> Process:
    service = instance.service
    env = {"TIDINGS_INSTANCE": instance.name, "TIDINGS_HTTP_PORT": str(instance.http_port)}
    ports = {f"{instance.name}-http": instance.http_port}
    if instance.grpc_port is not None:
        env["TIDINGS_GRPC_PORT"] = str(instance.grpc_port)
        ports[f"{instance.name}-grpc"] = instance.grpc_port

    async def probe() -> bool:
        return await http_status(instance.http_port, service.ready_path) == 200

    return Process(
        name=instance.name,
        group=Group.SERVICE,
        argv=[sys.executable, "-m", f"tidings.{service.name}"],
        env=env,
        after=service.stores,
        ports=ports,
        probe=probe,
        start_timeout_s=60,
    )


def _edge(
    request: Request, edge: Edge, instances: Sequence[Instance], shared: Mapping[str, str], ports: Ports
) -> Process:
    upstreams: dict[str, list[int]] = {}
    for instance in instances:
        upstreams.setdefault(instance.service.name, []).append(instance.http_port)
        if instance.service.name == "gateway" and instance.grpc_port is not None:
            upstreams.setdefault("policy", []).append(instance.grpc_port)
    site = Site(
        listen=request.listen,
        port=request.port,
        admin_port=ports.pick("envoy-admin"),
        upstreams=upstreams,
        s3_url=shared.get("TIDINGS_S3_URL", edge.s3_url),
        internal_token=secret(request.data_dir, "internal_token"),
        trusted_proxies=edge.trusted_proxies,
        max_body_bytes=edge.max_body_bytes,
        header_timeout_s=edge.header_timeout_s,
        body_timeout_s=edge.body_timeout_s,
        access_log=request.data_dir / "logs" / "access.log",
    )
    return envoy.process(request.data_dir, site, edge.envoy_concurrency, [instance.name for instance in instances])


def _inherited(environ: Mapping[str, str]) -> dict[str, str]:
    """What children take over from this environment: all but what belongs to one process alone."""
    own = {"TIDINGS_INSTANCE", "TIDINGS_HTTP_PORT", "TIDINGS_GRPC_PORT", "TIDINGS_SLOT_RESTARTED"}
    passed_on = {name: value for name, value in environ.items() if name not in own}
    if "TIDINGS_CONFIG" in passed_on:
        passed_on["TIDINGS_CONFIG"] = str(Path(passed_on["TIDINGS_CONFIG"]).absolute())
    # glibc makes up to eight memory arenas a core, each keeping what it once held.
    return {"MALLOC_ARENA_MAX": "2", "PYTHONUNBUFFERED": "1"} | passed_on


def _shown_host(listen: str) -> str:
    if listen in (LOOPBACK, "::1"):
        return "localhost"
    return "localhost" if listen in ("0.0.0.0", "::") else listen  # noqa: S104
