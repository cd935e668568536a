"""HTTP routes of auth-service: decode, call one action, encode. No rules."""

import ipaddress
from typing import Annotated, Any
from urllib.parse import urlsplit

import msgspec
from litestar import Request, Response, Router, delete, get, post
from litestar.datastructures import Cookie
from msgspec import Meta

from tidings.auth.keys import Keys
from tidings.auth.otp import Otp
from tidings.auth.phone import e164
from tidings.auth.sessions import Pair, Sessions
from tidings.auth.settings import Settings
from tidings.auth.sms import Sms
from tidings.auth.store import Store
from tidings.contracts.errors import ApiError
from tidings.contracts.ids import is_id
from tidings.contracts.limits import Limits
from tidings.contracts.times import from_datetime
from tidings.platform.http import Caller, base_url
from tidings.platform.rpc import Peers
from tidings.rpc.v1 import user_pb2

COOKIE = "tidings_refresh"
Phone = Annotated[str, Meta(min_length=1, max_length=64)]
Req = Request[Any, Any, Any]


class RequestOtp(msgspec.Struct):
    phone: Phone


class Device(msgspec.Struct):
    name: Annotated[str, Meta(min_length=1, max_length=64)] = "Device"
    platform: Annotated[str, Meta(min_length=1, max_length=32)] = "other"


class VerifyOtp(msgspec.Struct):
    phone: Phone
    otp: Annotated[str, Meta(min_length=1, max_length=16)]
    device: Device = msgspec.field(default_factory=Device)


class Refresh(msgspec.Struct, rename="camel"):
    refresh_token: Annotated[str, Meta(max_length=256)] | None = None


def routes(
    *, store: Store, sessions: Sessions, otp: Otp, sms: Sms, keys: Keys, users: Any, settings: Settings, limits: Limits
) -> list[Any]:
    """The routes under /api/v1, and the JWKS."""
    peers: Peers[Any] = users

    @get("/.well-known/jwks.json", sync_to_thread=False)
    def jwks() -> dict[str, Any]:
        return keys.jwks()

    @post("/auth/request-otp", status_code=202)
    async def request_otp(data: RequestOtp, request: Req) -> dict[str, int]:
        phone = e164(data.phone)
        address = client_address(request)
        code = await otp.issue(phone, None if is_loopback(address) else address)
        await sms.send(phone, code)
        return {"expiresIn": settings.otp_lasts_s, "resendAfter": settings.otp_resend_s}

    @post("/auth/verify-otp", status_code=200)
    async def verify_otp(data: VerifyOtp, request: Req) -> Response[dict[str, Any]]:
        phone = e164(data.phone)
        await otp.check(phone, data.otp)
        user_id, _ = await store.account(phone)
        # Made before the session: who has a token always has a profile.
        made = await peers.call(peers.stub().EnsureUser, user_pb2.EnsureUserRequest(user_id=user_id, phone=phone))
        pair = await sessions.open(user_id, data.device.name, data.device.platform, limits.sessions)
        body = _body(pair) | {"user": {"id": user_id, "phone": phone, "isNewUser": made.created}}
        return _with_cookie(request, pair, body, settings)

    @post("/auth/refresh", status_code=200)
    async def refresh(data: Refresh, request: Req) -> Response[dict[str, Any]]:
        token = data.refresh_token
        if token is None:
            token = request.cookies.get(COOKIE)
            if token is None:
                raise ApiError("unauthenticated", "no refresh token")
            check_origin(request, settings)
        pair = await sessions.refresh(token)
        body = _body(pair) | {
            "user": {"id": pair.user_id, "phone": await store.phone(pair.user_id), "isNewUser": False}
        }
        return _with_cookie(request, pair, body, settings)

    @post("/auth/logout", status_code=204)
    async def logout(caller: Caller) -> Response[None]:
        await sessions.end(caller.user_id, caller.session_id)
        response: Response[None] = Response(None, status_code=204)
        response.delete_cookie(COOKIE, path="/api/v1/auth")
        return response

    @get("/auth/sessions")
    async def read_sessions(caller: Caller) -> dict[str, Any]:
        return {
            "items": [
                {
                    "id": s.id,
                    "device": {"name": s.device_name, "platform": s.platform},
                    "createdAt": from_datetime(s.created_at),
                    "lastSeenAt": from_datetime(s.last_seen_at),
                    "current": s.id == caller.session_id,
                }
                for s in await store.sessions(caller.user_id)
            ]
        }

    @delete("/auth/sessions/{session_id:str}", status_code=204)
    async def end_session(session_id: str, caller: Caller) -> None:
        if is_id(session_id):
            await sessions.end(caller.user_id, session_id)

    @post("/auth/ws-ticket", status_code=200)
    async def ws_ticket(caller: Caller, request: Req) -> dict[str, Any]:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        _, _, ends = keys.verify(token)
        ticket = await sessions.ticket(caller.user_id, caller.session_id, ends * 1000)
        return {"ticket": ticket, "expiresIn": settings.ticket_lasts_s}

    @get("/dev/sms")
    async def dev_sms(phone: str, request: Req) -> dict[str, str]:
        if settings.sms_provider != "dev" or not is_loopback(client_address(request)):
            raise ApiError("not_found")
        code = await otp.show(e164(phone))
        if code is None:
            raise ApiError("not_found", "no code was sent to this number")
        return {"code": code}

    handlers: list[Any] = [
        request_otp, verify_otp, refresh, logout, read_sessions, end_session, ws_ticket, dev_sms,
    ]  # fmt: skip
    return [jwks, Router("/api/v1", route_handlers=handlers)]


def client_address(request: Req) -> str:
    """The client's address as Envoy saw it: it sets this header itself and drops one that a client sends."""
    return request.headers.get("x-envoy-external-address") or request.headers.get("x-client-ip") or "127.0.0.1"


def is_loopback(address: str) -> bool:
    """Whether an address is this machine."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def check_origin(request: Req, settings: Settings) -> None:
    """A cookie is honoured only for pages of ours (CSRF). Raises ApiError `forbidden`."""
    origin = request.headers.get("origin")
    own = base_url(request)
    if origin is not None and origin not in {own, settings.public_url, *(settings.web_origins or [])}:
        raise ApiError("forbidden", "this origin may not refresh a session")
    if origin is None and request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise ApiError("forbidden", "this origin may not refresh a session")


def _body(pair: Pair) -> dict[str, Any]:
    return {"accessToken": pair.access_token, "refreshToken": pair.refresh_token}


def _with_cookie(request: Req, pair: Pair, body: dict[str, Any], settings: Settings) -> Response[dict[str, Any]]:
    body["expiresIn"] = settings.access_lasts_s
    if pair.platform != "web":
        return Response(body, headers={"cache-control": "no-store"})
    body["refreshToken"] = None
    host = urlsplit(base_url(request)).hostname or ""
    cookie = Cookie(
        key=COOKIE,
        value=pair.refresh_token,
        path="/api/v1/auth",
        httponly=True,
        secure=host != "localhost" and not is_loopback(host),
        samesite="strict",
        max_age=settings.refresh_lasts_s,
    )
    return Response(body, cookies=[cookie], headers={"cache-control": "no-store"})
