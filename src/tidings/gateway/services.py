"""What the gateway asks the services themselves: are they ready, and what is their API."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import httpx

from tidings import __version__
from tidings.platform.settings import SettingsError


class Services:
    """The HTTP side of each service instance."""

    def __init__(self, listed: Sequence[str], client: httpx.AsyncClient) -> None:
        self._client = client
        self._at: list[tuple[str, str]] = []
        for entry in listed:
            name, _, address = entry.partition("=")
            if not address:
                raise SettingsError(f"TIDINGS_GATEWAY_SERVICES: {entry!r} is not name=host:port")
            self._at.append((name, f"http://{address}"))

    def checks(self) -> dict[str, Callable[[], Awaitable[object]]]:
        """A readiness check for each instance."""
        return {f"{name}@{url.rpartition(':')[2]}": self._check(url) for name, url in self._at}

    def _check(self, url: str) -> Callable[[], Awaitable[object]]:
        async def check() -> None:
            (await self._client.get(f"{url}/ready", timeout=2)).raise_for_status()

        return check

    async def openapi(self, own: dict[str, Any]) -> dict[str, Any]:
        """One description of all services and of the gateway itself: their paths and schemas side by side."""
        merged: dict[str, Any] = {
            "openapi": "3.1.0",
            "info": {"title": "Tidings", "version": __version__},
            "paths": {},
            "components": {"schemas": {}, "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}}},
            "security": [{"bearer": []}],
        }
        urls = list(dict(self._at).values())
        for found in (own, *await asyncio.gather(*(self._describe(url) for url in urls))):
            merged["paths"] |= found.get("paths", {})
            merged["components"]["schemas"] |= found.get("components", {}).get("schemas", {})
        return merged

    async def _describe(self, url: str) -> dict[str, Any]:
        try:
            answer = await self._client.get(f"{url}/openapi.json", timeout=5)
            found: dict[str, Any] = answer.raise_for_status().json()
        except (httpx.HTTPError, ValueError):
            return {}
        return found
