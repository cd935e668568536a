"""Who is signed in, kept in a file of mode 0600, and the renewal of the access token.

Several programs may share one session (a terminal client and a script): each renewal happens under a lock of the file
and begins by reading it, because a refresh token used twice would end the session (contract section 3, auth).
"""

import asyncio
import contextlib
import fcntl
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import msgspec

LOCK_TIMEOUT_S: Final = 30.0
RENEW_BEFORE_MS: Final = 60_000  # an access token this near to its end is renewed first


class Session(msgspec.Struct, rename="camel", kw_only=True, frozen=True):
    """One sign-in, with its secrets."""

    user_id: str
    access_token: str
    refresh_token: str
    expires_at_ms: int

    def ends_soon(self) -> bool:
        """Whether the access token is to be renewed before it is used."""
        return time.time() * 1000 > self.expires_at_ms - RENEW_BEFORE_MS


class SessionFile:
    """Owner of the file. `folder` is None for a session that lives in memory only."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._held: Session | None = None
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def load(self) -> Session | None:
        """Who is signed in now. Raises ValueError when the file is damaged."""
        if self._folder is None:
            return self._held
        target = self._folder / "session.json"
        try:
            return msgspec.json.decode(target.read_bytes(), type=Session)
        except FileNotFoundError:
            return None
        except msgspec.MsgspecError as problem:
            raise ValueError(f"{target} is damaged ({problem}): remove it and sign in again") from problem

    def save(self, session: Session | None) -> None:
        """On disk before it returns: a refresh token that was rotated and lost would end the session."""
        self._held = session
        if self._folder is None:
            return
        target = self._folder / "session.json"
        if session is None:
            target.unlink(missing_ok=True)
            return
        draft = self._folder / "session.json.new"
        draft.unlink(missing_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(msgspec.json.encode(session))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(target)
        folder = os.open(self._folder, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)

    @contextlib.asynccontextmanager
    async def locked(self) -> AsyncIterator[None]:
        """Alone among all programs that share this session. Raises TimeoutError after 30 s."""
        if self._folder is None:
            yield
            return
        with (self._folder / "session.lock").open("w") as file:
            async with asyncio.timeout(LOCK_TIMEOUT_S):
                while True:
                    try:
                        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                        break
                    except BlockingIOError:
                        await asyncio.sleep(0.02)  # held for one short request by another program
            yield
