"""Which direct chats are closed by a block: asked of user-service for many at once, remembered for some seconds."""

import asyncio
from collections.abc import Collection
from typing import TYPE_CHECKING, Final

from tidings.chat.rules import pair_key
from tidings.platform.rpc import Peers
from tidings.rpc.v1 import user_pb2

if TYPE_CHECKING:
    from tidings.rpc.v1.user_pb2_grpc import UserServiceAsyncStub

KEPT: Final = 50_000


class Blocks:
    """Owner of what is remembered, by the key of a pair."""

    def __init__(self, users: "Peers[UserServiceAsyncStub]", age_s: float) -> None:
        self._users, self._age_s = users, age_s
        self._known: dict[str, tuple[float, bool]] = {}
        self._told = 0  # changes; what was asked for before one is not kept

    def forget(self, one: str, other: str) -> None:
        """One of them has blocked or unblocked the other."""
        self._told += 1
        self._known.pop(pair_key(one, other), None)

    async def among(self, keys: Collection[str]) -> set[str]:
        """Those of the pairs of which one has blocked the other. Raises ApiError `unavailable`."""
        now, told = asyncio.get_running_loop().time(), self._told
        found: dict[str, bool] = {}
        unknown: dict[str, user_pb2.Pair] = {}
        for key in keys:
            at, blocked = self._known.get(key, (-self._age_s, False))
            one, _, other = key.partition(":")
            if now - at < self._age_s:
                found[key] = blocked
            elif one != other:  # nobody blocks themselves
                unknown[key] = user_pb2.Pair(one=one, other=other)
        if unknown:
            request = user_pb2.GetBlocksRequest(pairs=unknown.values())
            answer = await self._users.call(self._users.stub().GetBlocks, request, timeout_s=2)
            asked = dict(zip(unknown, answer.blocked, strict=True))
            found |= asked
            if told == self._told:
                if len(self._known) > KEPT:
                    self._known.clear()
                self._known |= {key: (now, blocked) for key, blocked in asked.items()}
        return {key for key, blocked in found.items() if blocked}
