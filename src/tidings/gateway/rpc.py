"""Envoy's external authorization (envoy.service.auth.v3): asked before every request and socket upgrade."""

from typing import Any

import msgspec
from envoy.config.core.v3 import base_pb2
from envoy.service.auth.v3 import external_auth_pb2 as pb
from envoy.service.auth.v3.external_auth_pb2_grpc import AuthorizationServicer
from envoy.type.v3 import http_status_pb2
from google.rpc import status_pb2
from opentelemetry.trace import SpanKind

from tidings.contracts.errors import ApiError
from tidings.contracts.limits import Rates
from tidings.gateway import policy
from tidings.gateway.buckets import Buckets, Empty
from tidings.gateway.tokens import Tokens
from tidings.platform import tracing
from tidings.platform.http import retry_headers

IDENTITY = ("x-user-id", "x-session-id")
PERMISSION_DENIED = 7


class PolicyRpc(AuthorizationServicer):  # type: ignore[misc]  # generated without types
    """`Check`: rate limits, then the token, then who it is."""

    def __init__(self, tokens: Tokens, buckets: Buckets, rates: Rates, public_url: str) -> None:
        self._tokens, self._buckets, self._rates, self._public_url = tokens, buckets, rates, public_url

    async def Check(self, request: pb.CheckRequest, context: Any) -> pb.CheckResponse:
        parent = tracing.extract(request.attributes.request.http.headers)
        with tracing.span("check", kind=SpanKind.SERVER, parent=parent):
            return await self._check(request)

    async def _check(self, request: pb.CheckRequest) -> pb.CheckResponse:
        http = request.attributes.request.http
        headers = http.headers
        request_id = policy.request_id(headers.get("x-request-id", ""))
        # Envoy sets it, to the address that the proxies it trusts have named; a client's own is dropped.
        address = headers.get("x-client-address") or request.attributes.source.address.socket_address.address
        empty = await self._buckets.take(policy.address_buckets(address, http.path, self._rates))
        if empty is not None:
            return _limited(empty, request_id)
        if not policy.needs_token(http.method, http.path):
            return _passed(request_id, {})
        try:
            if ticket := policy.ticket(http.path):
                if not policy.same_origin(headers.get("origin", ""), headers.get("host", http.host), self._public_url):
                    raise ApiError("unauthenticated", "this page may not open a socket here")
                identity = await self._tokens.redeem(ticket)
            else:
                identity = await self._tokens.identify(policy.bearer(headers.get("authorization", "")))
        except ApiError as error:
            return _refused(error, request_id)
        empty = await self._buckets.take([policy.user_bucket(identity.user_id, self._rates)])
        if empty is not None:
            return _limited(empty, request_id)
        return _passed(
            request_id,
            {
                "x-user-id": identity.user_id,
                "x-session-id": identity.session_id,
                "x-token-expires-ms": str(identity.expires_at_ms),
            },
        )


def _passed(request_id: str, identity: dict[str, str]) -> pb.CheckResponse:
    given = {"x-request-id": request_id, **identity}
    absent = [name for name in (*IDENTITY, "x-token-expires-ms") if name not in identity]
    return pb.CheckResponse(
        status=status_pb2.Status(code=0),
        ok_response=pb.OkHttpResponse(headers=[_header(k, v) for k, v in given.items()], headers_to_remove=absent),
    )


def _refused(error: ApiError, request_id: str, more: dict[str, str] | None = None) -> pb.CheckResponse:
    headers = {"content-type": "application/problem+json", "x-request-id": request_id}
    headers |= retry_headers(error) | (more or {})
    if error.status == 401:
        headers["www-authenticate"] = "Bearer"
    return pb.CheckResponse(
        status=status_pb2.Status(code=PERMISSION_DENIED),
        denied_response=pb.DeniedHttpResponse(
            status=http_status_pb2.HttpStatus(code=error.status),  # type: ignore[arg-type, unused-ignore]
            headers=[_header(k, v) for k, v in headers.items()],
            body=msgspec.json.encode(error.problem(request_id)).decode(),
        ),
    )


def _limited(empty: Empty, request_id: str) -> pb.CheckResponse:
    error = ApiError("rate_limited", retry_after_ms=empty.retry_ms, limit=empty.bucket.size)
    return _refused(error, request_id, {"ratelimit-remaining": str(empty.remaining)})


def _header(key: str, value: str) -> base_pb2.HeaderValueOption:
    return base_pb2.HeaderValueOption(
        header=base_pb2.HeaderValue(key=key, value=value),
        append_action=base_pb2.HeaderValueOption.HeaderAppendAction.OVERWRITE_IF_EXISTS_OR_ADD,
    )
