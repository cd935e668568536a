"""HTTP: /api/v1/auth, /api/v1/dev/sms and the JWKS."""

from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import msgspec
from litestar import Request, Response, delete, get, post
from litestar.datastructures import Cookie
from litestar.handlers import HTTPRouteHandler
from msgspec import Meta

from tidings.auth.keys import Keys
from tidings.auth.otp import Codes, is_loopback
from tidings.auth.phone import normalise
from tidings.auth.sessions import Pair, Sessions
from tidings.auth.settings import LOOPBACK, Settings
from tidings.auth.sms import DevSms, Sms
from tidings.auth.validate import Validator
from tidings.contracts.errors import ApiError, invalid
from tidings.contracts.times import from_datetime
from tidings.platform.http import Caller, base_url

COOKIE = "tidings_refresh"
COOKIE_PATH = "/api/v1/auth"


class RequestOtp(msgspec.Struct):
    phone: str


class OtpSent(msgspec.Struct, rename="camel"):
    expires_in: int
    resend_after: int
    delivery: Literal["sms", "shown"]  # `shown`: by the command `tidings code`, on the machine of the server


class Device(msgspec.Struct):
    name: Annotated[str, Meta(max_length=100)] = ""
    platform: Annotated[str, Meta(max_length=32)] = "other"


class VerifyOtp(msgspec.Struct):
    phone: str
    otp: Annotated[str, Meta(max_length=16)]
    device: Device = msgspec.field(default_factory=Device)


class Refresh(msgspec.Struct, rename="camel"):
    refresh_token: Annotated[str, Meta(max_length=256)] | None = None


class SignedIn(msgspec.Struct):
    id: str
    phone: str
    is_new_user: bool = msgspec.field(name="isNewUser")


class Tokens(msgspec.Struct, rename="camel", omit_defaults=True):
    access_token: str
    refresh_token: str | None
    expires_in: int
    user: SignedIn | msgspec.UnsetType = msgspec.UNSET


class Ticket(msgspec.Struct, rename="camel"):
    ticket: str
    expires_in: int


