"""What the gateway asks the services themselves: are they ready, and what is their API."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import httpx
import msgspec

from tidings import __version__
from tidings.gateway.policy import PUBLIC

SCHEMAS: Final = "#/components/schemas/"


class Services:
    """The HTTP side of each service instance."""

    def __init__(self, listed: Sequence[str], client: httpx.AsyncClient) -> None:
        self._client = client
        self._at: list[tuple[str, str]] = []
        for entry in listed:
            name, _, address = entry.partition("=")
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
        urls = dict(self._at)
        described = await asyncio.gather(*(self._describe(url) for url in urls.values()))
        schemas = merged["components"]["schemas"]
        for name, found in zip(("gateway", *urls), (own, *described), strict=True):
            if any(schemas.get(key, schema) != schema for key, schema in _schemas(found).items()):
                found = _set_apart(name, found)
            merged["paths"] |= found.get("paths", {})
            schemas |= _schemas(found)
        for path, operations in merged["paths"].items():
            for method, operation in operations.items():
                if (method.upper(), path) in PUBLIC:
                    operation["security"] = []
        return merged

    async def _describe(self, url: str) -> dict[str, Any]:
        try:
            answer = await self._client.get(f"{url}/openapi.json", timeout=5)
            found: dict[str, Any] = answer.raise_for_status().json()
        except (httpx.HTTPError, ValueError):
            return {}
        return found


def _schemas(description: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = description.get("components", {}).get("schemas", {})
    return found


def _set_apart(service: str, description: dict[str, Any]) -> dict[str, Any]:
    """The same with the service's name before the names of its schemas: another, or one of another release, means
    something else by one of them, and whoever reads the description would take the one for the other."""
    text = msgspec.json.encode(description).decode().replace(f'"{SCHEMAS}', f'"{SCHEMAS}{service}.')
    apart: dict[str, Any] = msgspec.json.decode(text)
    apart["components"]["schemas"] = {f"{service}.{name}": schema for name, schema in _schemas(apart).items()}
    return apart
