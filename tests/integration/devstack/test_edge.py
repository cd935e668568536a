"""Envoy with the generated configuration, in front of services of the test's own that tell what reached them."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
import websockets
from envoy.config.core.v3 import base_pb2
from envoy.service.auth.v3 import external_auth_pb2, external_auth_pb2_grpc
from envoy.type.v3 import http_status_pb2
from google.rpc import status_pb2
from tests.support.waiting import eventually

from tidings.devstack import envoy
from tidings.devstack.envoy_parts import Site
from tidings.devstack.ports import Ports
from tidings.devstack.process import Child

SERVICES = ("auth", "user", "chat", "message", "media", "gateway")


@dataclass
class Policy(external_auth_pb2_grpc.AuthorizationServicer):
    """Refuses `/api/v1/chats/secret`; everybody else is user u1. Remembers what it was asked."""

    asked: list[Any] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)

    async def Check(self, request: Any, context: Any) -> Any:
        self.asked.append(request.attributes.request.http)
        self.tokens.append(dict(context.invocation_metadata()).get("x-internal-auth", ""))
        if request.attributes.request.http.path.startswith("/api/v1/chats/secret"):
            return external_auth_pb2.CheckResponse(
                status=status_pb2.Status(code=7),
                denied_response=external_auth_pb2.DeniedHttpResponse(
                    status=http_status_pb2.HttpStatus(code=429),
                    headers=[_header("retry-after", "7")],
                    body='{"code":"rate_limited","detail":"its own words"}',
                ),
            )
        named = [_header("x-user-id", "u1"), _header("x-session-id", "s1")]
        return external_auth_pb2.CheckResponse(
            status=status_pb2.Status(code=0), ok_response=external_auth_pb2.OkHttpResponse(headers=named)
        )


def _header(key: str, value: str) -> Any:
    return base_pb2.HeaderValueOption(
        header=base_pb2.HeaderValue(key=key, value=value),
        append_action=base_pb2.HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD,
    )


@dataclass
class Edge:
    http: httpx.AsyncClient
    port: int
    policy: Policy
    policy_server: grpc.aio.Server
    access_log: Path


@pytest.fixture
async def edge(tmp_path: Path) -> AsyncIterator[Edge]:
    (tmp_path / "logs").mkdir()
    reserved = Ports()
    ports = {name: reserved.pick(name) for name in (*SERVICES, "websocket", "s3", "policy", "edge", "admin")}
    servers = [await asyncio.start_server(_telling(name), "127.0.0.1", ports[name]) for name in (*SERVICES, "s3")]
    sockets = await websockets.serve(_echo, "127.0.0.1", ports["websocket"])
    policy, policy_server = Policy(), grpc.aio.server()
    external_auth_pb2_grpc.add_AuthorizationServicer_to_server(policy, policy_server)
    policy_server.add_insecure_port(f"127.0.0.1:{ports['policy']}")
    await policy_server.start()
    site = Site(
        listen="127.0.0.1",
        port=ports["edge"],
        admin_port=ports["admin"],
        upstreams={name: [ports[name]] for name in (*SERVICES, "websocket", "policy")},
        s3_url=f"http://127.0.0.1:{ports['s3']}",
        internal_token="the-token",
        access_log=tmp_path / "logs" / "access.log",
        header_timeout_s=0.5,
        body_timeout_s=0.5,
    )
    process = envoy.process(tmp_path, site, 1, [])
    await process.prepare()
    child = await Child.spawn(process, {}, tmp_path / "logs" / "envoy.log")

    async def ready() -> bool:
        try:
            return await process.probe()
        except OSError:
            return False

    await eventually(ready, "Envoy is ready")
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{site.port}", timeout=10) as http:
        yield Edge(http, site.port, policy, policy_server, site.access_log)
    await child.stop(process.stop_signal, 5)
    await policy_server.stop(None)
    sockets.close()
    for server in servers:
        server.close()
    reserved.release()


def _telling(name: str) -> Any:
    """An HTTP service that answers with what it received."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = head.strip().split("\r\n")
        headers = {key.lower(): value for key, _, value in (line.partition(": ") for line in lines)}
        got = len(await reader.readexactly(int(headers.get("content-length", 0))))
        body = json.dumps({"service": name, "request": first, "headers": headers, "bytes": got}).encode()
        writer.write(
            b"HTTP/1.1 200 OK\r\nset-cookie: a=b\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(body)
        )
        writer.write(body)
        await writer.drain()
        writer.close()

    return serve


async def _echo(socket: websockets.ServerConnection) -> None:
    async for frame in socket:
        await socket.send(frame)