def routes(
    settings: Settings, sessions: Sessions, codes: Codes, sms: Sms, validator: Validator, keys: Keys
) -> list[HTTPRouteHandler]:
    """The handlers."""

    @post("/api/v1/auth/request-otp", status_code=202, summary="Send a sign-in code")
    async def request_otp(data: RequestOtp, request: Request[Any, Any, Any]) -> OtpSent:
        phone = normalise(data.phone)
        code = await codes.issue(phone, client_address(request))
        try:
            await sms.send(phone, code)
        except ApiError:
            await codes.take_back(phone)
            raise
        return OtpSent(codes.lifetime_s, codes.resend_s, "shown" if isinstance(sms, DevSms) else "sms")

    @post("/api/v1/auth/verify-otp", status_code=200, summary="Sign in with the code")
    async def verify_otp(data: VerifyOtp, request: Request[Any, Any, Any]) -> Response[Tokens]:
        phone = normalise(data.phone)
        if "\x00" in data.device.name + data.device.platform:
            raise invalid("device", "must not contain NUL")
        pair = await sessions.sign_in(phone, data.otp, data.device.name, data.device.platform)
        return _answer(pair, request, SignedIn(pair.session.user_id, phone, pair.is_new_user))

    @post("/api/v1/auth/refresh", status_code=200, summary="A new pair of tokens for the old one")
    async def refresh(request: Request[Any, Any, Any], data: Refresh | None = None) -> Response[Tokens]:
        token = data.refresh_token if data else None
        if token is None:
            token = request.cookies.get(COOKIE)
            if token is None:
                raise ApiError("unauthenticated")
            _check_origin(request)
        return _answer(await sessions.refresh(token), request)

    @post("/api/v1/auth/logout", status_code=204, summary="End this session")
    async def logout(caller: Caller, request: Request[Any, Any, Any]) -> Response[None]:
        await sessions.end(caller.user_id, caller.session_id)
        cookies = [_cookie(request, "", 0)] if COOKIE in request.cookies else []
        return Response(None, status_code=204, cookies=cookies)

    @get("/api/v1/auth/sessions", summary="Where one is signed in")
    async def list_sessions(caller: Caller) -> dict[str, Any]:
        found = await sessions.list(caller.user_id)
        items = [
            {
                "id": session.id,
                "device": {"name": session.device_name, "platform": session.platform},
                "createdAt": from_datetime(session.created_at),
                "lastSeenAt": from_datetime(session.last_seen_at),
                "current": session.id == caller.session_id,
            }
            for session in found
        ]
        return {"items": items, "nextCursor": None}

    @delete("/api/v1/auth/sessions/{session_id:str}", status_code=204, summary="End a session")
    async def end_session(session_id: str, caller: Caller) -> None:
        await sessions.end(caller.user_id, session_id)

    @post("/api/v1/auth/ws-ticket", status_code=200, summary="A ticket that opens one WebSocket")
    async def ws_ticket(caller: Caller, request: Request[Any, Any, Any]) -> Ticket:
        authorization = request.headers.get("authorization", "")
        ticket = await validator.make_ticket(caller.user_id, caller.session_id, authorization)
        return Ticket(ticket, validator.ticket_s)

    @get("/api/v1/dev/sms", summary="The last code of a number (provider `dev`, on this machine only)")
    async def dev_sms(phone: str, request: Request[Any, Any, Any]) -> dict[str, str]:
        if not isinstance(sms, DevSms) or not is_here(request):
            raise ApiError("not_found")
        # A + that was not escaped arrives as a space.
        code = await sms.last(normalise("+" + phone[1:] if phone.startswith(" ") else phone))
        if code is None:
            raise ApiError("not_found")
        return {"code": code}

    @get("/.well-known/jwks.json", sync_to_thread=False, summary="Public keys of access tokens")
    def jwks() -> Response[dict[str, Any]]:
        return Response(keys.jwks(), headers={"cache-control": "public, max-age=60"})

    def _answer(
        pair: Pair, request: Request[Any, Any, Any], user: SignedIn | msgspec.UnsetType = msgspec.UNSET
    ) -> Response[Tokens]:
        in_cookie = pair.session.platform == "web"
        body = Tokens(pair.access_token, None if in_cookie else pair.refresh_token, settings.access_token_s, user)
        cookies = [_cookie(request, pair.refresh_token, settings.refresh_token_s)] if in_cookie else []
        return Response(body, cookies=cookies, headers={"cache-control": "no-store"})

    def _check_origin(request: Request[Any, Any, Any]) -> None:
        origin = request.headers.get("origin", "")
        if origin not in {settings.public_url, base_url(request), *settings.web_origins}:
            raise ApiError("forbidden", "Origin: not ours")

    return [
        request_otp, verify_otp, refresh, logout, list_sessions, end_session, ws_ticket, dev_sms, jwks,
    ]  # fmt: skip


def client_address(request: Request[Any, Any, Any]) -> str:
    """The client's address as the gateway saw it."""
    told = request.headers.get("x-client-address") or request.headers.get("x-forwarded-for", "").rpartition(",")[2]
    return told.strip() or (request.client.host if request.client else "")


def is_here(request: Request[Any, Any, Any]) -> bool:
    """Whether the client is on this machine. One that came through a proxy, or says so, is not: the gateway adds no
    address to X-Forwarded-For, so what stands there was there before."""
    return is_loopback(client_address(request)) and not request.headers.get("x-forwarded-for", "").strip()


def _cookie(request: Request[Any, Any, Any], value: str, max_age: int) -> Cookie:
    local = urlsplit(base_url(request)).hostname in LOOPBACK
    return Cookie(
        key=COOKIE, value=value, path=COOKIE_PATH, max_age=max_age, httponly=True, secure=not local, samesite="strict"
    )
