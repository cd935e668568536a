"""Envoy's configuration as a pure function of a few facts (`Site`): routes, policy, limits, its own answers.

The order a request passes: header limits, removal of headers only we may set, path normalisation, the policy
service (`gateway`, ext_authz), the body limit, the route.
"""

import urllib.parse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tidings.contracts import pages

Json = dict[str, Any]
LOOPBACK = "127.0.0.1"

MAX_HEADERS = 100
MAX_HEADERS_KB = 60
CONNECTION_BUFFER_BYTES = 32 * 1024  # the default of 1 MB doubles what an idle socket costs
POLICY_TIMEOUT_S = 3.0
UPSTREAM_TIMEOUT_S = 15.0  # a client waits 10 s
TRANSFER_TIMEOUT_S = 3600.0  # uploads and downloads
SOCKET_IDLE_S = 150.0  # five server pings of 30 s unanswered: long since closed by the service
UPSTREAM_IDLE_S = 30.0  # below the 75 s after which the services close an idle connection

# Only Envoy and the policy service may set these; a client's are dropped.
OURS = ("x-user-id", "x-session-id", "x-token-expires-ms", "x-internal-auth", "x-client-address")

# Envoy's own answers in the words of the contract: status -> (status answered, code, title).
OWN_ANSWERS = {
    400: (400, "invalid_request", "Bad Request"),
    401: (401, "unauthenticated", "Unauthorized"),
    403: (403, "forbidden", "Forbidden"),
    404: (404, "not_found", "Not Found"),
    408: (408, "request_timeout", "Request Timeout"),
    413: (413, "too_large", "Content Too Large"),
    426: (426, "invalid_request", "Upgrade Required"),
    429: (429, "rate_limited", "Too Many Requests"),
    431: (431, "too_large", "Request Header Fields Too Large"),
    500: (500, "internal", "Internal Server Error"),
    502: (503, "unavailable", "Service Unavailable"),
    503: (503, "unavailable", "Service Unavailable"),
    504: (503, "unavailable", "Service Unavailable"),
}


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


def bootstrap(site: Site) -> Json:
    """The whole configuration file."""
    return {
        "admin": {"address": _address(LOOPBACK, site.admin_port)},
        "static_resources": {
            "listeners": [
                {
                    "name": "edge",
                    "address": _address(site.listen, site.port),
                    "per_connection_buffer_limit_bytes": CONNECTION_BUFFER_BYTES,
                    "filter_chains": [
                        {"filters": [_typed_filter("http_connection_manager", connection_manager(site))]}
                    ],
                }
            ],
            "clusters": [*(_cluster(name, ports) for name, ports in site.upstreams.items()), _s3_cluster(site.s3_url)],
        },
    }


def connection_manager(site: Site) -> Json:
    return {
        "@type": _v3("filters.network.http_connection_manager", "HttpConnectionManager"),
        "stat_prefix": "edge",
        "server_name": "tidings",
        # Whose address it is: the peer's, unless the operator has said how many proxies of theirs stand before us.
        "use_remote_address": True,
        "xff_num_trusted_hops": site.trusted_proxies,
        # For a loopback peer Envoy would append the machine's own address; x-client-address carries what it found.
        "skip_xff_append": True,
        # Nobody's x-envoy-... headers are obeyed. An empty list would mean the private networks.
        "internal_address_config": {"cidr_ranges": [{"address_prefix": "255.255.255.255", "prefix_len": 32}]},
        # Everything behind sees one spelling of a path.
        "normalize_path": True,
        "merge_slashes": True,
        "path_with_escaped_slashes_action": "REJECT_REQUEST",
        "max_request_headers_kb": MAX_HEADERS_KB,
        "common_http_protocol_options": {
            "headers_with_underscores_action": "REJECT_REQUEST",  # x_user_id may become x-user-id behind us
            "max_headers_count": MAX_HEADERS,
            "idle_timeout": "300s",
        },
        "http2_protocol_options": {
            "max_concurrent_streams": 100,
            "initial_stream_window_size": 65536,
            "initial_connection_window_size": 1048576,
        },
        "request_headers_timeout": _seconds(site.header_timeout_s),
        "stream_idle_timeout": _seconds(site.body_timeout_s),
        "generate_request_id": True,
        "preserve_external_request_id": True,
        "always_set_request_id_in_response": True,
        "request_id_extension": {
            "typed_config": {"@type": _v3("request_id.uuid", "UuidRequestIdConfig"), "pack_trace_reason": False}
        },
        "early_header_mutation_extensions": [
            {
                "name": "envoy.http.early_header_mutation.header_mutation",
                "typed_config": {
                    "@type": _v3("http.early_header_mutation.header_mutation", "HeaderMutation"),
                    "mutations": [{"remove": name} for name in OURS],
                },
            }
        ],
        "local_reply_config": own_answers(),
        "access_log": [_access_log(site.access_log)],
        "http_filters": [
            _client_address(),
            _http_filter("ext_authz", "ExtAuthz", _policy(site)),
            _http_filter("buffer", "Buffer", {"max_request_bytes": site.max_body_bytes}),
            _http_filter("router", "Router", {"suppress_envoy_headers": True}),
        ],
        "route_config": {
            "name": "edge",
            "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes(site)}],
            "response_headers_to_add": [
                _set("x-content-type-options", "nosniff"),
                _set("referrer-policy", "no-referrer", "ADD_IF_ABSENT"),
                _set("x-frame-options", "DENY", "ADD_IF_ABSENT"),
            ],
        },
    }


