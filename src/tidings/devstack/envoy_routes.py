"""Envoy's routes: which paths there are, who serves each, what is asked before, and how long it may take."""

import urllib.parse

from tidings.contracts import pages
from tidings.devstack.envoy_parts import Json, Site, seconds, set_header, v3

UPSTREAM_TIMEOUT_S = 15.0  # a client waits 10 s
TRANSFER_TIMEOUT_S = 3600.0  # uploads and downloads
SOCKET_IDLE_S = 150.0  # five server pings of 30 s unanswered: long since closed by the service
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
            route["request_headers_to_add"] = [set_header("x-internal-auth", site.internal_token)]
    # No path matches CONNECT, and without a route of its own it would wait for the end of its body.
    tunnel: Json = {"match": {"connect_matcher": {}}, "direct_response": {"status": 404}}
    nothing: Json = {"match": {"prefix": "/"}, "direct_response": {"status": 404}}
    # Two Host headers, which Envoy joins; one of them may be what somebody before us went by (RFC 9112, 3.2).
    two_hosts: Json = {
        "match": {"prefix": "/", "headers": [{"name": ":authority", "string_match": {"contains": ","}}]},
        "direct_response": {"status": 400},
    }
    two_hosts, tunnel, nothing = (route | _without(policy=True, buffer=True) for route in (two_hosts, tunnel, nothing))
    return [two_hosts, *served, tunnel, nothing]


def _api(match: Json, cluster: str, site: Site) -> Json:
    """A route of the REST API: asked about, body buffered and limited, answered in bounded time."""
    route = {
        "cluster": cluster,
        "timeout": seconds(UPSTREAM_TIMEOUT_S),
        "retry_policy": _connect_retry(),
        # A body that drips in: 408 when this is over.
        "max_stream_duration": {"max_stream_duration": seconds(site.body_timeout_s)},
    }
    return {"match": match, "route": route}


def _open(path: str, cluster: str) -> Json:
    """For monitors: no policy in front."""
    route = {"cluster": cluster, "timeout": seconds(UPSTREAM_TIMEOUT_S)}
    return {"match": {"path": path}, "route": route} | _without(policy=True)


def _socket() -> Json:
    route = {
        "cluster": "websocket",
        "timeout": "0s",
        "idle_timeout": seconds(SOCKET_IDLE_S),
        "retry_policy": _connect_retry(),
        "upgrade_configs": [{"upgrade_type": "websocket"}],
    }
    return {"match": {"path": "/ws"}, "route": route} | _without(buffer=True)


def _upload() -> Json:
    """Streamed through, not buffered; the media service counts the bytes."""
    route = {"cluster": "media", "timeout": seconds(TRANSFER_TIMEOUT_S), "idle_timeout": "30s"}
    return {"match": {"path": "/api/v1/media/upload"}, "route": route} | _without(buffer=True)


def _media_object(site: Site) -> Json:
    """Signed URLs, straight to S3. The signature covers the host, so S3 is given its own name."""
    endpoint = urllib.parse.urlsplit(site.s3_url)
    route = {
        "cluster": "s3",
        "prefix_rewrite": endpoint.path.rstrip("/") + "/",
        "host_rewrite_literal": endpoint.netloc,
        "timeout": seconds(TRANSFER_TIMEOUT_S),
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
        "response_headers_to_add": [set_header("content-security-policy", "sandbox; default-src 'none'")],
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
                "typed_config": {"@type": v3("retry.host.previous_hosts", "PreviousHostsPredicate")},
            }
        ],
        "host_selection_retry_max_attempts": 3,
        "retry_back_off": {"base_interval": "0.05s", "max_interval": "0.5s"},
    }


def _without(*, policy: bool = False, buffer: bool = False) -> Json:
    off: Json = {}
    if policy:
        kind = v3("filters.http.ext_authz", "ExtAuthzPerRoute")
        off["envoy.filters.http.ext_authz"] = {"@type": kind, "disabled": True}
    if buffer:
        off["envoy.filters.http.buffer"] = {"@type": v3("filters.http.buffer", "BufferPerRoute"), "disabled": True}
    return {"typed_per_filter_config": off}
