"""Where pushes go once they are decided: a port with one implementation per way out."""

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from tidings.contracts.errors import ApiError
from tidings.contracts.times import now_ms, rfc3339
from tidings.notification.payload import Payload


class Target(msgspec.Struct, frozen=True):
    """An installation of the app. `address` is a credential: anyone who has it can push to it."""

    id: str
    user_id: str
    session_id: str
    kind: str
    address: str


class Push(msgspec.Struct, frozen=True):
    """One notification to one target. A later push with the same `collapse_key` replaces it on the device."""

    target: Target
    payload: Payload
    collapse_key: str


class Provider(Protocol):
    """Takes pushes."""

    async def send(self, pushes: Sequence[Push]) -> None:
        """Take those whose kind of target it serves, and leave the rest. Quick: it does not wait for a push service.
        Raises ApiError `unavailable`, and then any number of them may have been taken."""
        ...


class DevProvider:
    """Appends pushes to a file (mode 0600, a JSON object a line), for developers and tests to read."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def send(self, pushes: Sequence[Push]) -> None:
        """All of them, whatever their kind."""
        lines = b"".join(msgspec.json.encode(self._line(push)) + b"\n" for push in pushes)
        try:
            await asyncio.to_thread(self._append, lines)
        except OSError as error:
            raise ApiError("unavailable", f"push log: {error.strerror}") from error

    def _line(self, push: Push) -> dict[str, object]:
        return {
            "at": rfc3339(now_ms()),
            "userId": push.target.user_id,
            "sessionId": push.target.session_id,
            "targetId": push.target.id,
            "kind": push.target.kind,
            "collapseKey": push.collapse_key,
            "payload": push.payload,
        }

    def _append(self, lines: bytes) -> None:
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.write(descriptor, lines)  # one write: lines of two instances never mix
        finally:
            os.close(descriptor)