GATEWAY_FILES = ("/openapi.json", "/api/v1/config", "/.well-known/assetlinks.json")


def routes(site: Site) -> list[Json]:
    """First match wins. What no route names is not there."""
    found = [
        *(_open(path, "gateway") for path in ("/health", "/ready")),
        *(_api({"path": path}, "gateway", site) for path in (*pages.FILES, *GATEWAY_FILES)),
        *(_api({"path_separated_prefix": root}, "gateway", site) for root in (*pages.FOLDERS, *pages.PAGES)),
        _api({"path": "/.well-known/jwks.json"}, "auth", site),
        _socket(),
        _media_object(site),
        _upload(),
        # A chat's messages belong to message, the rest of a chat to chat.
        _api({"safe_regex": {"regex": r"/api/v1/chats/[^/]+/messages(/.*)?"}}, "message", site),
    ]
    for prefix, service in (
        ("/api/v1/auth", "auth"),
        ("/api/v1/dev", "auth"),
        ("/api/v1/users", "user"),
        ("/api/v1/messages", "message"),
        ("/api/v1/chats", "chat"),
        ("/api/v1/invites", "chat"),
        ("/api/v1/sync", "chat"),
        ("/api/v1/media", "media"),
    ):
        found.append(_api({"path_separated_prefix": prefix}, service, site))
    served = [route for route in found if route["route"]["cluster"] in {*site.upstreams, "s3"}]
    for route in served:
        if route["route"]["cluster"] != "s3":
            route["request_headers_to_add"] = [_set("x-internal-auth", site.internal_token)]
    # No path matches CONNECT, and without a route of its own it would wait for the end of its body.
    tunnel: Json = {"match": {"connect_matcher": {}}, "direct_response": {"status": 404}}
    nothing: Json = {"match": {"prefix": "/"}, "direct_response": {"status": 404}}
    return [*served, *(route | _without(policy=True, buffer=True) for route in (tunnel, nothing))]


def own_answers() -> Json:
    """Problem documents (RFC 9457) instead of Envoy's plain text."""
    # The policy service's refusals carry a problem document of their own. That it could not be asked bears the
    # same flag but no body, so that case is told by its details, and stands first.
    unasked = {
        "filter": {
            "extension_filter": {
                "name": "cel",
                "typed_config": {
                    "@type": _v3("access_loggers.filters.cel", "ExpressionFilter"),
                    "expression": "response.code_details == 'ext_authz_error'",
                },
            }
        },
        **_problem(503, "unavailable", "Service Unavailable"),
    }
    refused = {
        "filter": {"response_flag_filter": {"flags": ["UAEX"]}},
        "body_format_override": {
            "text_format_source": {"inline_string": "%LOCAL_REPLY_BODY%"},
            "content_type": "application/problem+json",
        },
    }
    by_status = [
        {"filter": _status_is(status), "status_code": answered, **_problem(answered, code, title)}
        for status, (answered, code, title) in OWN_ANSWERS.items()
    ]
    return {
        "mappers": [unasked, refused, *by_status],
        "body_format": _problem("%RESPONSE_CODE%", "internal", "Error")["body_format_override"],
    }


def _problem(status: int | str, code: str, title: str) -> Json:
    return {
        "body_format_override": {
            "json_format": {
                "type": "about:blank",
                "title": title,
                "status": status,
                "detail": "The gateway answered this itself.",
                "code": code,
                "requestId": "%REQ(X-REQUEST-ID)%",
            },
            "content_type": "application/problem+json",
        }
    }


