"""Hostile input, rows 28 to 33 of docs/protocol.md: headers, ports, and HTTP itself, byte by byte."""

import asyncio
import json
from urllib.parse import urlsplit

import grpc
import httpx
import pytest
from tests.support import shapes
from tests.support.people import Person, problem
from tests.support.raw import Wire
from tests.support.running import System

from tidings.rpc.v1 import user_pb2
from tidings.rpc.v1.user_pb2_grpc import UserServiceStub


def test_row_28_what_a_profile_does_not_let_one_set_is_ignored(fresh: Person, ben: Person) -> None:
    body = {"id": ben.id, "phone": ben.phone, "role": "owner", "deleted": True, "lastSeen": None, "name": "Me"}
    changed = fresh.ask("PATCH", "/users/me", body, of=shapes.User)
    assert (changed["id"], changed["phone"], changed["deleted"], changed["name"]) == (
        fresh.id,
        fresh.phone,
        False,
        "Me",
    )
    group = fresh.group(ben)
    shown = ben.ask("PATCH", f"/chats/{group}", {"myRole": "owner", "creatorId": ben.id, "lastSeq": 99})
    assert (shown["myRole"], shown["lastSeq"]) == ("member", 1)


def test_row_29_identity_headers_of_a_client_are_dropped(ann: Person, ben: Person) -> None:
    forged = {"x-user-id": ben.id, "x-session-id": ben.id, "x-internal-auth": "x", "x-token-expires-ms": "0"}
    seen = ann.http.get("/users/me", headers=forged | {"x-client-address": "1.2.3.4"})
    assert seen.json()["id"] == ann.id
    url = f"{ann.base_url}/api/v1/users/me"
    problem(httpx.get(url, headers=forged), "unauthenticated")
    problem(httpx.get(url, headers=forged | {"x-forwarded-for": "127.0.0.1"}), "unauthenticated")
    for name in ("x_user_id", "x_internal_auth", "content_length"):
        assert httpx.get(url, headers={name: ben.id}).status_code == 400


def test_row_29_a_path_of_the_clients_own_is_not_obeyed(ann: Person) -> None:
    headers = {"x-envoy-original-path": "/metrics", "x-original-url": "/metrics", "x-rewrite-url": "/metrics"}
    assert ann.http.get("/users/me", headers=headers).json()["id"] == ann.id
    assert ann.http.get("/users/me", headers={"x-http-method-override": "DELETE"}).json()["id"] == ann.id


