"""What the cache of validated tokens may remember."""

from types import SimpleNamespace
from typing import Any

import pytest

from tidings.contracts.errors import ApiError
from tidings.contracts.events import SessionRevoked
from tidings.contracts.times import now_ms
from tidings.gateway.settings import Settings
from tidings.gateway.tokens import Tokens
from tidings.rpc.v1 import auth_pb2


class Auth:
    """auth-service; `meanwhile` comes in while it answers the first check."""

    def __init__(self) -> None:
        self.checks, self.code = 0, ""
        self.meanwhile: tuple[Tokens, str] | None = None

    def stub(self) -> Any:
        return SimpleNamespace(ValidateToken=None)

    async def call(self, *_: Any, **__: Any) -> auth_pb2.ValidateTokenResponse:
        self.checks += 1
        read = auth_pb2.TokenResult(code=self.code, user_id="ann", session_id="s1", expires_at_ms=now_ms() + 60_000)
        if self.meanwhile is not None:
            (tokens, session), self.meanwhile = self.meanwhile, None
            await tokens.on_revoked(SessionRevoked(session_id=session, user_id="ann"))
            self.code = "token_revoked"
        return auth_pb2.ValidateTokenResponse(results=[read])


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
