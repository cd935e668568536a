"""auth-, user-, chat- and message-service in the test's own process, on real stores, wired to each other by gRPC as
they run. Each wire counts its calls and can be slow, broken or cut. HTTP is asked as the gateway asks."""

import asyncio
import contextlib
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import grpc
import grpc.aio
import httpx
from tests.support.running import Stores

from tidings.auth import service as auth_service
from tidings.auth.settings import Settings as AuthSettings
from tidings.chat import service as chat_service
from tidings.chat.settings import Settings as ChatSettings
from tidings.contracts.ids import new_id
from tidings.message import service as message_service
from tidings.message.settings import Settings as MessageSettings
from tidings.platform import http, rpc
from tidings.platform.http import Health
from tidings.platform.lifecycle import Servers, internal_token
from tidings.platform.secrets import secret
from tidings.platform.settings import load
from tidings.user import service as user_service
from tidings.user.settings import Settings as UserSettings

BUILDS: dict[str, tuple[Any, Any]] = {
    "auth": (auth_service.build, AuthSettings),
    "user": (user_service.build, UserSettings),
    "chat": (chat_service.build, ChatSettings),
    "message": (message_service.build, MessageSettings),
}
WITH_DATABASE = ("auth", "user", "chat")


class Wire(grpc.GenericRpcHandler):
    """A gRPC server that hands every call on. `before` and `after` may wait or raise; `calls` counts."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.before: dict[str, Callable[[], Awaitable[None]]] = {}
        self.after: dict[str, Callable[[], Awaitable[None]]] = {}
        self.cut = False
        self.target: grpc.aio.Channel | None = None
        self.port = 0
        self._server: grpc.aio.Server | None = None

    async def start(self) -> None:
        self._server = grpc.aio.server()
        self._server.add_generic_rpc_handlers((self,))
        self.port = self._server.add_insecure_port("127.0.0.1:0")
        await self._server.start()

    async def stop(self) -> None:
        """Nobody listens there any more."""
        if self._server is not None:
            await self._server.stop(0)

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        path = handler_call_details.method
        method = path.rpartition("/")[2]

        async def forward(request: bytes, call: Any) -> bytes:
            self.calls[method] += 1
            if self.cut or self.target is None:
                await call.abort(grpc.StatusCode.UNAVAILABLE, "cut")
            if wait := self.before.get(method):
                await wait()
            metadata = [(k, v) for k, v in call.invocation_metadata() if not k.startswith(("grpc-", "user-agent"))]
            try:
                answer: bytes = await self.target.unary_unary(path)(
                    request, timeout=call.time_remaining(), metadata=tuple(metadata)
                )
            except grpc.aio.AioRpcError as error:
                await call.abort(error.code(), error.details() or "", tuple(error.trailing_metadata() or ()))
            if wait := self.after.get(method):
                await wait()
            return answer

        return grpc.unary_unary_rpc_method_handler(forward)


class Instance:
    """One running service."""

    def __init__(self, servers: Servers, settings: Any) -> None:
        self.servers, self.settings = servers, settings
        health = Health(servers.checks)
        health.accepting = True
        self.token = internal_token(settings)
        self.app = http.app("test", servers.routes or [], health, self.token, max_body=256 * 1024)

    def as_(self, user_id: str, session_id: str | None = None, **headers: str) -> "Asker":
        """HTTP as the gateway would pass it on for this person; "" is somebody not signed in."""
        return Asker(self, {"x-user-id": user_id, "x-session-id": session_id or new_id(), **headers})


class Asker:
    """A person's HTTP client."""

    def __init__(self, instance: Instance, headers: dict[str, str]) -> None:
        headers = {k: v for k, v in {"x-internal-auth": instance.token, **headers}.items() if v}
        self.http = httpx.AsyncClient(
            transport=httpx.ASGITransport(instance.app, raise_app_exceptions=False),
            base_url="http://tidings.test/api/v1", headers=headers,
        )  # fmt: skip

    async def raw(self, method: str, path: str, body: object = None, **query: Any) -> httpx.Response:
        return await self.http.request(method, path, json=body, params=query or None)

    async def ask(self, method: str, path: str, body: object = None, *, gives: int = 200, **query: Any) -> Any:
        answer = await self.raw(method, path, body, **query)
        assert answer.status_code == gives, f"{method} {path}: {answer.status_code} {answer.text[:400]}"
        return answer.json() if answer.content else None

    async def code(self, method: str, path: str, body: object = None, **query: Any) -> str:
        """What it is refused with, or the status of a success."""
        answer = await self.raw(method, path, body, **query)
        return str(answer.status_code) if answer.is_success else str(answer.json()["code"])


