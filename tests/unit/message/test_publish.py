"""What NATS did not take is published again until it does."""

import asyncio
from typing import Any

import pytest

from tidings.contracts.errors import ApiError
from tidings.message.publish import Publisher

BATCHES = [("msg.new.0", b"a"), ("msg.new.1", b"b"), ("msg.new.2", b"c")]


class Nats:
    """Takes nothing so many times, then everything."""

    def __init__(self, refuses: int) -> None:
        self.refuses, self.stored = refuses, list[bytes]()

    async def publish(self, subject: str, body: bytes) -> None:
        if self.refuses:
            self.refuses -= 1
            raise ApiError("unavailable")
        self.stored.append(body)


def acknowledged(*answers: Exception | None) -> "list[asyncio.Future[Any]]":
    futures = []
    for answer in answers:
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        future.set_exception(answer) if answer else future.set_result(None)
        futures.append(future)
    return futures


@pytest.mark.parametrize(
    ("answers", "again"),
    [
        ([None, None, None], []),
        ([None, OSError(), None], [b"b"]),
        ([None], [b"b", b"c"]),  # the connection went away while they were being sent
        ([], [b"a", b"b", b"c"]),  # or it was away before
    ],
)
async def test_what_was_not_acknowledged_is_published_again(
    answers: list[Exception | None], again: list[bytes]
) -> None:
    nats = Nats(refuses=1)
    await Publisher(nats, None, 4).finish(BATCHES, acknowledged(*answers))  # type: ignore[arg-type]
    assert nats.stored == again
