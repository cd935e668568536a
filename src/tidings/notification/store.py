"""The only file that knows Redis: what was pushed, so that an event that comes again is not told again.

A hash per person and chat: `p` the highest number pushed, `r` the highest one whose reading was pushed. Lost
with Redis, which at worst repeats a push that is still unread; its collapse key then replaces it.
"""

from collections.abc import Sequence
from typing import Final

from tidings.contracts.errors import ApiError
from tidings.platform import redis
from tidings.platform.presence import Presence

_CLAIM_MESSAGE: Final = """
local was = tonumber(redis.call('HGET', KEYS[1], 'p') or '-1')
if was >= tonumber(ARGV[1]) then return -2 end
redis.call('HSET', KEYS[1], 'p', ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[2])
return was
"""
# Only who has a notification on screen needs to be told that it is read.
_CLAIM_READ: Final = """
local pushed = tonumber(redis.call('HGET', KEYS[1], 'p') or '-1')
local read = tonumber(redis.call('HGET', KEYS[1], 'r') or '-1')
if read >= pushed or read >= tonumber(ARGV[1]) then return -2 end
redis.call('HSET', KEYS[1], 'r', ARGV[1])
return read
"""
TAKEN: Final = -2


class Store:
    """Claims on pushes, and who is online."""

    def __init__(self, client: redis.Client, namespace: str, kept_s: int) -> None:
        self._redis = client
        self._presence = Presence(client, namespace)
        self._prefix = f"{namespace}:pushed:"
        self._kept_s = kept_s

    async def claim_message(self, user_id: str, chat_id: str, seq: int) -> int | None:
        """Take the right to push this number; the number pushed before, or None when it was pushed already."""
        return await self._claim(_CLAIM_MESSAGE, user_id, chat_id, seq)

    async def claim_read(self, user_id: str, chat_id: str, seq: int) -> int | None:
        """The same for a read mark; None also when no push waits to be taken away."""
        return await self._claim(_CLAIM_READ, user_id, chat_id, seq)

    async def is_overtaken(self, user_id: str, chat_id: str, kind: str, seq: int) -> bool:
        """Whether a push that is still on its way says nothing new any more: a later one is too, or it was read."""
        try:
            pushed, read = await self._redis.hmget(self._key(user_id, chat_id), ["p", "r"])
        except redis.UNREACHABLE as error:
            raise _unavailable() from error
        if kind == "read":
            return int(read or -1) > seq
        return int(pushed or -1) > seq or int(read or -1) >= seq

    async def give_back(self, user_id: str, chat_id: str, field: str, was: int) -> None:
        """The push could not be sent."""
        try:
            await self._redis.hset(self._key(user_id, chat_id), field, str(was))
        except redis.UNREACHABLE as error:
            raise _unavailable() from error

    async def online(self, user_ids: Sequence[str]) -> dict[str, bool]:
        """Who has a socket at this moment."""
        try:
            found = await self._presence.online(user_ids, lingering=False)
        except redis.UNREACHABLE as error:
            raise _unavailable() from error
        return dict(zip(user_ids, found, strict=True))

    async def _claim(self, script: str, user_id: str, chat_id: str, seq: int) -> int | None:
        try:
            was = int(await self._redis.eval(script, 1, self._key(user_id, chat_id), str(seq), str(self._kept_s)))
        except redis.UNREACHABLE as error:
            raise _unavailable() from error
        return None if was == TAKEN else was

    def _key(self, user_id: str, chat_id: str) -> str:
        return f"{self._prefix}{user_id}:{chat_id}"


def _unavailable() -> ApiError:
    return ApiError("unavailable", "redis cannot be reached at the moment")
