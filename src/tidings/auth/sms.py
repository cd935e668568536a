"""Text messages: a real provider over HTTP, and `dev`, which keeps the last code for `GET /dev/sms`."""

import asyncio
import json
import re
from typing import Protocol, cast
from urllib.parse import quote_plus

import httpx

from tidings.auth.settings import Settings
from tidings.contracts.errors import ApiError
from tidings.platform import logging, metrics, retry
from tidings.platform.redis import UNREACHABLE, Client

_log = logging.get(__name__)


class Sms(Protocol):
    """Sends codes."""

    async def send(self, phone: str, code: str) -> None:
        """Raises ApiError `unavailable` when it cannot be sent."""
        ...


class HttpSms:
    """Any provider that takes one HTTP POST per message."""

    def __init__(self, settings: Settings, client: httpx.AsyncClient) -> None:
        self._settings = settings
        self._client = client

    async def send(self, phone: str, code: str) -> None:
        """Tried again after a lost connection, 429 or 5xx; another refusal is final."""
        settings = self._settings
        body = fill(settings.sms_body, settings.sms_text, settings.sms_content_type, phone, code)
        headers = {"content-type": settings.sms_content_type}
        if settings.sms_authorization:
            headers["authorization"] = settings.sms_authorization
        for attempt in range(settings.sms_tries):
            if attempt:
                await asyncio.sleep(retry.backoff_s(attempt, 0.1, 0.5))
            try:
                answer = await self._client.post(
                    settings.sms_url, content=body.encode(), headers=headers, timeout=settings.sms_timeout_s
                )
            except httpx.HTTPError as error:
                reason = type(error).__name__
            else:
                if answer.is_success:
                    return
                reason = str(answer.status_code)
                if answer.status_code != 429 and answer.status_code < 500:
                    break
            metrics.DEPENDENCY.labels("sms").inc()
        _log.error("text message not sent", reason=reason)
        raise ApiError("unavailable", "the code could not be sent")


class DevSms:
    """Sends nothing: who is on this machine reads the code."""

    def __init__(self, redis: Client, namespace: str, lifetime_s: int) -> None:
        self._redis = redis
        self._prefix = f"{namespace}:dev:sms:"
        self._lifetime_s = lifetime_s

    async def send(self, phone: str, code: str) -> None:
        """Keep it as long as it is valid."""
        try:
            await self._redis.set(self._prefix + phone, code, ex=self._lifetime_s)
        except UNREACHABLE as error:
            raise ApiError("unavailable") from error

    async def last(self, phone: str) -> str | None:
        """The last code of this number. Raises ApiError `unavailable`."""
        try:
            found = await self._redis.get(self._prefix + phone)
        except UNREACHABLE as error:
            raise ApiError("unavailable") from error
        return None if found is None else cast("bytes", found).decode()


def fill(template: str, text: str, content_type: str, phone: str, code: str) -> str:
    """The body to send, each value escaped for its content type."""
    message = text.replace("{code}", code)
    values = {"phone": phone, "code": code, "text": message}
    escape = quote_plus if "urlencoded" in content_type else _in_json
    return re.sub(r"\{(phone|code|text)\}", lambda found: escape(values[found[1]]), template)


def _in_json(text: str) -> str:
    return json.dumps(text)[1:-1]
