"""Whether sockets may stay: tokens end, sessions are revoked, peers stop answering."""

import asyncio
from typing import TYPE_CHECKING

from tidings.contracts import frames
from tidings.contracts.errors import ApiError
from tidings.contracts.events import SessionRevoked, UserDeleted
from tidings.contracts.frames import CloseCode
from tidings.platform import logging
from tidings.platform.rpc import Peers
from tidings.rpc.v1 import auth_pb2 as pb
from tidings.websocket.hub import Hub
from tidings.websocket.requests import fail
from tidings.websocket.settings import Settings
from tidings.websocket.socket import Socket

if TYPE_CHECKING:
    from tidings.rpc.v1.auth_pb2_grpc import AuthServiceAsyncStub

_log = logging.get(__name__)
SESSIONS_A_CALL = 500
SOCKETS_A_TURN = 200


class Sessions:
    """Closes with 4001 what must not stay. Keeps nothing."""

    def __init__(self, auth: "Peers[AuthServiceAsyncStub]", hub: Hub, settings: Settings) -> None:
        self._auth, self._hub, self._settings = auth, hub, settings

    async def extend(self, socket: Socket, frame: frames.Auth) -> None:
        """A new access token of the same session lets a live socket stay longer."""
        try:
            request = pb.ValidateTokenRequest(credentials=[pb.Credential(access_token=frame.access_token)])
            result = (await self._auth.call(self._auth.stub().ValidateToken, request)).results[0]
            if result.code:
                raise ApiError(result.code)
            if result.session_id != socket.session_id:
                raise ApiError("forbidden", "the token belongs to another session")
        except ApiError as error:
            fail((socket, frame), error)
            return
        socket.expires_at_ms = max(socket.expires_at_ms, result.expires_at_ms)
        socket.ack(frame)

    async def on_revoked(self, event: SessionRevoked) -> None:
        """A session was ended."""
        for socket in self._hub.of(event.user_id):
            if socket.session_id == event.session_id:
                socket.close(CloseCode.TOKEN, "token_revoked")

    async def on_user_deleted(self, event: UserDeleted) -> None:
        """An account was deleted."""
        for socket in self._hub.of(event.user_id):
            socket.close(CloseCode.TOKEN, "token_revoked")

    async def watch(self) -> None:
        """Each second: heartbeats that are due and tokens that have ended. Each minute: are the sessions alive?"""
        loop = asyncio.get_running_loop()
        checked = loop.time()
        while True:
            now = loop.time()
            for number, socket in enumerate(self._hub):
                if number % SOCKETS_A_TURN == SOCKETS_A_TURN - 1:
                    await asyncio.sleep(0)  # others have work too
                if socket.expired:
                    socket.close(CloseCode.TOKEN, "token_expired")
                elif now - socket.pinged_at >= self._settings.heartbeat_s:
                    socket.ping(now)
            if now - checked >= self._settings.session_check_s:
                checked = now
                await self._check()
            await asyncio.sleep(1)

    async def _check(self) -> None:
        sockets: dict[str, list[Socket]] = {}
        for socket in self._hub:
            sockets.setdefault(socket.session_id, []).append(socket)
        ids = list(sockets)
        for start in range(0, len(ids), SESSIONS_A_CALL):
            some = ids[start : start + SESSIONS_A_CALL]
            request = pb.ValidateTokenRequest(credentials=[pb.Credential(session_id=each) for each in some])
            try:
                answer = await self._auth.call(self._auth.stub().ValidateToken, request)
            except ApiError as error:
                _log.warning("sessions cannot be checked now", error=repr(error))
                return
            for session_id, result in zip(some, answer.results, strict=True):
                if result.code:
                    for socket in sockets[session_id]:
                        socket.close(CloseCode.TOKEN, result.code)
