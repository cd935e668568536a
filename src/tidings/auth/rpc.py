"""gRPC of auth-service: decode, call one action, encode."""

from typing import Any

from tidings.auth.sessions import Proof, Sessions
from tidings.auth.store import Store
from tidings.contracts.errors import ApiError
from tidings.rpc.v1 import auth_pb2 as pb
from tidings.rpc.v1.auth_pb2_grpc import AuthServiceServicer


class AuthRpc(AuthServiceServicer):
    """The service of proto/auth.proto."""

    def __init__(self, sessions: Sessions, store: Store) -> None:
        self._sessions, self._store = sessions, store

    async def ValidateToken(self, request: pb.ValidateTokenRequest, context: Any) -> pb.ValidateTokenResponse:
        tokens = [c.access_token for c in request.credentials if c.WhichOneof("kind") == "access_token"]
        proofs = iter(await self._sessions.prove_tokens(tokens)) if tokens else iter(())
        asked = [c.session_id for c in request.credentials if c.WhichOneof("kind") == "session_id"]
        alive = await self._sessions.alive(asked) if asked else set()
        results = []
        for credential in request.credentials:
            match credential.WhichOneof("kind"):
                case "access_token":
                    results.append(_result(next(proofs)))
                case "ticket":
                    results.append(_result(await self._sessions.prove_ticket(credential.ticket)))
                case "session_id":
                    code = "" if credential.session_id in alive else "token_revoked"
                    results.append(pb.TokenResult(code=code, session_id=credential.session_id))
                case _:
                    results.append(pb.TokenResult(code="unauthenticated"))
        return pb.ValidateTokenResponse(results=results)

    async def DeleteAccount(self, request: pb.DeleteAccountRequest, context: Any) -> pb.DeleteAccountResponse:
        await self._store.delete_account(request.user_id)
        await self._sessions.end(request.user_id, None)
        return pb.DeleteAccountResponse()


def _result(proof: Proof | ApiError) -> pb.TokenResult:
    if isinstance(proof, ApiError):
        return pb.TokenResult(code=proof.code)
    return pb.TokenResult(user_id=proof.user_id, session_id=proof.session_id, expires_at_ms=proof.expires_at_ms)
