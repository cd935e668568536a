"""REST calls: with a fresh token, a deadline, and a bounded retry of what may be asked twice."""

import asyncio
import random
import time
from collections.abc import Mapping
from typing import IO, Any, Final

import httpx
import msgspec

from tidings.client.model import Json
from tidings.client.session import Session, SessionFile
from tidings.contracts.errors import RETRYABLE, ApiError, FieldError

TIMEOUT_S: Final = 15.0
UPLOAD_TIMEOUT_S: Final = 300.0
TRIES: Final = 3
WAIT_S: Final = 0.5  # before the second try, doubled and with full jitter before the third
LONGEST_WAIT_S: Final = 10.0  # who must wait longer is told instead
SAFE: Final = frozenset({"GET", "PUT", "DELETE"})  # may be asked twice
EXPIRED: Final = frozenset({"token_expired", "unauthenticated"})


class Api:
    """The REST half of a client. Every method raises ApiError: `unavailable` when the server cannot be reached."""

    def __init__(self, base_url: str, sessions: SessionFile) -> None:
        self.base_url = base_url.rstrip("/")
        self._sessions = sessions
        self._session = sessions.load()
        self._renewal = asyncio.Lock()
        self._http = httpx.AsyncClient(base_url=f"{self.base_url}/api/v1", timeout=TIMEOUT_S)

    async def close(self) -> None:
        await self._http.aclose()

    @property
    def session(self) -> Session | None:
        """Who is signed in."""
        return self._session

    async def sign_in(self, phone: str, code: str, device_name: str) -> Session:
        """Exchange a code for a session. Raises ApiError `otp_invalid`, `otp_expired`."""
        device = {"name": device_name, "platform": "python"}
        answer = await self.call(
            "POST", "/auth/verify-otp", {"phone": phone, "otp": code, "device": device}, signed=False
        )
        async with self._sessions.locked():
            return self._keep(answer["user"]["id"], answer)

    async def sign_out(self) -> None:
        """End the session here and on the server; here also when the server cannot be reached."""
        try:
            await self.call("POST", "/auth/logout", retry=True)
        finally:
            self._session = None
            self._sessions.save(None)

    async def token(self) -> str:
        """An access token that is good for a minute at least. Raises ApiError `unauthenticated`."""
        if self._session is None:
            raise ApiError("unauthenticated")
        if self._session.ends_soon():
            await self.renew(self._session.access_token)
        return self._session.access_token

    async def renew(self, stale: str) -> None:
        """Take the place of an access token that is no good, unless somebody has done it. Raises ApiError."""
        async with self._renewal:
            if self._session is None or self._session.access_token != stale:
                return
            async with self._sessions.locked():
                found = self._sessions.load()
                if found is not None and found.access_token != stale and not found.ends_soon():
                    self._session = found  # another program was first
                    return
                held = found or self._session
                try:
                    answer = await self.call(
                        "POST", "/auth/refresh", {"refreshToken": held.refresh_token}, signed=False
                    )
                except ApiError as problem:
                    if problem.status == 401:  # the session is over: who holds a dead token would ask for ever
                        self._session = None
                        self._sessions.save(None)
                    raise
                self._keep(held.user_id, answer)

    def _keep(self, user_id: str, answer: Json) -> Session:
        self._session = Session(
            user_id=user_id, access_token=answer["accessToken"], refresh_token=answer["refreshToken"],
            expires_at_ms=int((time.time() + answer["expiresIn"]) * 1000),
        )  # fmt: skip
        self._sessions.save(self._session)
        return self._session

    async def get(self, path: str, **params: Any) -> Json:
        return await self.call("GET", path, params=params)

    async def post(self, path: str, body: Json | None = None, *, retry: bool = False) -> Json:
        """`retry` says that asking twice does no harm (the body carries an id of its own)."""
        return await self.call("POST", path, body, retry=retry)

    async def patch(self, path: str, body: Json) -> Json:
        return await self.call("PATCH", path, body, retry=True)

    async def put(self, path: str, body: Json | None = None) -> Json:
        return await self.call("PUT", path, body)

    async def delete(self, path: str, **params: Any) -> None:
        await self.call("DELETE", path, params=params)

    async def upload(self, name: str, file: IO[bytes], mime_type: str) -> Json:
        """Store a file of at most 16 MB. Answers its Media object."""
        return await self.call(
            "POST", "/media/upload", files={"file": (name, file, mime_type)}, timeout=UPLOAD_TIMEOUT_S
        )

    async def download(self, url: str, limit_bytes: int) -> bytes:
        """The bytes behind a signed URL of a Media object. Raises ApiError `too_large`."""
        address = httpx.URL(self.base_url).join(url)
        found = bytearray()
        try:
            async with self._http.stream("GET", address, timeout=UPLOAD_TIMEOUT_S) as answer:
                if answer.status_code >= 400:
                    raise ApiError("not_found" if answer.status_code < 500 else "unavailable", "The file is not there")
                async for piece in answer.aiter_bytes():
                    found += piece
                    if len(found) > limit_bytes:
                        raise ApiError("too_large", f"The file is larger than {limit_bytes} bytes")
        except httpx.HTTPError as problem:
            raise _unreachable(self.base_url, problem) from problem
        return bytes(found)

    async def call(
        self,
        method: str,
        path: str,
        body: Json | None = None,
        *,
        params: Mapping[str, Any] | None = None,
        files: Mapping[str, Any] | None = None,
        signed: bool = True,
        retry: bool = False,
        timeout: float = TIMEOUT_S,
    ) -> Json:
        """One request. Answers the decoded body, {} where there is none."""
        tries = TRIES if retry or method in SAFE else 1
        renewed = False
        attempt = 0
        while True:
            token = await self.token() if signed else None
            try:
                return await self._once(method, path, body, params, files, token, timeout)
            except ApiError as problem:
                if token is not None and problem.code in EXPIRED and not renewed:
                    renewed = True
                    await self.renew(token)
                    continue
                attempt += 1
                wait = random.uniform(0, WAIT_S * 2 ** (attempt - 1))  # noqa: S311
                wait = max(wait, (problem.retry_after_ms or 0) / 1000)
                if attempt >= tries or problem.code not in RETRYABLE or wait > LONGEST_WAIT_S:
                    raise
            await asyncio.sleep(wait)

    async def _once(
        self, method: str, path: str, body: Json | None, params: Mapping[str, Any] | None,
        files: Mapping[str, Any] | None, token: str | None, timeout: float,
    ) -> Json:  # fmt: skip
        headers = {} if token is None else {"authorization": f"Bearer {token}"}
        wanted = {name: value for name, value in (params or {}).items() if value is not None}
        content = None
        if body is not None:
            content = msgspec.json.encode(body)
            headers["content-type"] = "application/json"
        try:
            answer = await self._http.request(
                method, path, content=content, params=wanted, files=files, headers=headers, timeout=timeout
            )
        except httpx.HTTPError as problem:
            raise _unreachable(self.base_url, problem) from problem
        if answer.status_code >= 400:
            raise _refusal(answer)
        if not answer.content:
            return {}
        try:
            found: Json = msgspec.json.decode(answer.content)
        except msgspec.DecodeError as problem:
            raise ApiError("unavailable", f"{self.base_url} does not answer like a Tidings server") from problem
        return found


def _unreachable(base_url: str, problem: httpx.HTTPError) -> ApiError:
    return ApiError("unavailable", f"{base_url} cannot be reached ({type(problem).__name__})")


def _refusal(answer: httpx.Response) -> ApiError:
    """The ApiError of a problem+json body; of anything else what its status says."""
    after = answer.headers.get("retry-after", "")
    wait = int(after) * 1000 if after.isdigit() else None
    try:
        told = msgspec.json.decode(answer.content)
        errors = [FieldError(e["field"], e["message"]) for e in told.get("errors") or []]
        return ApiError(told["code"], told["detail"], errors=errors or None, retry_after_ms=wait)
    except (msgspec.DecodeError, KeyError, TypeError, AttributeError):
        code = "unavailable" if answer.status_code >= 500 else "invalid_request"
        return ApiError(code, f"HTTP {answer.status_code}", retry_after_ms=wait)
