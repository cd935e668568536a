"""Envoy's configuration as a pure function of a few facts (`Site`): policy, limits, its own answers.

The order a request passes: header limits, removal of headers only we may set, path normalisation, the policy
service (`gateway`, ext_authz), the body limit, the route.
"""

import json
import urllib.parse
from collections.abc import Sequence
from pathlib import Path

from tidings.devstack.envoy_parts import Json, Site, address, http_filter, network_filter, seconds, set_header, v3
from tidings.devstack.envoy_routes import routes

LOOPBACK = "127.0.0.1"

MAX_HEADERS = 100
MAX_HEADERS_KB = 60
CONNECTION_BUFFER_BYTES = 32 * 1024  # the default of 1 MB doubles what an idle socket costs
POLICY_TIMEOUT_S = 3.0
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


def bootstrap(site: Site) -> Json:
    """The whole configuration file."""
    return {
        "admin": {"address": address(LOOPBACK, site.admin_port)},
        "static_resources": {
            "listeners": [
                {
                    "name": "edge",
                    "address": address(site.listen, site.port),
                    "per_connection_buffer_limit_bytes": CONNECTION_BUFFER_BYTES,
                    "filter_chains": [
                        {"filters": [network_filter("http_connection_manager", connection_manager(site))]}
                    ],
                }
            ],
            "clusters": [*(_cluster(name, ports) for name, ports in site.upstreams.items()), _s3_cluster(site.s3_url)],
        },
    }


def connection_manager(site: Site) -> Json:
    return {
        "@type": v3("filters.network.http_connection_manager", "HttpConnectionManager"),
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
        "request_headers_timeout": seconds(site.header_timeout_s),
        "stream_idle_timeout": seconds(site.body_timeout_s),
        "generate_request_id": True,
        "preserve_external_request_id": True,
        "always_set_request_id_in_response": True,
        "request_id_extension": {
            "typed_config": {"@type": v3("request_id.uuid", "UuidRequestIdConfig"), "pack_trace_reason": False}
        },
        "early_header_mutation_extensions": [
            {
                "name": "envoy.http.early_header_mutation.header_mutation",
                "typed_config": {
                    "@type": v3("http.early_header_mutation.header_mutation", "HeaderMutation"),
                    "mutations": [{"remove": name} for name in OURS],
                },
            }
        ],
        "local_reply_config": own_answers(),
        "access_log": [_access_log(site.access_log)],
        "http_filters": [
            _client_address(),
            http_filter("ext_authz", "ExtAuthz", _policy(site)),
            http_filter("buffer", "Buffer", {"max_request_bytes": site.max_body_bytes}),
            http_filter("router", "Router", {"suppress_envoy_headers": True}),
        ],
        "route_config": {
            "name": "edge",
            "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes(site)}],
            "response_headers_to_add": [
                set_header("x-content-type-options", "nosniff"),
                set_header("referrer-policy", "no-referrer", "ADD_IF_ABSENT"),
                set_header("x-frame-options", "DENY", "ADD_IF_ABSENT"),
            ],
        },
    }