def _status_is(status: int) -> Json:
    comparison = {"op": "EQ", "value": {"default_value": status, "runtime_key": f"tidings.answer.{status}"}}
    return {"status_code_filter": {"comparison": comparison}}


def _client_address() -> Json:
    """Whose address it is, told before the policy is asked: what Envoy tells it of the source is always the peer,
    also where the peer is a trusted proxy."""
    address = _set("x-client-address", "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%")
    return _http_filter(
        "header_mutation", "HeaderMutation", {"mutations": {"request_mutations": [{"append": address}]}}
    )


def _policy(site: Site) -> Json:
    return {
        "transport_api_version": "V3",
        "grpc_service": {
            "envoy_grpc": {"cluster_name": "policy"},
            "timeout": _seconds(POLICY_TIMEOUT_S),
            "initial_metadata": [{"key": "x-internal-auth", "value": site.internal_token}],
        },
        "failure_mode_allow": False,
        "status_on_error": {"code": "ServiceUnavailable"},
    }


def _api(match: Json, cluster: str, site: Site) -> Json:
    """A route of the REST API: asked about, body buffered and limited, answered in bounded time."""
    route = {
        "cluster": cluster,
        "timeout": _seconds(UPSTREAM_TIMEOUT_S),
        "retry_policy": _connect_retry(),
        # A body that drips in: 408 when this is over.
        "max_stream_duration": {"max_stream_duration": _seconds(site.body_timeout_s)},
    }
    return {"match": match, "route": route}


def _open(path: str, cluster: str) -> Json:
    """For monitors: no policy in front."""
    route = {"cluster": cluster, "timeout": _seconds(UPSTREAM_TIMEOUT_S)}
    return {"match": {"path": path}, "route": route} | _without(policy=True)


def _socket() -> Json:
    route = {
        "cluster": "websocket",
        "timeout": "0s",
        "idle_timeout": _seconds(SOCKET_IDLE_S),
        "retry_policy": _connect_retry(),
        "upgrade_configs": [{"upgrade_type": "websocket"}],
    }
    return {"match": {"path": "/ws"}, "route": route} | _without(buffer=True)


def _upload() -> Json:
    """Streamed through, not buffered; the media service counts the bytes."""
    route = {"cluster": "media", "timeout": _seconds(TRANSFER_TIMEOUT_S), "idle_timeout": "30s"}
    return {"match": {"path": "/api/v1/media/upload"}, "route": route} | _without(buffer=True)


def _media_object(site: Site) -> Json:
    """Signed URLs, straight to S3. The signature covers the host, so S3 is given its own name."""
    endpoint = urllib.parse.urlsplit(site.s3_url)
    route = {
        "cluster": "s3",
        "prefix_rewrite": endpoint.path.rstrip("/") + "/",
        "host_rewrite_literal": endpoint.netloc,
        "timeout": _seconds(TRANSFER_TIMEOUT_S),
        "idle_timeout": "60s",
    }
    return {
        "match": {
            "prefix": "/media/",
            "headers": [{"name": ":method", "string_match": {"safe_regex": {"regex": "GET|HEAD|PUT"}}}],
            "query_parameters": [{"name": "X-Amz-Signature", "present_match": True}],
        },
        "route": route,
        "request_headers_to_remove": ["authorization", "cookie", "x-client-address"],
        "response_headers_to_add": [_set("content-security-policy", "sandbox; default-src 'none'")],
        "response_headers_to_remove": ["set-cookie", "server"],
    } | _without(policy=True, buffer=True)


def _connect_retry() -> Json:
    """Only where nothing was sent yet, and on another instance if there is one."""
    return {
        "retry_on": "connect-failure",
        "num_retries": 2,
        "retry_host_predicate": [
            {
                "name": "envoy.retry_host_predicates.previous_hosts",
                "typed_config": {"@type": _v3("retry.host.previous_hosts", "PreviousHostsPredicate")},
            }
        ],
        "host_selection_retry_max_attempts": 3,
        "retry_back_off": {"base_interval": "0.05s", "max_interval": "0.5s"},
    }


def _without(*, policy: bool = False, buffer: bool = False) -> Json:
    off: Json = {}
    if policy:
        kind = _v3("filters.http.ext_authz", "ExtAuthzPerRoute")
        off["envoy.filters.http.ext_authz"] = {"@type": kind, "disabled": True}
    if buffer:
        off["envoy.filters.http.buffer"] = {"@type": _v3("filters.http.buffer", "BufferPerRoute"), "disabled": True}
    return {"typed_per_filter_config": off}


