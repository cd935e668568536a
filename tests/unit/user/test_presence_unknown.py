"""Who is online while Redis is away is not known: that is said, and nobody is told to be offline."""

from typing import Any

import pytest
from redis.exceptions import RedisError

from tidings.contracts.errors import ApiError
from tidings.user.people import People


class Store:
    async def seen_by(self, *_: Any) -> dict[str, Any]:
        return {}


class Away:
    async def online(self, _: list[str]) -> list[bool]:
        raise RedisError


async def test_presence_is_unavailable_while_redis_is_away() -> None:
    here: Any = (Store(), Away(), None)
    with pytest.raises(ApiError) as refused:
        await People(*here, "").presence([("ann", "ben")])
    assert refused.value.code == "unavailable"
