"""What auth-service tells others, and hears from its own other instances: a session ended."""

from collections.abc import Callable

from tidings.contracts.events import SESSION_REVOKED, SessionRevoked
from tidings.platform.bus import Bus


class Events:
    """Broadcasts."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def session_revoked(self, user_id: str, session_id: str) -> None:
        """Gateway and websocket instances drop it at once."""
        await self._bus.broadcast(SESSION_REVOKED, SessionRevoked(user_id, session_id))

    async def on_session_revoked(self, drop: Callable[[str], None]) -> None:
        """Call `drop` with each session that ended anywhere."""

        async def receive(event: SessionRevoked) -> None:
            drop(event.session_id)

        await self._bus.listen(SESSION_REVOKED, SessionRevoked, receive)