@pytest.mark.parametrize(
    ("path", "service"),
    [
        ("/", "gateway"),
        ("/health", "gateway"),
        ("/openapi.json", "gateway"),
        ("/api/v1/config", "gateway"),
        ("/.well-known/jwks.json", "auth"),
        ("/api/v1/auth/sessions", "auth"),
        ("/api/v1/users/me", "user"),
        ("/api/v1/chats", "chat"),
        ("/api/v1/chats/x/members", "chat"),
        ("/api/v1/chats/x/messages?after=3", "message"),
        ("/api/v1//chats/x/../x/messages", "message"),
        ("/api/v1/messages/search", "message"),
        ("/api/v1/invites/x", "chat"),
        ("/api/v1/sync", "chat"),
        ("/api/v1/media/upload", "media"),
    ],
)
async def test_each_path_reaches_its_service(edge: Edge, path: str, service: str) -> None:
    assert (await edge.http.get(path)).json()["service"] == service


@pytest.mark.parametrize("path", ["/metrics", "/api/v1/chatsx", "/api/v2/chats", "/media/x", "/stats"])
async def test_what_no_route_names_is_not_found(edge: Edge, path: str) -> None:
    answer = await edge.http.get(path)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "not_found"
    assert answer.json()["requestId"] == answer.headers["x-request-id"]


async def test_identity_is_the_policys_word_never_the_clients(edge: Edge) -> None:
    forged = dict.fromkeys(("x-user-id", "x-session-id", "x-internal-auth", "x-client-address"), "forged")
    answer = await edge.http.get("/api/v1/chats", headers=forged | {"x-forwarded-for": "9.9.9.9"})
    seen = answer.json()["headers"]
    assert seen["x-user-id"] == "u1"
    assert seen["x-session-id"] == "s1"
    assert seen["x-internal-auth"] == "the-token"
    assert seen["x-client-address"] == "127.0.0.1"
    assert edge.policy.tokens == ["the-token"]
    assert "x-envoy-internal" not in seen
    assert seen["x-forwarded-for"] == "9.9.9.9", "services see that the client claims to be a proxy"
    assert "x-forwarded-for" not in (await edge.http.get("/api/v1/chats")).json()["headers"]
    assert "forged" not in str(edge.policy.asked[0])


async def test_a_refusal_is_answered_in_the_policys_words(edge: Edge) -> None:
    answer = await edge.http.get("/api/v1/chats/secret")
    assert answer.status_code == 429
    assert answer.json()["detail"] == "its own words"
    assert answer.headers["retry-after"] == "7"
    assert answer.headers["content-type"] == "application/problem+json"


async def test_without_policy_nothing_passes_but_health(edge: Edge) -> None:
    await edge.policy_server.stop(None)
    answer = await edge.http.get("/api/v1/chats")
    assert answer.status_code == 503
    assert answer.json()["code"] == "unavailable"
    assert answer.headers["retry-after"] == "1"
    assert (await edge.http.get("/health")).status_code == 200


async def test_body_limit_holds_for_the_api_and_not_for_uploads(edge: Edge) -> None:
    large = b"x" * (256 * 1024 + 1)
    refused = await edge.http.post("/api/v1/chats", content=large)
    assert refused.status_code == 413
    assert refused.json()["code"] == "too_large"
    assert (await edge.http.post("/api/v1/chats", content=large[:-1])).json()["bytes"] == len(large) - 1
    assert (await edge.http.post("/api/v1/media/upload", content=large * 20)).json()["bytes"] == len(large) * 20


async def test_socket_is_upgraded_and_the_policy_sees_its_ticket(edge: Edge) -> None:
    async with websockets.connect(f"ws://127.0.0.1:{edge.port}/ws?ticket=t1") as socket:
        await socket.send("hello")
        assert await socket.recv() == "hello"
    assert edge.policy.asked[0].path == "/ws?ticket=t1"
    await eventually(lambda: '"/ws"' in edge.access_log.read_text(), "the access log has the socket")
    assert "ticket" not in edge.access_log.read_text()


async def test_signed_media_goes_to_s3_under_its_own_name(edge: Edge) -> None:
    answer = await edge.http.get("/media/bucket/key?X-Amz-Signature=s", headers={"authorization": "Bearer x"})
    seen = answer.json()
    assert seen["service"] == "s3"
    assert seen["request"] == "GET /bucket/key?X-Amz-Signature=s HTTP/1.1"
    assert seen["headers"]["host"].startswith("127.0.0.1:")
    assert not {"authorization", "cookie", "x-internal-auth"} & set(seen["headers"])
    assert answer.headers["content-security-policy"] == "sandbox; default-src 'none'"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "set-cookie" not in answer.headers
    assert edge.policy.asked == []
    assert (await edge.http.delete("/media/bucket/key?X-Amz-Signature=s")).status_code == 404


