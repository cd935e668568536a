"""What the cache of validated tokens may remember."""

import asyncio
import random
from types import SimpleNamespace
from typing import Any

import pytest
from tests.support.virtual_loop import VirtualLoop, play

from tidings.contracts.errors import ApiError
from tidings.contracts.events import SessionRevoked
from tidings.contracts.times import now_ms
from tidings.gateway.settings import Settings
from tidings.gateway.tokens import ANSWER_S, Tokens
from tidings.rpc.v1 import auth_pb2


class Auth:
    """auth-service; `meanwhile` comes in while it answers the first check."""

    def __init__(self) -> None:
        self.checks, self.code, self.hangs = 0, "", False
        self.meanwhile: tuple[Tokens, str] | None = None

    def stub(self) -> Any:
        return SimpleNamespace(ValidateToken=None)

    async def call(self, _: Any, asked: Any, timeout_s: float) -> auth_pb2.ValidateTokenResponse:
        self.checks += 1
        if self.hangs:
            await asyncio.sleep(timeout_s)
            raise ApiError("unavailable")
        read = auth_pb2.TokenResult(code=self.code, user_id="ann", session_id="s1", expires_at_ms=now_ms() + 60_000)
        if self.meanwhile is not None:
            (tokens, session), self.meanwhile = self.meanwhile, None
            await tokens.on_revoked(SessionRevoked(session_id=session, user_id="ann"))
            self.code = "token_revoked"
        return auth_pb2.ValidateTokenResponse(results=[read] * len(asked.credentials))


def gate() -> tuple[Tokens, Auth]:
    auth: Any = Auth()
    return Tokens(auth, Settings()), auth


async def test_a_good_token_is_checked_once() -> None:
    tokens, auth = gate()
    for _ in range(3):
        assert (await tokens.identify("t")).user_id == "ann"
    assert auth.checks == 1


async def test_a_token_whose_session_ended_while_it_was_checked_is_not_remembered() -> None:
    tokens, auth = gate()
    auth.meanwhile = (tokens, "s1")
    await tokens.identify("t")  # what auth-service had read was true when it read it
    with pytest.raises(ApiError) as raised:
        await tokens.identify("t")
    assert raised.value.code == "token_revoked"
    assert auth.checks == 2


def test_while_auth_hangs_a_token_that_was_good_passes_in_time_behind_one_that_waits() -> None:
    async def scene(loop: VirtualLoop, _: random.Random) -> None:
        tokens, auth = gate()
        await tokens.identify("good")
        auth.hangs = True
        await asyncio.sleep(Settings().token_cache_s + 1)
        new = asyncio.create_task(tokens.identify("new"))
        await asyncio.sleep(ANSWER_S / 2)
        began = loop.time()
        assert (await tokens.identify("good")).user_id == "ann"
        assert loop.time() - began <= ANSWER_S
        with pytest.raises(ApiError) as raised:
            await new
        assert raised.value.code == "unavailable"

    play(1, scene)


async def test_tokens_that_come_together_are_asked_for_together() -> None:
    tokens, auth = gate()
    found = await asyncio.gather(*(tokens.identify(f"t{number}") for number in range(50)))
    assert [identity.user_id for identity in found] == ["ann"] * 50
    assert auth.checks == 1
