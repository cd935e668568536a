"""The facts that Envoy's configuration is made from, and the small pieces that it repeats."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True)
class Site:
    """The facts the configuration is made from."""

    listen: str
    port: int
    admin_port: int
    upstreams: Mapping[str, Sequence[int]]  # service -> loopback HTTP ports; "policy" -> gRPC ports of the gateway
    s3_url: str
    internal_token: str
    access_log: Path
    trusted_proxies: int = 0
    max_body_bytes: int = 256 * 1024
    header_timeout_s: float = 10.0
    body_timeout_s: float = 30.0


def network_filter(name: str, config: Json) -> Json:
    return {"name": f"envoy.filters.network.{name}", "typed_config": config}


def http_filter(name: str, message: str, config: Json) -> Json:
    return {
        "name": f"envoy.filters.http.{name}",
        "typed_config": {"@type": v3(f"filters.http.{name}", message), **config},
    }


def set_header(name: str, value: str, action: str = "OVERWRITE_IF_EXISTS_OR_ADD") -> Json:
    return {"header": {"key": name, "value": value}, "append_action": action}


def address(host: str, port: int) -> Json:
    return {"socket_address": {"address": host, "port_value": port}}


def v3(package: str, message: str) -> str:
    return f"type.googleapis.com/envoy.extensions.{package}.v3.{message}"


def seconds(value: float) -> str:
    return f"{value:g}s"