async def test_request_id_is_kept_or_made_and_returned_once(edge: Edge) -> None:
    kept = await edge.http.get("/api/v1/chats", headers={"x-request-id": "mine-1"})
    assert kept.headers.get_list("x-request-id") == ["mine-1"]
    assert kept.json()["headers"]["x-request-id"] == "mine-1"
    assert len((await edge.http.get("/api/v1/chats")).headers["x-request-id"]) == 36
    refused = await edge.http.get("/api%2fv1/chats", headers={"x-request-id": "mine-2"})
    assert (refused.status_code, refused.json()["requestId"]) == (400, "mine-2")
    assert refused.headers.get_list("x-request-id") == ["mine-2"]


HEAD = b"POST /api/v1/chats HTTP/1.1\r\nhost: x\r\n"


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET /health HTTP/1.1\r\nhost: x\r\nx-big: " + b"a" * 61440 + b"\r\n\r\n", 431),
        (b"GET /health HTTP/1.1\r\nhost: x\r\n" + b"".join(b"h%d: 1\r\n" % n for n in range(101)) + b"\r\n", 431),
        (b"GET /health HTTP/1.1\r\nhost: x\r\nx_user_id: 1\r\n\r\n", 400),
        (b"GET /api%2fv1/chats HTTP/1.1\r\nhost: x\r\n\r\n", 400),
        (HEAD + b"content-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (HEAD + b"content-length: 3\r\ncontent-length: 4\r\n\r\nabc", 400),
        (HEAD + b"transfer-encoding: xchunked\r\n\r\n0\r\n\r\n", 501),
        (b"GET /health HTTP/1.1\r\nhost: x\r\nslow: ", 408),
        (HEAD + b"content-length: 30\r\n\r\nabc", 408),
    ],
    ids=["huge", "many", "underscore", "escaped slash", "CL and TE", "two CL", "odd TE", "slow header", "slow body"],
)
async def test_hostile_requests_are_refused_with_a_problem(edge: Edge, request_bytes: bytes, status: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", edge.port)
    writer.write(request_bytes)
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
    assert int(head.split()[1]) == status
    told = dict(line.split(": ", 1) for line in head.decode().strip().split("\r\n")[1:])
    assert told["content-type"] == "application/problem+json"
    problem = json.loads(await reader.readexactly(int(told["content-length"])))
    assert problem["status"] == status
    # Also where Envoy had read no header yet that could bear an id.
    assert uuid.UUID(problem["requestId"]) == uuid.UUID(told["x-request-id"])
    writer.close()
    await eventually(lambda: told["x-request-id"] in edge.access_log.read_text(), "the access log has it")


ONE_FEED = b"GET /api/v1/chats HTTP/1.1\nhost: x\nx-a: b\nx-c: d\nconnection: close\n\n"
FOLDED = HEAD + b"x-a: b\r\n authorization: Bearer x\r\n\tcontent-length: 9\r\nx-c: d\r\nconnection: close\r\n\r\n"


@pytest.mark.parametrize(
    ("request_bytes", "first"),
    [
        (ONE_FEED, "b"),
        (ONE_FEED.replace(b"\n", b"\r\n").replace(b"b\r", b"b"), "b"),
        (FOLDED, "b authorization: Bearer x\tcontent-length: 9"),
    ],
    ids=["bare LF", "one bare LF", "folded"],
)
async def test_what_a_lenient_parser_reads_is_written_anew(edge: Edge, request_bytes: bytes, first: str) -> None:
    """Decision 10: one request of clean lines reaches the service, and no header that the client had not begun."""
    reader, writer = await asyncio.open_connection("127.0.0.1", edge.port)
    writer.write(request_bytes)
    answered = await asyncio.wait_for(reader.read(), 5)
    writer.close()
    assert answered.count(b"HTTP/1.1 ") == 1
    seen = json.loads(answered.partition(b"\r\n\r\n")[2])
    headers = seen["headers"]
    assert (headers["x-a"], headers["x-c"], headers["host"]) == (first, "d", "x")
    assert "authorization" not in headers
    assert headers.get("content-length", "0") == "0"
    assert not {"\r", "\n"} & set("".join(headers.values()))
    assert len(edge.policy.asked) == 1
    assert edge.policy.asked[0].headers["x-a"] == first, "the policy is asked about what the service gets"


@pytest.mark.parametrize("folded", [b"content-length: 3\r\n 0", b" y", b"x_a: b\r\n c"])
async def test_a_fold_in_what_frames_a_request_is_refused(edge: Edge, folded: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", edge.port)
    writer.write(HEAD + folded + b"\r\n\r\nabc")
    answered = await asyncio.wait_for(reader.read(), 5)
    assert answered.startswith(b"HTTP/1.1 400 ")
    assert answered.count(b"HTTP/1.1 ") == 1
    assert edge.policy.asked == []
    writer.close()


def test_a_wrong_configuration_is_refused_before_the_start(tmp_path: Path) -> None:
    wrong = tmp_path / "envoy.json"
    wrong.write_text('{"static_resources": {"listeners": [{"nonsense": 1}]}}')
    with pytest.raises(envoy.EnvoyRefusedError, match="nonsense"):
        asyncio.run(envoy.validate(wrong))
