"""Typed settings: defaults, then a TOML file (`TIDINGS_CONFIG`), then the environment, which wins.

A field of `Common` is `TIDINGS_<FIELD>` in the environment and a top-level key in the file. A field that a
service adds is `TIDINGS_<SERVICE>_<FIELD>` and a key of the file's `[service]` table; a common field may be
set for one service alone in the same two ways, which then wins over the common one.
"""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

Port = Annotated[int, Meta(ge=0, le=65535)]
Positive = Annotated[int, Meta(ge=1)]
Seconds = Annotated[float, Meta(gt=0)]


class SettingsError(Exception):
    """A setting is missing or wrong; the text names it and says why."""


class Common(msgspec.Struct, kw_only=True, frozen=True):
    """What every service reads. Times in seconds, addresses as `host:port`."""

    # Who and where this process is.
    instance: str = ""  # unique among live processes, for example "message-1"; empty: "<service>-1"
    host: str = "127.0.0.1"  # what the HTTP and gRPC servers listen on
    listen: str = "127.0.0.1"  # what the gateway listens on: how far clients may be
    http_port: Port = 0  # 0: the service's usual port, 8081 to 8087
    grpc_port: Port = 0  # 0: the service's usual port, 9081 to 9087
    public_url: str = "http://localhost:30080"  # where clients reach the gateway, no trailing slash
    namespace: str = "tidings"  # prefix of databases, streams, keys and buckets: two systems may share stores
    data_dir: Path = Path(".tidings")
    slot_restarted: bool = False  # a supervisor vouches that the last holder of this instance name is dead
    insecure_dev: bool = False  # lets the `dev` SMS provider run on a listener beyond loopback

    # The stores.
    postgres_url: str = "postgresql://localhost:5432/tidings"
    mongo_url: str = "mongodb://localhost:27017/?replicaSet=tidings"
    redis_url: str = "redis://localhost:6379/0"
    nats_url: str = "nats://localhost:4222"
    s3_url: str = "http://localhost:8333"
    s3_bucket: str = "tidings-media"
    s3_region: str = "us-east-1"

    # gRPC addresses of the other services; several instances of one are separated by commas.
    auth_grpc: list[str] = msgspec.field(default_factory=lambda: ["127.0.0.1:9081"])
    user_grpc: list[str] = msgspec.field(default_factory=lambda: ["127.0.0.1:9082"])
    chat_grpc: list[str] = msgspec.field(default_factory=lambda: ["127.0.0.1:9083"])
    message_grpc: list[str] = msgspec.field(default_factory=lambda: ["127.0.0.1:9084"])
    media_grpc: list[str] = msgspec.field(default_factory=lambda: ["127.0.0.1:9086"])

    # Event partitions: the hot subjects end in hash(chatId) mod this. Change it only with streams drained.
    partitions: Annotated[int, Meta(ge=1, le=64)] = 4

    # Origins (`http://10.0.0.5:8090`) that pushes may go to though they are in this network or without TLS: a push
    # service of one's own. All others must be https and resolve to addresses of the internet.
    inner_push_origins: list[str] = []

    # Deadlines: a client waits 10 s, so a call inside waits at most 5, and a store at most 3.
    request_timeout_s: Seconds = 10.0
    rpc_timeout_s: Seconds = 5.0
    store_timeout_s: Seconds = 3.0
    drain_timeout_s: Seconds = 15.0  # SIGTERM to exit; orchestrators kill after 20 or 30

    # Observability.
    log_level: str = "info"
    otlp_endpoint: str = ""  # for example http://localhost:4318; empty: spans are made, not exported
    trace_sample: Annotated[float, Meta(ge=0, le=1)] = 0.01


S = TypeVar("S", bound=msgspec.Struct)


def load(kind: type[S], section: str, environ: Mapping[str, str] | None = None) -> S:
    """Read the settings of `section` (a service's name, or "" for the common ones alone).

    Raises SettingsError naming the variable or key and the reason.
    """
    env = os.environ if environ is None else environ
    table = _read_file(env.get("TIDINGS_CONFIG"))
    own = table.get(section, {}) if section else {}
    if not isinstance(own, dict):
        raise SettingsError(f"[{section}] in the settings file must be a table")
    values: dict[str, Any] = {}
    for field in msgspec.structs.fields(kind):
        found = _look_up(field.name, section, env, table, own)
        if found is None:
            continue
        source, raw = found
        values[field.name] = _convert(source, raw, field.type)
    return kind(**values)


def stated(kind: type[msgspec.Struct], section: str, environ: Mapping[str, str] | None = None) -> set[str]:
    """The fields of `kind` that the environment or the file sets, whatever they say."""
    env = os.environ if environ is None else environ
    table = _read_file(env.get("TIDINGS_CONFIG"))
    own = table.get(section, {}) if section else {}
    names = (field.name for field in msgspec.structs.fields(kind))
    return {name for name in names if _look_up(name, section, env, table, own) is not None}


def _look_up(
    name: str, section: str, env: Mapping[str, str], table: Mapping[str, Any], own: Mapping[str, Any]
) -> tuple[str, Any] | None:
    """The most specific value of a field and where it stands."""
    is_common = name in Common.__struct_fields__
    variables = [f"TIDINGS_{section}_{name}".upper()] if section else []
    if is_common:
        variables.append(f"TIDINGS_{name}".upper())
    for variable in variables:
        if variable in env:
            return variable, env[variable]
    if name in own:
        return f"{section}.{name}", own[name]
    if is_common and name in table:
        return name, table[name]
    return None


def _convert(source: str, raw: Any, kind: Any) -> Any:
    if isinstance(raw, str) and getattr(kind, "__origin__", None) is list:
        raw = [part.strip() for part in raw.split(",") if part.strip()]
    if isinstance(raw, str) and kind is Path:
        return Path(raw)
    try:
        return msgspec.convert(raw, kind, strict=False)
    except msgspec.ValidationError as error:
        raise SettingsError(f"{source}: {error} (given: {raw!r})") from None


def _read_file(path: str | None) -> dict[str, Any]:
    if not path:
        return {}
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"TIDINGS_CONFIG: cannot read {path}: {error.strerror}") from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"TIDINGS_CONFIG: {path} is not TOML: {error}") from None
