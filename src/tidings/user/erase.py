"""Deleting an account: wished for, then done in steps that may each happen twice, whoever dies in between."""

import asyncio
from typing import TYPE_CHECKING

import msgspec

from tidings.contracts.errors import ApiError
from tidings.contracts.events import USER_DELETED, UserDeleted
from tidings.platform import logging
from tidings.platform.bus import Bus
from tidings.platform.rpc import Peers
from tidings.rpc.v1 import auth_pb2
from tidings.user.store import Store

if TYPE_CHECKING:
    from tidings.rpc.v1.auth_pb2_grpc import AuthServiceAsyncStub

_log = logging.get(__name__)


class Erasure:
    """Owner of the wish to look for deletions that were interrupted."""

    def __init__(self, store: Store, bus: Bus, auth: "Peers[AuthServiceAsyncStub]") -> None:
        self._store, self._bus, self._auth = store, bus, auth
        self._wake = asyncio.Event()
        self._wake.set()

    async def erase(self, user_id: str) -> None:
        """Delete an account. Raises ApiError `unavailable` when it will be finished later."""
        await self._store.wish_erased(user_id)
        await self._finish(user_id)

    def soon(self) -> None:
        """Something is left to be finished."""
        self._wake.set()

    async def run(self, every_s: float) -> None:
        """Finish what was interrupted, at the start, when woken and now and then."""
        while True:
            self._wake.clear()
            try:
                for user_id in await self._store.erasing():
                    await self._finish(user_id)
            except ApiError as error:
                _log.warning("deleted accounts wait", error=str(error))
            try:
                await asyncio.wait_for(self._wake.wait(), every_s)
            except TimeoutError:
                continue

    async def _finish(self, user_id: str) -> None:
        # The number is free and every session ended before the profile goes: nobody acts for a tombstone.
        request = auth_pb2.DeleteAccountRequest(user_id=user_id)
        await self._auth.call(self._auth.stub().DeleteAccount, request)
        await self._store.delete(user_id)
        body = msgspec.json.encode(UserDeleted(user_id))
        await self._bus.publish(USER_DELETED, body, message_id=f"{USER_DELETED} {user_id}")
        await self._store.erased(user_id)
