"""What the one HTTP port answers: the upgrade at `/ws`, and health, readiness and metrics for operators."""

import asyncio
import hmac
from collections.abc import Callable
from typing import Any

import msgspec
from picows import WSUpgradeRequest, WSUpgradeResponse, WSUpgradeResponseWithListener

from tidings import __version__
from tidings.contracts.errors import ApiError
from tidings.platform import http, logging, metrics
from tidings.websocket.hub import Hub
from tidings.websocket.settings import Settings
from tidings.websocket.socket import Identity, Socket

_log = logging.get(__name__)
JSON = {"Content-Type": "application/json"}


class Api:
    """The listener factory of picows: synchronous, so readiness is looked at beforehand, each second."""

    def __init__(
        self, health: http.Health, hub: Hub, token: str, settings: Settings, make: Callable[[Identity], Socket]
    ) -> None:
        self._health, self._hub, self._token = health, hub, token.encode()
        self._settings, self._make = settings, make
        self._failing: dict[str, str] = {"process": "starting or stopping"}

    async def look(self) -> None:
        """Keep the answer of `/ready` fresh."""
        while True:
            self._failing = await self._health.failures()
            await asyncio.sleep(1 if not self._failing else 0.1)

    def __call__(self, request: WSUpgradeRequest) -> Any:
        """A Socket, or an HTTP answer."""
        answer = self._try(request)
        return answer if isinstance(answer, Socket) else WSUpgradeResponseWithListener(answer, None)

    def _try(self, request: WSUpgradeRequest) -> Any:
        try:
            return self._answer(request)
        except ApiError as error:
            return _problem(error, request.headers.get("x-request-id", ""))
        except Exception:
            metrics.FAULTS.labels("upgrade").inc()
            _log.exception("upgrade failed")
            return _problem(ApiError("internal"), "")

    def _answer(self, request: WSUpgradeRequest) -> Any:
        path = request.path.partition(b"?")[0]
        if path == b"/health":
            return _ok(msgspec.json.encode({"status": "ok", "service": "websocket", "version": __version__}))
        if path == b"/ready":
            body = msgspec.json.encode({"ready": not self._failing, "failing": self._failing})
            if self._failing:
                return WSUpgradeResponse.create_error_response(503, body, JSON)
            return _ok(body)
        if path == b"/metrics":
            exposition, kind = metrics.render()
            return _ok(exposition, kind)
        if path != b"/ws":
            raise ApiError("not_found")
        return self._open(request)

    def _open(self, request: WSUpgradeRequest) -> Socket:
        headers = request.headers
        if not hmac.compare_digest(headers.get("x-internal-auth", "").encode(), self._token):
            raise ApiError("unauthenticated")
        user_id, session_id = headers.get("x-user-id", ""), headers.get("x-session-id", "")
        if not user_id or not session_id:
            raise ApiError("unauthenticated")
        if not self._health.accepting:
            raise ApiError("unavailable", "this instance is stopping")
        if len(self._hub.of(user_id)) >= self._settings.sockets_per_user:
            most = self._settings.sockets_per_user
            raise ApiError("rate_limited", f"at most {most} sockets a person", retry_after_ms=5000, limit=most)
        expires = headers.get("x-token-expires-ms", "0")
        identity = Identity(
            user_id, session_id, int(expires) if expires.isdigit() else 0, headers.get("x-request-id", "")[:64]
        )
        if "upgrade" in (word.strip() for word in headers.get("connection", "").lower().split(",")):
            headers["connection"] = "upgrade"  # Firefox says `keep-alive, Upgrade`, which picows would refuse
        return self._make(identity)


def _ok(body: bytes, kind: str = "application/json") -> WSUpgradeResponse:
    answer: WSUpgradeResponse = WSUpgradeResponse.create_ok_response(body, {"Content-Type": kind})
    return answer


def _problem(error: ApiError, request_id: str) -> WSUpgradeResponse:
    headers = {"content-type": http.PROBLEM, **http.retry_headers(error)}
    body = msgspec.json.encode(error.problem(request_id[:64]))
    answer: WSUpgradeResponse = WSUpgradeResponse.create_error_response(error.status, body, headers)
    return answer
