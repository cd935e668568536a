"""One-time codes: six digits, stored hashed, five minutes, five tries in all, used once."""

import hashlib
import hmac
import secrets
from typing import cast

from tidings.auth.settings import Settings
from tidings.contracts.errors import ApiError
from tidings.contracts.limits import Rates
from tidings.platform.redis import Client

# Counts a try, burns the code at the last, and takes it away when it is right: all in one step, so that of two
# racing right answers one wins.
_VERIFY = """
local found = redis.call('HMGET', KEYS[1], 'hash', 'tries')
if not found[1] then return 'expired' end
if found[1] == ARGV[1] then
  redis.call('DEL', KEYS[1], KEYS[2])
  return 'ok'
end
local tries = redis.call('HINCRBY', KEYS[1], 'tries', 1)
if tries >= tonumber(ARGV[2]) then redis.call('DEL', KEYS[1]) end
return 'wrong'
"""


class Otp:
    """Codes in Redis. Losing Redis loses codes: people ask again."""

    def __init__(self, redis: Client, settings: Settings, rates: Rates, pepper: str) -> None:
        self._redis, self._settings, self._rates = redis, settings, rates
        self._pepper = pepper.encode()
        self._prefix = f"{settings.namespace}:otp:"

    async def issue(self, phone: str, address: str | None) -> str:
        """A new code. Raises ApiError `rate_limited`. `address` is None for callers on this machine."""
        wait = self._prefix + "wait:" + self._tag(phone)
        fresh = await self._redis.set(wait, b"1", ex=self._settings.otp_resend_s, nx=True)
        if not fresh:
            left_ms = await self._redis.pttl(wait)
            raise ApiError("rate_limited", "a code was sent just now", retry_after_ms=max(1000, int(left_ms)))
        await self._count("phone:" + self._tag(phone), self._rates.otp_per_phone_hour)
        if address is not None:
            await self._count("ip:" + address, self._rates.otp_per_ip_hour)
        code = f"{secrets.randbelow(1_000_000):06d}"
        key = self._prefix + "code:" + self._tag(phone)
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.delete(key)
            pipe.hset(key, mapping={"hash": self._hash(phone, code), "tries": 0})
            pipe.expire(key, self._settings.otp_lasts_s)
            await pipe.execute()
        return code

    async def check(self, phone: str, code: str) -> None:
        """Use a code up. Raises ApiError `otp_invalid` or `otp_expired`."""
        keys = [self._prefix + "code:" + self._tag(phone), self._prefix + "wait:" + self._tag(phone)]
        found = await self._redis.eval(_VERIFY, 2, *keys, self._hash(phone, code), str(self._settings.otp_tries))
        if found == b"expired":
            raise ApiError("otp_expired")
        if found != b"ok":
            raise ApiError("otp_invalid")

    async def show(self, phone: str, code: str | None = None) -> str | None:
        """For the `dev` SMS provider alone: keep the last code, or tell it."""
        key = self._prefix + "dev:" + self._tag(phone)
        if code is not None:
            await self._redis.set(key, code.encode(), ex=self._settings.otp_lasts_s)
            return code
        found = await self._redis.get(key)
        return None if found is None else cast("bytes", found).decode()

    async def _count(self, name: str, most: int) -> None:
        key = f"{self._prefix}hour:{name}"
        count = await self._redis.incr(key)
        if count == 1:
            await self._redis.expire(key, 3600)
        if count > most:
            left_s = await self._redis.ttl(key)
            raise ApiError("rate_limited", "too many codes were asked for", retry_after_ms=max(1, int(left_s)) * 1000)

    def _hash(self, phone: str, code: str) -> bytes:
        return hmac.digest(self._pepper, f"{phone} {code}".encode(), hashlib.sha256).hex().encode()

    def _tag(self, phone: str) -> str:
        """Phone numbers do not stand in keys."""
        return hmac.digest(self._pepper, phone.encode(), hashlib.sha256).hex()[:32]
