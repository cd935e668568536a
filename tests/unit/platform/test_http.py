"""The deadline of a request, whatever its handler does."""

import asyncio
from typing import Any

import httpx
import pytest
from litestar import Request, get, post

from tidings.contracts.errors import ApiError
from tidings.platform import http

TOKEN = {"x-internal-auth": "secret"}


def client(*routes: Any, answer_s: float) -> httpx.AsyncClient:
    asgi: Any = http.app("a test", routes, http.Health({}), "secret", max_body=1024, answer_s=answer_s)
    return httpx.AsyncClient(transport=httpx.ASGITransport(asgi), base_url="http://test", headers=TOKEN)


@pytest.mark.parametrize("deaf", [False, True])
async def test_a_handler_that_hangs_is_answered_for(deaf: bool) -> None:
    released = asyncio.Event()

    @get("/hang")
    async def hang() -> None:
        try:
            await released.wait()
        finally:
            if deaf:  # as a driver that asks its server to cancel
                await released.wait()

    async with asyncio.timeout(5), client(hang, answer_s=0.1) as c:
        answer = await c.get("/hang")
    released.set()
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert int(answer.headers["retry-after"]) >= 1
    assert answer.headers["x-request-id"] == answer.json()["requestId"]


async def test_the_time_in_which_a_body_comes_is_not_counted() -> None:
    @post("/take")
    async def take(request: Request[Any, Any, Any]) -> Any:
        return await request.json()

    async with client(take, answer_s=0.1) as c:

        async def body() -> Any:
            yield b'{"a":'
            await asyncio.sleep(0.3)  # the rule is about this very time
            yield b" 1}"

        answer = await c.post("/take", content=body(), headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()) == (201, {"a": 1})


async def test_each_503_says_when_to_ask_again() -> None:
    @get("/away")
    async def away() -> None:
        raise ApiError("unavailable")

    async with client(away, answer_s=1) as c:
        assert (await c.get("/away")).headers["retry-after"] == "1"