def own_answers() -> Json:
    """Problem documents (RFC 9457) instead of Envoy's plain text."""
    # The policy service's refusals carry a problem document of their own. That it could not be asked bears the
    # same flag but no body, so that case is told by its details, and stands first.
    unasked = {
        "filter": {
            "extension_filter": {
                "name": "cel",
                "typed_config": {
                    "@type": v3("access_loggers.filters.cel", "ExpressionFilter"),
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
    any_other = {"filter": _status_is(400, "GE"), **_problem("%RESPONSE_CODE%", "internal", "Error")}
    return {"mappers": [unasked, refused, *by_status, any_other]}


def _problem(status: int | str, code: str, title: str) -> Json:
    # A request that is refused before its headers are read was given no id yet. The body takes it from the answer's
    # header, since Envoy makes a new one each time it is asked.
    headers = [set_header("x-request-id", _first_of(_ID_OF_REQUEST, {"command": "UNIQUE_ID"}))]
    if status == 503:  # every 503 says when to come again, as those of the services do
        headers.append(set_header("retry-after", "1"))
    return {
        "headers_to_add": headers,
        "body_format_override": {
            "json_format": {
                "type": "about:blank",
                "title": title,
                "status": status,
                "detail": "The gateway answered this itself.",
                "code": code,
                "requestId": "%RESP(X-REQUEST-ID)%",
            },
            "content_type": "application/problem+json",
        },
    }


_ID_OF_REQUEST = {"command": "REQ", "param": "X-REQUEST-ID"}
_ID_OF_ANSWER = {"command": "RESP", "param": "X-REQUEST-ID"}


def _first_of(*operators: Json) -> str:
    """The first of these substitutions that gives anything."""
    return "%COALESCE(" + json.dumps({"operators": operators}) + ")%"


def _status_is(status: int, operator: str = "EQ") -> Json:
    value = {"default_value": status, "runtime_key": f"tidings.answer.{operator}.{status}"}
    return {"status_code_filter": {"comparison": {"op": operator, "value": value}}}


def _client_address() -> Json:
    """Whose address it is, told before the policy is asked: what Envoy tells it of the source is always the peer,
    also where the peer is a trusted proxy."""
    address = set_header("x-client-address", "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%")
    return http_filter("header_mutation", "HeaderMutation", {"mutations": {"request_mutations": [{"append": address}]}})


def _policy(site: Site) -> Json:
    return {
        "transport_api_version": "V3",
        "grpc_service": {
            "envoy_grpc": {"cluster_name": "policy"},
            "timeout": seconds(POLICY_TIMEOUT_S),
            "initial_metadata": [{"key": "x-internal-auth", "value": site.internal_token}],
        },
        "failure_mode_allow": False,
        "status_on_error": {"code": "ServiceUnavailable"},
    }


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
        protocol["common_http_protocol_options"] = {"idle_timeout": seconds(UPSTREAM_IDLE_S)}
    cluster["typed_extension_protocol_options"] = {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": protocol}
    if len(ports) > 1:
        cluster["outlier_detection"] = {  # a dead instance is left out until it is back
            "split_external_local_origin_errors": True,
            "consecutive_local_origin_failure": 2,
            "interval": "1s",
            "base_ejection_time": "2s",
            "max_ejection_percent": 50,
        }
    if len(ports) > 1 and name != "policy":
        cluster["health_checks"] = [  # one that hangs refuses nothing: it has to be asked
            {
                "http_health_check": {"path": "/health"},
                "timeout": "1s",
                "interval": "1s",
                "no_traffic_interval": "1s",
                "unhealthy_threshold": 2,
                "healthy_threshold": 1,
            }
        ]
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
                "@type": v3("transport_sockets.tls", "UpstreamTlsContext"),
                "sni": host,
                "common_tls_context": {
                    "validation_context": {"trusted_ca": {"filename": "/etc/ssl/certs/ca-certificates.crt"}}
                },
            },
        }
    return cluster


def _endpoints(name: str, places: Sequence[tuple[str, int]]) -> Json:
    endpoints = [{"endpoint": {"address": address(host, port)}} for host, port in places]
    return {"cluster_name": name, "endpoints": [{"lb_endpoints": endpoints}]}


def _access_log(path: Path) -> Json:
    # The answer's id where the request has none (see `_problem`); the request's where there was no answer.
    # PATH(NQ): without the query, in which tickets and signatures travel.
    fields = {
        "time": "%START_TIME(%Y-%m-%dT%H:%M:%S.%3fZ)%",
        "method": "%REQ(:METHOD)%",
        "path": "%PATH(NQ)%",
        "status": "%RESPONSE_CODE%",
        "flags": "%RESPONSE_FLAGS%",
        "details": "%RESPONSE_CODE_DETAILS%",
        "requestId": _first_of(_ID_OF_REQUEST, _ID_OF_ANSWER),
        "client": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
        "durationMs": "%DURATION%",
        "bytesReceived": "%BYTES_RECEIVED%",
        "bytesSent": "%BYTES_SENT%",
        "upstream": "%UPSTREAM_CLUSTER%",
    }
    return {
        "name": "file",
        "typed_config": {
            "@type": v3("access_loggers.file", "FileAccessLog"),
            "path": str(path),
            "log_format": {"json_format": fields},
        },
    }
