"""gRPC: `ValidateToken` and `DeleteAccount`."""

from typing import Any

from tidings.auth.sessions import Sessions
from tidings.auth.validate import Credential, Validator
from tidings.rpc.v1 import auth_pb2, auth_pb2_grpc


class AuthRpc(auth_pb2_grpc.AuthServiceServicer):
    """Translates between messages and the rules."""

    def __init__(self, validator: Validator, sessions: Sessions) -> None:
        self._validator = validator
        self._sessions = sessions

    async def ValidateToken(self, request: auth_pb2.ValidateTokenRequest, context: Any) -> Any:
        """In the order asked."""
        verdicts = await self._validator.validate([_credential(item) for item in request.credentials])
        return auth_pb2.ValidateTokenResponse(
            results=[
                auth_pb2.TokenResult(
                    code=v.code, user_id=v.user_id, session_id=v.session_id, expires_at_ms=v.expires_at_ms
                )
                for v in verdicts
            ]
        )

    async def DeleteAccount(self, request: auth_pb2.DeleteAccountRequest, context: Any) -> Any:
        """Safe to repeat."""
        await self._sessions.delete_account(request.user_id)
        return auth_pb2.DeleteAccountResponse()


def _credential(item: auth_pb2.Credential) -> Credential:
    match item.WhichOneof("kind"):
        case "ticket":
            return Credential("ticket", item.ticket)
        case "session_id":
            return Credential("session", item.session_id)
        case _:
            return Credential("token", item.access_token)