class World:
    """The stores' settings, the wires, and how to start instances."""

    def __init__(self, stores: Stores, namespace: str, data_dir: Path) -> None:
        self.stores, self.namespace = stores, namespace
        self.wires = {name: Wire() for name in (*BUILDS, "media")}
        self.environ = {**stores.environ, "TIDINGS_NAMESPACE": namespace, "TIDINGS_DATA_DIR": str(data_dir)}
        self._stack = AsyncExitStack()
        self.running: dict[str, Instance] = {}

    async def __aenter__(self) -> "World":
        for name, wire in self.wires.items():
            await wire.start()
            self._stack.push_async_callback(wire.stop)
            self.environ[f"TIDINGS_{name.upper()}_GRPC"] = f"127.0.0.1:{wire.port}"
        for name in WITH_DATABASE:
            self.environ[f"TIDINGS_{name.upper()}_POSTGRES_URL"] = await self.stores.fresh_database(name)
        return self

    async def __aexit__(self, *failure: object) -> None:
        await self._stack.aclose()

    async def start(self, *names: str, **more: str) -> None:
        """Start services; they stop with the test."""
        for name in names:
            self.running[name] = await self._stack.enter_async_context(self.instance(name, **more))

    @asynccontextmanager
    async def instance(
        self, name: str, instance: str = "", *, wired: bool = True, **more: str
    ) -> AsyncIterator[Instance]:
        """One more instance of a service, for as long as the block lasts. `wired`: it is the one others reach."""
        build, kind = BUILDS[name]
        settings = load(kind, name, {**self.environ, "TIDINGS_INSTANCE": instance or f"{name}-1", **more})
        async with build(settings) as servers:
            server = rpc.server(internal_token(settings), servers.grpc)
            port = server.add_insecure_port("127.0.0.1:0")
            await server.start()
            channel = grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=rpc.CHANNEL_OPTIONS)
            if wired:
                self.wires[name].target = channel
            try:
                yield Instance(servers, settings)
            finally:
                await server.stop(0)
                await channel.close()

    def __getattr__(self, name: str) -> Instance:
        try:
            return self.running[name]
        except KeyError:
            raise AttributeError(name) from None

    @asynccontextmanager
    async def database(self, name: str) -> AsyncIterator[Any]:
        """A connection to a service's database, with its tables in sight."""
        connection = await asyncpg.connect(self.environ[f"TIDINGS_{name.upper()}_POSTGRES_URL"])
        await connection.execute(f"SET search_path TO {'users' if name == 'user' else name}")
        try:
            yield connection
        finally:
            await connection.close()

    async def sever(self, name: str) -> None:
        """End every connection to a service's database, as a restart of PostgreSQL does."""
        url = self.environ[f"TIDINGS_{name.upper()}_POSTGRES_URL"]
        place, _, database = url.rpartition("@")[2].partition("/")
        host, _, port = place.partition(":")
        root = await asyncpg.connect(
            host=host, port=int(port), user="postgres", database="postgres",
            password=secret(self.stores.data_dir, "postgres_superuser"),
        )  # fmt: skip
        try:
            await root.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", database)
        finally:
            await root.close()

    async def person(self, name: str = "", phone: str | None = None) -> str:
        """Somebody in user-service."""
        from tidings.rpc.v1 import user_pb2
        from tidings.rpc.v1.user_pb2_grpc import UserServiceStub

        user_id = new_id()
        phone = phone or f"+49151{secrets.randbelow(10**8):08d}"
        peers = rpc.Peers("user", [self.environ["TIDINGS_USER_GRPC"]], UserServiceStub, self.user.token)
        with contextlib.suppress(asyncio.CancelledError):
            await peers.call(peers.stub().EnsureUser, user_pb2.EnsureUserRequest(user_id=user_id, phone=phone))
        await peers.close()
        if name:
            await self.user.as_(user_id).ask("PATCH", "/users/me", {"name": name})
        return user_id

    async def group(self, owner: str, *others: str, name: str = "g") -> str:
        body = {"type": "group", "name": name, "participantIds": list(others)}
        made = await self.chat.as_(owner).ask("POST", "/chats", body, gives=201)
        return str(made["id"])

    async def direct(self, one: str, other: str) -> str:
        answer = await self.chat.as_(one).raw("POST", "/chats", {"type": "direct", "userId": other})
        assert answer.status_code in (200, 201), answer.text
        return str(answer.json()["id"])

    async def say(self, chat_id: str, sender: str, text: str = "hello") -> dict[str, Any]:
        body = {"clientMsgId": secrets.token_hex(8), "content": text}
        found: dict[str, Any] = await self.message.as_(sender).ask(
            "POST", f"/chats/{chat_id}/messages", body, gives=201
        )
        return found


def cut() -> Awaitable[None]:
    """For a wire's `before` or `after`: the call fails."""

    async def fail() -> None:
        raise RuntimeError("cut by the test")

    return fail()
