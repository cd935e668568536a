"""The socket: opened again and again, with full jitter, until the client is closed (contract section 4)."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec
import websockets
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from tidings.client.api import Api
from tidings.client.model import Json
from tidings.contracts.errors import ApiError

FIRST_WAIT_S: Final = 5.0  # upper end of the jitter; doubled to
LONGEST_WAIT_S: Final = 60.0
OPEN_TIMEOUT_S: Final = 10.0
SEND_TIMEOUT_S: Final = 10.0  # a peer that does not read for so long is as good as gone
PING_S: Final = 20.0
MAX_FRAME: Final = 1 << 20
REVOKED: Final = 4001  # close code: token expired or revoked

_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(dict).decode


class Socket:
    """Owner of the connection. `run` ends only with the session; `send` is for frames of the present connection."""

    def __init__(
        self, api: Api, received: Callable[[Json], Awaitable[None]], closed: Callable[[str], Awaitable[None]]
    ) -> None:
        self._api = api
        self._received = received
        self._closed = closed
        self._connection: websockets.ClientConnection | None = None

    async def run(self) -> None:
        """Keep a connection open. Raises ApiError when the session is over."""
        failures = 0
        while True:
            reason = ""
            try:
                if await self._live():
                    failures = 0
            except (OSError, InvalidHandshake, ConnectionClosed, TimeoutError) as problem:
                reason = str(problem) or type(problem).__name__
            except ApiError as problem:
                if problem.status == 401:
                    raise
                reason = problem.detail
            await self._closed(reason)
            wait = random.uniform(0, min(FIRST_WAIT_S * 2**failures, LONGEST_WAIT_S))  # noqa: S311
            failures = min(failures + 1, 10)
            await asyncio.sleep(wait)

    async def _live(self) -> bool:
        """One connection from its start to its end. True when it had begun."""
        token = await self._api.token()
        address = self._api.base_url.replace("http", "ws", 1) + "/ws"
        try:
            connection = await websockets.connect(
                address, additional_headers={"Authorization": f"Bearer {token}"}, open_timeout=OPEN_TIMEOUT_S,
                ping_interval=PING_S, ping_timeout=PING_S, max_size=MAX_FRAME, compression=None, proxy=None,
            )  # fmt: skip
        except InvalidStatus as refusal:
            if refusal.response.status_code == 401:
                await self._api.renew(token)
            raise
        self._connection = connection
        began = False
        try:
            async for text in connection:
                began = True
                await self._received(_decode(text))
        except ConnectionClosed:
            pass  # no close frame, or one that tells an error: the code below says which
        finally:
            self._connection = None
            await connection.close()
        if connection.close_code == REVOKED:
            await self._api.renew(token)
        return began

    async def send(self, frame: Json) -> None:
        """Send on the present connection; without one the frame is dropped (the core sends it again)."""
        connection = self._connection
        if connection is None:
            return
        try:
            async with asyncio.timeout(SEND_TIMEOUT_S):
                await connection.send(_encode(frame).decode())
        except TimeoutError:
            connection.transport.abort()
        except ConnectionClosed:
            pass