def inner_ports(system: System, suffix: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for process in system.state().processes:
        found |= {name: port for name, port in process.ports.items() if name.endswith(suffix)}
    return found


async def test_row_30_services_answer_nobody_without_the_token(system: System, ann: Person) -> None:
    ports = system.state().ports
    for name in ("auth", "user", "chat", "message", "media", "gateway", "websocket"):
        base = f"http://127.0.0.1:{ports[f'{name}-1-http']}"
        for path in ("/api/v1/users/me", "/api/v1/chats", "/ws", "/nonsense"):
            headers = {"x-user-id": ann.id, "x-session-id": ann.id}
            answer = await asyncio.to_thread(httpx.get, base + path, headers=headers)
            assert answer.status_code in (401, 404), (name, path, answer.status_code)
            assert "application/problem+json" in answer.headers["content-type"]
    async with grpc.aio.insecure_channel(f"127.0.0.1:{ports['user-1-grpc']}") as channel:
        stub = UserServiceStub(channel)
        for metadata in ([], [("x-internal-auth", "wrong")]):
            asked = user_pb2.GetUsersRequest(asks=[user_pb2.UsersAsk(viewer_id=ann.id, user_ids=[ann.id])])
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stub.GetUsers(asked, metadata=metadata)
            assert caught.value.code() == grpc.StatusCode.UNAUTHENTICATED


@pytest.mark.parametrize(
    "path",
    ["/metrics", "/stats", "/config_dump", "/quitquitquit", "/debug", "/internal/schema", "/api/v1/../../metrics"],
)
def test_row_30_what_operators_see_is_not_outside(system: System, ann: Person, path: str) -> None:
    for headers in ({}, {"authorization": f"Bearer {ann.token}"}):
        assert httpx.get(system.base_url + path, headers=headers).status_code in (401, 404)


SMUGGLED: dict[str, str] = {
    "both lengths": "POST /api/v1/chats HTTP/1.1\nHost: {host}\nContent-Length: 6\nTransfer-Encoding: chunked\n"
    "\n0\n\nX",
    "two lengths": "POST /api/v1/chats HTTP/1.1\nHost: {host}\nContent-Length: 6\nContent-Length: 5\n\nabcdef",
    "space before the colon": "GET /health HTTP/1.1\nHost: {host}\nX-A : b\n\n",
    "no host": "GET /health HTTP/1.1\nX-A: b\n\n",
    "two hosts": "GET /health HTTP/1.1\nHost: {host}\nHost: elsewhere\nConnection: close\n\n",
    "a length that is none": "POST /api/v1/chats HTTP/1.1\nHost: {host}\nContent-Length: -1\n\n",
    "an encoding that is none": "POST /api/v1/chats HTTP/1.1\nHost: {host}\nTransfer-Encoding: xchunked\n\n0\n\n",
    "NUL in a header": "GET /health HTTP/1.1\nHost: {host}\nX-A: a\x00b\n\n",
    "no HTTP": "nonsense\n\n",
}  # fmt: skip


@pytest.mark.parametrize("name", SMUGGLED)
async def test_row_31_ambiguous_requests_are_400_and_the_end(system: System, name: str) -> None:
    wire = await Wire.open(system.base_url)
    status, told = await wire.request(SMUGGLED[name].format(host=urlsplit(system.base_url).netloc))
    assert status in (400, 501), name
    rest = await wire.body()  # and it is closed
    assert json.loads(rest)["requestId"] == told["x-request-id"]  # one answer and nothing after it


@pytest.mark.parametrize(
    "written",
    [
        "GET /health HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nX-A: b\r\n Authorization: Bearer x\r\n\r\n",
        "GET /health HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nX-A: b\r\n\tContent-Length: 5\r\n\r\n",
        "GET /health HTTP/1.1\nHost: {host}\nConnection: close\nX: GET /ready HTTP/1.1\n\n",
        "GET /health HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nX-A: b\nX: GET /ready HTTP/1.1\r\n\r\n",
    ],
    ids=["fold", "fold by a tab", "bare LF", "one bare LF"],
)
async def test_row_31_folds_and_bare_line_feeds_are_one_request(system: System, written: str) -> None:
    """Decision 10; what a service gets of it is seen in tests/integration/devstack/test_edge.py."""
    wire = await Wire.open(system.base_url)
    wire.write(written.format(host=urlsplit(system.base_url).netloc).encode())
    answered = await wire.body()
    assert answered.startswith(b"HTTP/1.1 200 ")
    assert answered.count(b"HTTP/1.1 ") == 1


async def test_row_32_headers_have_60_kb_and_are_100_at_most(system: System) -> None:
    host = urlsplit(system.base_url).netloc
    for headers in ("X-A: " + "x" * 70_000 + "\n", "".join(f"X-{n}: y\n" for n in range(110))):
        wire = await Wire.open(system.base_url)
        status, told = await wire.request(f"GET /health HTTP/1.1\nHost: {host}\n{headers}\n")
        assert status == 431
        assert told["content-type"] == "application/problem+json"
        answered = json.loads(await wire.reader.readexactly(int(told["content-length"])))
        assert answered["code"] == "too_large"
        assert answered["requestId"] == told["x-request-id"]  # though no header was read that could bear one
        wire.close()
    wire = await Wire.open(system.base_url)
    many = "".join(f"X-{n}: {'y' * 400}\n" for n in range(90))
    assert (await wire.request(f"GET /health HTTP/1.1\nHost: {host}\n{many}\n"))[0] == 200
    wire.close()


async def test_row_32_headers_that_drip_are_408_after_10_seconds(system: System) -> None:
    wire = await Wire.open(system.base_url)
    wire.write(f"GET /health HTTP/1.1\r\nHost: {urlsplit(system.base_url).netloc}\r\n".encode())
    began = asyncio.get_running_loop().time()
    status, _ = await wire.head(timeout_s=40)
    assert status == 408
    assert b'"code":"request_timeout"' in await wire.body()
    assert 8 < asyncio.get_running_loop().time() - began < 30


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/users/../chats", "/api/v1/users/%2e%2e/chats", "/api/v1/users/..%2fchats", "/api/v1%2fusers/me",
        "//api//v1//users/me", "/api/v1/users/me;x=1", "/api/v1/users/me/", "/api/v1/users/me%00",
        "/api/v1/users/%c0%ae%c0%ae/chats", "/api/v1/auth/../dev/sms", "/media/../api/v1/users/me",
    ],
)  # fmt: skip
async def test_row_33_no_spelling_of_a_path_gets_round_the_policy(system: System, ann: Person, path: str) -> None:
    """Without a token nothing private is answered; with one, what is answered is what the path says when cleaned."""
    host = urlsplit(system.base_url).netloc
    wire = await Wire.open(system.base_url)
    status, _ = await wire.request(f"GET {path} HTTP/1.1\nHost: {host}\nConnection: close\n\n")
    assert status in (400, 401, 404), status
    wire = await Wire.open(system.base_url)
    signed = f"GET {path} HTTP/1.1\nHost: {host}\nAuthorization: Bearer {ann.token}\nConnection: close\n\n"
    status, _ = await wire.request(signed)
    assert status in (200, 400, 404), status


async def test_row_33_an_absolute_or_foreign_target_leads_nowhere(system: System) -> None:
    for line in ("GET http://127.0.0.1:9/ HTTP/1.1", "CONNECT 127.0.0.1:9 HTTP/1.1", "TRACE / HTTP/1.1"):
        wire = await Wire.open(system.base_url)
        status, _ = await wire.request(f"{line}\nHost: {urlsplit(system.base_url).netloc}\nConnection: close\n\n")
        assert status in (200, 400, 401, 403, 404, 405), (line, status)
        wire.close()
