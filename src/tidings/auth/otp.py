"""One-time codes in Redis: made, limited, and used up exactly once however many guess at the same time.

Neither numbers nor codes are stored: their keys and values are HMACs with a pepper that Redis never sees.
"""

import hashlib
import hmac
import ipaddress
import secrets
from collections.abc import Awaitable, Sequence
from typing import Any, cast

import msgspec

from tidings.contracts.errors import ApiError
from tidings.contracts.limits import Rates
from tidings.platform import metrics
from tidings.platform.redis import UNREACHABLE, Client

HOUR_S = 3600

# All keys of a number share a slot. Answers {0} or {1, wait ms} (too soon) or {2, wait ms} (too many).
_ISSUE = """
local wait = redis.call('PTTL', KEYS[2])
if wait > 0 then return {1, wait} end
if tonumber(redis.call('GET', KEYS[3]) or '0') >= tonumber(ARGV[4]) then
  return {2, math.max(redis.call('PTTL', KEYS[3]), 1000)}
end
if redis.call('INCR', KEYS[3]) == 1 then redis.call('EXPIRE', KEYS[3], ARGV[5]) end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'code', ARGV[1], 'tries', '0')
redis.call('EXPIRE', KEYS[1], ARGV[2])
redis.call('SET', KEYS[2], '1', 'EX', ARGV[3])
return {0, 0}
"""

# One script: two that bring the right code at once cannot both find it. Answers {state, ms the code had left}.
_USE = """
local code = redis.call('HGET', KEYS[1], 'code')
if not code then return {'expired', 0} end
local left = redis.call('PTTL', KEYS[1])
if code == ARGV[1] then
  redis.call('DEL', KEYS[1], KEYS[2])
  if tonumber(redis.call('GET', KEYS[3]) or '0') > 0 then redis.call('DECR', KEYS[3]) end
  return {'ok', left}
end
if redis.call('HINCRBY', KEYS[1], 'tries', 1) >= tonumber(ARGV[2]) then redis.call('DEL', KEYS[1]) end
return {'invalid', 0}
"""

_COUNT = """
local n = redis.call('INCR', KEYS[1])
if n == 1 then redis.call('EXPIRE', KEYS[1], ARGV[1]) end
return {n, redis.call('PTTL', KEYS[1])}
"""

_UNCOUNT = """
if tonumber(redis.call('GET', KEYS[1]) or '0') > 0 then redis.call('DECR', KEYS[1]) end
return {0}
"""


class Used(msgspec.Struct, frozen=True):
    """A code that was right, so that it can be put back if signing in fails behind it."""

    phone: str
    digest: str
    left_ms: int


class Codes:
    """Owner of the OTP keys of one system."""

    def __init__(
        self, redis: Client, namespace: str, pepper: str, rates: Rates, *, lifetime_s: int, tries: int, resend_s: int,
        range_hour: int,
    ) -> None:  # fmt: skip
        self._redis = redis
        self._namespace = namespace
        self._pepper = pepper.encode()
        self._rates = rates
        self.lifetime_s = lifetime_s
        self.tries = tries
        self.resend_s = resend_s
        self._range_hour = range_hour

    async def issue(self, phone: str, address: str) -> str:
        """A new code for this number, in place of an older one. Raises ApiError `rate_limited`."""
        code = f"{secrets.randbelow(1_000_000):06d}"
        await self._count_address(address)
        await self._count_range(phone, address)
        cap = self._rates.otp_per_phone_hour
        arguments = [self._digest(phone, code), self.lifetime_s, self.resend_s, cap, HOUR_S]
        state, wait_ms = await self._run(_ISSUE, self._keys(phone), arguments)
        if state:
            limit = 1 if state == 1 else cap
            raise ApiError("rate_limited", "wait before asking for another code", retry_after_ms=wait_ms, limit=limit)
        return code

    async def take_back(self, phone: str) -> None:
        """The code could not be sent: another may be asked for at once."""
        code, resend, _ = self._keys(phone)
        try:
            await self._redis.delete(code, resend)
        except UNREACHABLE:  # the caller is told that no code was sent, and both end by themselves
            metrics.DEPENDENCY.labels("redis").inc()

    async def use(self, phone: str, code: str) -> Used:
        """Use a code up. Raises ApiError `otp_invalid` or `otp_expired`."""
        digest = self._digest(phone, code)
        state, left_ms = await self._run(_USE, self._keys(phone), [digest, self.tries])
        if state == b"expired":
            raise ApiError("otp_expired")
        if state != b"ok":
            raise ApiError("otp_invalid")
        await self._run(_UNCOUNT, [self._range_key(phone)], [])
        return Used(phone, digest, left_ms)

    async def put_back(self, used: Used) -> None:
        """Signing in failed through no fault of the caller: the same code may be tried again."""
        key = self._keys(used.phone)[0]
        pipe = self._redis.pipeline(transaction=True)
        pipe.hset(key, mapping={"code": used.digest, "tries": "0"})
        pipe.pexpire(key, max(used.left_ms, 1))
        try:
            await pipe.execute()
        except UNREACHABLE:
            metrics.DEPENDENCY.labels("redis").inc()

    async def _count_address(self, address: str) -> None:
        if is_loopback(address):
            return
        cap = self._rates.otp_per_ip_hour
        count, wait_ms = await self._run(_COUNT, [f"{self._namespace}:otp:ip:{address}"], [HOUR_S])
        if count > cap:
            raise ApiError("rate_limited", retry_after_ms=wait_ms, limit=cap)

    async def _count_range(self, phone: str, address: str) -> None:
        if is_loopback(address):
            return
        count, wait_ms = await self._run(_COUNT, [self._range_key(phone)], [HOUR_S])
        if count > self._range_hour:
            raise ApiError("rate_limited", retry_after_ms=wait_ms, limit=self._range_hour)

    def _range_key(self, phone: str) -> str:
        return f"{self._namespace}:otp:range:{self._mac('range:' + phone[:-4])[:32]}"

    async def _run(self, script: str, keys: Sequence[str], arguments: Sequence[object]) -> list[Any]:
        try:
            answer = self._redis.eval(script, len(keys), *keys, *(str(argument) for argument in arguments))
            return await cast("Awaitable[list[Any]]", answer)
        except UNREACHABLE as error:
            metrics.DEPENDENCY.labels("redis").inc()
            raise ApiError("unavailable") from error

    def _keys(self, phone: str) -> list[str]:
        slot = f"{self._namespace}:otp:{{{self._mac('phone:' + phone)[:32]}}}"
        return [f"{slot}:code", f"{slot}:resend", f"{slot}:hour"]

    def _digest(self, phone: str, code: str) -> str:
        return self._mac(f"code:{phone}:{code}")

    def _mac(self, text: str) -> str:
        return hmac.new(self._pepper, text.encode(), hashlib.sha256).hexdigest()


def is_loopback(address: str) -> bool:
    """Whether a client is on this machine."""
    try:
        found = ipaddress.ip_address(address.strip("[]"))
    except ValueError:
        return False
    mapped = getattr(found, "ipv4_mapped", None)
    return bool((mapped or found).is_loopback)
