"""Connections to push services: the name is looked up here, each address found is checked, and that very address is
dialled, so that a name that resolves to something else the next time leads nowhere. TLS still checks the name."""

import asyncio
import socket
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final
from urllib.parse import urlsplit

import httpcore

from tidings.platform.outer import is_outer_address

LOOK_UPS: Final = 32  # at a time; in threads of their own, for a slow name server must not hold up files and logs
PORTS: Final = {"https": 443, "http": 80}

FAILURES: Final = (
    httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError, OSError, TimeoutError,
)  # fmt: skip

LookUp = Callable[[str, int], list[str]]  # host and port to addresses; raises OSError


class InnerError(Exception):
    """The name leads to no address of the internet."""


class OuterBackend(httpcore.AsyncNetworkBackend):
    """Dials addresses of the internet, and the `allowed` origins wherever they are."""

    def __init__(self, allowed: Collection[str], look_up: LookUp | None = None) -> None:
        self._look_up = look_up or _look_up
        self._dial = httpcore.AnyIOBackend()
        self._threads = ThreadPoolExecutor(LOOK_UPS, "look-up")
        self._allowed = {(url.hostname, url.port or PORTS.get(url.scheme)) for url in map(urlsplit, allowed)}

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """A connection to the first address that takes one. Raises InnerError and those of httpcore."""
        failure: Exception = httpcore.ConnectError("no address")
        for address in await self._addresses(host, port):
            try:
                return await self._dial.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure

    async def sleep(self, seconds: float) -> None:
        """Asked for by httpcore."""
        await asyncio.sleep(seconds)

    async def _addresses(self, host: str, port: int) -> list[str]:
        if (host, port) in self._allowed:
            return [host]
        loop = asyncio.get_running_loop()
        try:
            found = await loop.run_in_executor(self._threads, self._look_up, host, port)
        except OSError as error:  # also for a name that is none
            raise httpcore.ConnectError(f"name not found: {error.strerror}") from error
        outer = outer_of(found)
        if not outer:
            raise InnerError(host)
        return outer


def outer_of(addresses: Iterable[str]) -> list[str]:
    """Those of the internet, each once, in the order given."""
    return list(dict.fromkeys(address for address in addresses if is_outer_address(address)))


def _look_up(host: str, port: int) -> list[str]:
    return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
