"""How a code reaches a phone. `http` posts to a provider's API; `dev` only keeps it for who asks from this machine."""

import asyncio
from typing import Protocol

import httpx
import msgspec

from tidings.auth.otp import Otp
from tidings.auth.settings import Settings
from tidings.contracts.errors import ApiError
from tidings.platform import logging, metrics, retry

_log = logging.get(__name__)
TRIES = 3


class Sms(Protocol):
    """An SMS provider."""

    async def send(self, phone: str, code: str) -> None:
        """Deliver a code. Raises ApiError `unavailable` when the provider does not take it."""


class DevSms:
    """Keeps the code where `GET /api/v1/dev/sms` finds it."""

    def __init__(self, otp: Otp) -> None:
        self._otp = otp

    async def send(self, phone: str, code: str) -> None:
        await self._otp.show(phone, code)


class HttpSms:
    """Any provider that takes a JSON POST."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client = httpx.AsyncClient(timeout=settings.sms_timeout_s, follow_redirects=False)

    async def send(self, phone: str, code: str) -> None:
        text = self._settings.sms_text.replace("{code}", code)
        body = self._settings.sms_body.replace("{phone}", _escaped(phone)).replace("{text}", _escaped(text))
        headers = {"content-type": "application/json"}
        if self._settings.sms_authorization:
            headers["authorization"] = self._settings.sms_authorization
        for attempt in range(TRIES):
            if attempt:
                await asyncio.sleep(retry.backoff_s(attempt, first_s=0.2))
            try:
                answer = await self._client.post(self._settings.sms_url, content=body, headers=headers)
            except httpx.HTTPError as error:
                metrics.DEPENDENCY.labels("sms").inc()
                _log.warning("sms provider failed", error=type(error).__name__)
                continue
            if answer.is_success:
                return
            metrics.DEPENDENCY.labels("sms").inc()
            _log.warning("sms provider refused", status=answer.status_code)
            if answer.status_code < 500 and answer.status_code != 429:
                break
        raise ApiError("unavailable", "the code could not be sent", retry_after_ms=5000)


def _escaped(text: str) -> str:
    """The inside of a JSON string."""
    return msgspec.json.encode(text).decode()[1:-1]