def _cluster(name: str, ports: Sequence[int]) -> Json:
    cluster: Json = {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "lb_policy": "LEAST_REQUEST" if name == "websocket" else "ROUND_ROBIN",
        "per_connection_buffer_limit_bytes": CONNECTION_BUFFER_BYTES,
        "load_assignment": _endpoints(name, [(LOOPBACK, port) for port in ports]),
        "circuit_breakers": {
            "thresholds": [
                {
                    "max_connections": 100_000,
                    "max_requests": 100_000,
                    "max_pending_requests": 10_000,
                    "max_retries": 100,
                }
            ]
        },
    }
    protocol: Json = {"@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions"}
    if name == "policy":
        protocol["explicit_http_config"] = {"http2_protocol_options": {}}
    else:
        protocol["explicit_http_config"] = {"http_protocol_options": {}}
        protocol["common_http_protocol_options"] = {"idle_timeout": _seconds(UPSTREAM_IDLE_S)}
    cluster["typed_extension_protocol_options"] = {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": protocol}
    if len(ports) > 1:
        cluster["outlier_detection"] = {  # a dead instance is left out until it is back
            "split_external_local_origin_errors": True,
            "consecutive_local_origin_failure": 2,
            "interval": "1s",
            "base_ejection_time": "2s",
            "max_ejection_percent": 50,
        }
    return cluster


def _s3_cluster(url: str) -> Json:
    endpoint = urllib.parse.urlsplit(url)
    secure = endpoint.scheme == "https"
    host, port = endpoint.hostname or LOOPBACK, endpoint.port or (443 if secure else 80)
    cluster: Json = {
        "name": "s3",
        "type": "STRICT_DNS",
        "connect_timeout": "2s",
        "load_assignment": _endpoints("s3", [(host, port)]),
    }
    if secure:
        cluster["transport_socket"] = {
            "name": "envoy.transport_sockets.tls",
            "typed_config": {
                "@type": _v3("transport_sockets.tls", "UpstreamTlsContext"),
                "sni": host,
                "common_tls_context": {
                    "validation_context": {"trusted_ca": {"filename": "/etc/ssl/certs/ca-certificates.crt"}}
                },
            },
        }
    return cluster


def _endpoints(name: str, places: Sequence[tuple[str, int]]) -> Json:
    endpoints = [{"endpoint": {"address": _address(host, port)}} for host, port in places]
    return {"cluster_name": name, "endpoints": [{"lb_endpoints": endpoints}]}


def _access_log(path: Path) -> Json:
    # PATH(NQ): without the query, in which tickets and signatures travel.
    fields = {
        "time": "%START_TIME(%Y-%m-%dT%H:%M:%S.%3fZ)%",
        "method": "%REQ(:METHOD)%",
        "path": "%PATH(NQ)%",
        "status": "%RESPONSE_CODE%",
        "flags": "%RESPONSE_FLAGS%",
        "details": "%RESPONSE_CODE_DETAILS%",
        "requestId": "%REQ(X-REQUEST-ID)%",
        "client": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
        "durationMs": "%DURATION%",
        "bytesReceived": "%BYTES_RECEIVED%",
        "bytesSent": "%BYTES_SENT%",
        "upstream": "%UPSTREAM_CLUSTER%",
    }
    return {
        "name": "file",
        "typed_config": {
            "@type": _v3("access_loggers.file", "FileAccessLog"),
            "path": str(path),
            "log_format": {"json_format": fields},
        },
    }


def _typed_filter(name: str, config: Json) -> Json:
    return {"name": f"envoy.filters.network.{name}", "typed_config": config}


def _http_filter(name: str, message: str, config: Json) -> Json:
    return {
        "name": f"envoy.filters.http.{name}",
        "typed_config": {"@type": _v3(f"filters.http.{name}", message), **config},
    }


def _set(name: str, value: str, action: str = "OVERWRITE_IF_EXISTS_OR_ADD") -> Json:
    return {"header": {"key": name, "value": value}, "append_action": action}


def _address(host: str, port: int) -> Json:
    return {"socket_address": {"address": host, "port_value": port}}


def _v3(package: str, message: str) -> str:
    return f"type.googleapis.com/envoy.extensions.{package}.v3.{message}"


def _seconds(value: float) -> str:
    return f"{value:g}s"
