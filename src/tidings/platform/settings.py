"""Typed settings: defaults, then a TOML file (`TIDINGS_CONFIG`), then the environment, which wins.

A field of `Common` is `TIDINGS_<FIELD>` in the environment and a top-level key in the file. A field that a
service adds is `TIDINGS_<SERVICE>_<FIELD>` and a key of the file's `[service]` table; a common field may be
set for one service alone in the same two ways, which then wins over the common one. A key of the file that means
nothing is refused, and a variable where all are known: it is a setting that somebody believes to have made.
"""

import difflib
import os
import re
import tomllib
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar, get_args, get_origin

import msgspec
from msgspec import Meta

Port = Annotated[int, Meta(ge=0, le=65535)]
Positive = Annotated[int, Meta(ge=1)]
Seconds = Annotated[float, Meta(gt=0)]

# The description of a pattern is what a wrong value is told: nobody should have to read the pattern.
PostgresUrl = Annotated[
    str, Meta(pattern=r"^postgres(ql)?://\S*$", description="a URL like postgresql://host/database")
]
MongoUrl = Annotated[
    str, Meta(pattern=r"^mongodb(\+srv)?://\S+$", description="a URL like mongodb://host/?replicaSet=x")
]
RedisUrl = Annotated[str, Meta(pattern=r"^(rediss?|unix)://\S+$", description="a URL like redis://host:6379/0")]
NatsUrl = Annotated[str, Meta(pattern=r"^(nats|tls|wss?)://\S+$", description="a URL like nats://host:4222")]
HttpUrl = Annotated[
    str,
    Meta(pattern=r"^https?://[^\s/]\S*(?<!/)$", description="a URL like https://host:8080, without a slash at its end"),
]
HttpUrlOrNone = Annotated[
    str, Meta(pattern=r"^(https?://[^\s/]\S*)?$", description="a URL like https://host, or empty")
]
LogLevel = Annotated[
    str,
    Meta(
        pattern=r"(?i)^(debug|info|warning|error|critical)$",
        description="one of debug, info, warning, error and critical",
    ),
]

# Tables of the file. Each process reads its own and the common keys; `tidings up` reads all.
SECTIONS = (
    "auth", "user", "chat", "message", "notification", "media", "websocket", "gateway", "edge", "limits", "rates",
)  # fmt: skip


WRONG_SETTINGS: Final = 2  # exit code of a service that cannot run with its settings, at any time


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
    public_url: HttpUrl = "http://localhost:30080"  # where clients reach the gateway, no trailing slash
    namespace: str = "tidings"  # prefix of databases, streams, keys and buckets: two systems may share stores
    data_dir: Path = Path(".tidings")
    slot_restarted: bool = False  # a supervisor vouches that the last holder of this instance name is dead
    insecure_dev: bool = False  # lets the `dev` SMS provider run on a listener beyond loopback

    # The stores.
    postgres_url: PostgresUrl = "postgresql://localhost:5432/tidings"
    mongo_url: MongoUrl = "mongodb://localhost:27017/?replicaSet=tidings"
    redis_url: RedisUrl = "redis://localhost:6379/0"
    nats_url: NatsUrl = "nats://localhost:4222"
    s3_url: HttpUrl = "http://localhost:8333"
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
    log_level: LogLevel = "info"
    otlp_endpoint: HttpUrlOrNone = ""  # for example http://localhost:4318; empty: spans are made, not exported
    trace_sample: Annotated[float, Meta(ge=0, le=1)] = 0.01


S = TypeVar("S", bound=msgspec.Struct)


def load(kind: type[S], section: str, environ: Mapping[str, str] | None = None) -> S:
    """Read the settings of `section` (a service's name, or "" for the common ones alone).

    Raises SettingsError naming the variable or key and the reason.
    """
    env = os.environ if environ is None else environ
    path = env.get("TIDINGS_CONFIG")
    table = _read_file(path)
    own = table.get(section, {}) if section else {}
    if not isinstance(own, dict):
        raise SettingsError(f"[{section}] in the settings file must be a table")
    _refuse_unknown(table, (*Common.__struct_fields__, *SECTIONS), f"{path}: ")
    _refuse_unknown(own, kind.__struct_fields__, f"{path}: {section}.")
    values: dict[str, Any] = {}
    for field in msgspec.structs.fields(kind):
        found = _look_up(field.name, section, env, table, own)
        if found is None:
            continue
        source, raw = found
        values[field.name] = _convert(source, raw, field.type)
    return kind(**values)


# Variables that are no settings of a process: where settings are, what the terminal client reads, secrets, tests.
_OTHER_VARIABLES = ("TIDINGS_CONFIG", "TIDINGS_URL", "TIDINGS_PROFILE", "TIDINGS_SCHEDULES")
_OTHER_PREFIXES = ("TIDINGS_SECRET_", "TIDINGS_TEST_")


def refuse_unknown_variables(kinds: Mapping[str, type[msgspec.Struct]], environ: Mapping[str, str]) -> None:
    """Refuse a variable that no process reads, where all sections and their settings are known. A service alone cannot
    tell, and an orchestrator adds variables that begin with the name of a system.

    Raises SettingsError.
    """
    known = {*_OTHER_VARIABLES, *(f"TIDINGS_{name}".upper() for name in Common.__struct_fields__)}
    for section, kind in kinds.items():
        known |= {f"TIDINGS_{section}_{name}".upper() for name in kind.__struct_fields__}
    given = sorted(name for name in environ if name.startswith("TIDINGS_") and not name.startswith(_OTHER_PREFIXES))
    _refuse_unknown(given, known, "")


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
        reason = _described(kind) if "matching regex" in str(error) else None
        # In front of an `@` stand passwords, also where the rest is no URL.
        given = re.sub(r"[^/@\s]+@", "[hidden]@", repr(raw))
        raise SettingsError(f"{source}: {f'expected {reason}' if reason else error} (given: {given})") from None


def _described(kind: Any) -> str | None:
    """What the type, or that of a list's items, says itself that it takes."""
    kind = get_args(kind)[0] if get_origin(kind) is list else kind
    return next((meta.description for meta in getattr(kind, "__metadata__", ()) if isinstance(meta, Meta)), None)


def _refuse_unknown(keys: Iterable[str], known: Collection[str], place: str) -> None:
    for key in keys:
        if key not in known:
            near = difflib.get_close_matches(key, known, 1, cutoff=0.8)
            raise SettingsError(f"{place}{key}: there is no such setting" + (f"; is it {near[0]}?" if near else ""))


def _read_file(path: str | None) -> dict[str, Any]:
    if not path:
        return {}
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"TIDINGS_CONFIG: cannot read {path}: {error.strerror}") from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"TIDINGS_CONFIG: {path} is not TOML: {error}") from None
