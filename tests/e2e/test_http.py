"""The edge of HTTP: what needs no token, errors as problem documents, headers, limits, cursors, the description."""

import re
from typing import Any

import httpx
import pytest
from tests.support.people import Person, problem
from tests.support.running import System

from tidings.platform.vapid import unb64

CONTRACT = """
POST /auth/request-otp · POST /auth/verify-otp · POST /auth/refresh · POST /auth/logout · GET /auth/sessions
DELETE /auth/sessions/{id} · POST /auth/ws-ticket · GET /dev/sms
GET /users/me · PATCH /users/me · DELETE /users/me · GET /users/{id} · GET /users/me/privacy · PUT /users/me/privacy
POST /users/contacts/sync · GET /users/contacts · POST /users/contacts · DELETE /users/contacts/{id}
GET /users/blocked · PUT /users/blocked/{id} · DELETE /users/blocked/{id} · GET /users/me/devices
POST /users/me/devices · DELETE /users/me/devices/{id} · GET /users/{id}/presence
POST /chats · GET /chats · GET /chats/{id} · PATCH /chats/{id} · GET /chats/{id}/members · POST /chats/{id}/members
DELETE /chats/{id}/members/{id} · PUT /chats/{id}/members/{id}/role · POST /chats/{id}/leave
PUT /chats/{id}/settings · POST /chats/{id}/invite · DELETE /chats/{id}/invite · GET /invites/{id}
POST /invites/{id}/join · POST /sync
GET /chats/{id}/messages · POST /chats/{id}/messages · GET /messages/{id} · PATCH /messages/{id}
DELETE /messages/{id} · POST /messages/read · PUT /messages/{id}/reaction · DELETE /messages/{id}/reaction
PUT /messages/{id}/star · DELETE /messages/{id}/star · PUT /messages/{id}/pin · DELETE /messages/{id}/pin
GET /messages/starred · POST /messages/forward · GET /messages/{id}/receipts · GET /messages/search
POST /media/upload · GET /media/{id} · POST /media/uploads · GET /media/uploads/{id} · POST /media/uploads/{id}/complete
GET /config
"""
PUBLIC = {"POST /auth/request-otp", "POST /auth/verify-otp", "POST /auth/refresh", "GET /dev/sms", "GET /config"}


def listed(text: str) -> set[str]:
    return {part.strip() for part in re.split(r"[·\n]", text) if part.strip()}


@pytest.fixture(scope="module")
def described(system: System) -> set[str]:
    """`METHOD /path/{id}` of all that /openapi.json describes under /api/v1."""
    paths = httpx.get(f"{system.base_url}/openapi.json").json()["paths"]
    return {
        f"{method.upper()} {re.sub(r'{[^}]*}', '{id}', path.removeprefix('/api/v1'))}"
        for path, methods in paths.items()
        if path.startswith("/api/v1")
        for method in methods
        if method in ("get", "post", "put", "patch", "delete")
    }


def test_the_description_lists_every_endpoint_of_the_contract_and_no_other(described: set[str]) -> None:
    assert listed(CONTRACT) - described == set()
    assert described - listed(CONTRACT) == set()


def test_the_description_is_one_document(system: System) -> None:
    found = httpx.get(f"{system.base_url}/openapi.json").json()
    assert found["openapi"].startswith("3.")
    assert found["components"]["securitySchemes"]
    names = set(re.findall(r'"#/components/schemas/([^"]+)"', httpx.get(f"{system.base_url}/openapi.json").text))
    assert names <= set(found["components"]["schemas"])


def test_the_description_tells_of_every_body(system: System) -> None:
    """Every success answer with a body is an object or array, every request that takes a body says which."""
    found = httpx.get(f"{system.base_url}/openapi.json").json()
    bodiless = {
        "POST /auth/logout", "POST /auth/ws-ticket", "POST /chats/{id}/leave", "POST /chats/{id}/invite",
        "POST /invites/{id}/join", "PUT /messages/{id}/pin", "PUT /messages/{id}/star", "PUT /users/blocked/{id}",
    }  # fmt: skip
    wrong = []
    for path, method, operation in operations(found):
        name = f"{method.upper()} {re.sub(r'{[^}]*}', '{id}', path.removeprefix('/api/v1'))}"
        if method in ("post", "put", "patch") and ("requestBody" in operation) == (name in bodiless):
            wrong.append(f"{name}: requestBody")
        answers = {status: answer for status, answer in operation["responses"].items() if status.startswith("2")}
        for status, answer in answers.items():
            schemas = [resolved(found, content.get("schema", {})) for content in answer.get("content", {}).values()]
            if status != "204" and (not schemas or any(s.get("type") not in ("object", "array") for s in schemas)):
                wrong.append(f"{name}: {status} is {schemas}")
    assert wrong == []


def test_the_description_tells_what_needs_no_token(system: System) -> None:
    found = httpx.get(f"{system.base_url}/openapi.json").json()
    assert found["security"] == [{"bearer": []}]
    free = {f"{m.upper()} {p.removeprefix('/api/v1')}" for p, m, o in operations(found) if o.get("security") == []}
    assert free == PUBLIC | {"GET /.well-known/jwks.json"}


def test_the_description_tells_of_each_body_what_its_service_takes(system: System) -> None:
    found = httpx.get(f"{system.base_url}/openapi.json").json()
    assert not [name for name in found["components"]["schemas"] if "." in name], "two services mean different things"

    def fields(path: str) -> set[str]:
        (content,) = found["paths"][path]["post"]["requestBody"]["content"].values()
        return set(resolved(found, content["schema"])["properties"])

    assert fields("/api/v1/users/contacts/sync") == {"phoneNumbers"}
    assert fields("/api/v1/sync") == {"since", "positions", "limit"}
    assert fields("/api/v1/media/upload") == {"file"}
    assert set(found["paths"]["/api/v1/chats/{chat_id}/messages"]["post"]["responses"]) >= {"200", "201"}


def operations(description: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    """Path, method and operation of all that a description tells of."""
    methods = ("get", "post", "put", "patch", "delete")
    return [(p, m, o) for p, several in description["paths"].items() for m, o in several.items() if m in methods]


def resolved(description: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """The schema itself, where `schema` is a reference to it."""
    name = schema.get("$ref", "").removeprefix("#/components/schemas/")
    found: dict[str, Any] = description["components"]["schemas"][name] if name else schema
    return found


def test_nothing_but_what_is_public_is_answered_without_a_token(system: System, described: set[str]) -> None:
    client = httpx.Client()
    for endpoint in described - PUBLIC:
        method, path = endpoint.split(" ")
        url = f"{system.base_url}/api/v1{path.replace('{id}', '01900000-0000-7000-8000-000000000000')}"
        problem(client.request(method, url), "unauthenticated")
        problem(client.request(method, url, headers={"authorization": "Bearer x.y.z"}), "unauthenticated")


def test_what_is_public(system: System) -> None:
    for path in (
        "/health",
        "/ready",
        "/api/v1/config",
        "/.well-known/jwks.json",
        "/.well-known/assetlinks.json",
        "/openapi.json",
        "/",
    ):
        answer = httpx.get(system.base_url + path)
        assert answer.status_code == 200, path
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert httpx.head(system.base_url + path).status_code in (200, 405)
    assert httpx.get(system.base_url + "/").headers["content-type"].startswith("text/html")


def test_the_configuration_tells_every_limit(system: System) -> None:
    told = httpx.get(f"{system.base_url}/api/v1/config").json()
    expected = {
        "textChars": 8192, "clientIdChars": 64, "groupMembers": 1024, "groupNameChars": 100,
        "groupDescriptionChars": 2048, "userNameChars": 64, "userAboutChars": 140, "mentions": 64,
        "pollOptionsMin": 2, "pollOptionsMax": 12, "pollOptionChars": 100, "editWindowS": 900,
        "deleteWindowS": 172_800, "readIds": 500, "presenceIds": 256, "sessions": 10, "pinnedMessages": 3,
        "bodyBytes": 262_144, "frameBytes": 65_536, "imageBytes": 16_777_216, "audioBytes": 16_777_216,
        "videoBytes": 67_108_864, "documentBytes": 104_857_600, "contactSyncCall": 1000, "contactSyncDay": 5000,
    }  # fmt: skip
    assert {name: told.get(name) for name in expected} == expected
    rates = {"ipPerSecond": 300, "ipBurst": 600, "ipSocketsPerSecond": 200, "userPerSecond": 100, "userBurst": 200}
    assert {name: told["rates"].get(name) for name in rates} == rates
    assert "version" in told
    assert unb64(told["vapidPublicKey"])[0] == 4  # an uncompressed point, as browsers ask for
    assert len(unb64(told["vapidPublicKey"])) == 65


@pytest.mark.parametrize(
    "path", ["/nonsense", "/api/v1/nonsense", "/api/v2/users/me", "/metrics", "/api/v1/users/me/x/y"]
)
def test_what_is_not_there_is_a_problem(ann: Person, path: str) -> None:
    problem(ann.http.get(ann.base_url + path), "not_found")


def test_a_method_that_is_not_there_is_a_problem(ann: Person) -> None:
    problem(ann.http.post("/users/me", json={}), "method_not_allowed")
    problem(ann.http.delete("/chats"), "method_not_allowed")


@pytest.mark.parametrize("body", [b"{", b"", b"\xff\xfe", b'{"type": "direct"', b"nonsense", b"[" * 20_000])
def test_what_is_no_json_is_a_problem(ann: Person, body: bytes) -> None:
    problem(ann.http.post("/chats", content=body, headers={"content-type": "application/json"}), "invalid_request")


def test_a_field_that_is_wrong_is_named(ann: Person) -> None:
    found = ann.refused("POST", "/users/contacts", {"userId": "x"}, code="invalid_request")
    assert [error["field"] for error in found["errors"]] == ["userId"]
    assert found["errors"][0]["message"]


def test_a_body_has_256_kb_at_most(ann: Person, chat: str) -> None:
    problem(ann.http.post(f"/chats/{chat}/messages", content=b"x" * (256 * 1024 + 1)), "too_large")
    body = {"clientMsgId": "large", "content": "x", "padding": "x" * 250_000}
    assert ann.http.post(f"/chats/{chat}/messages", json=body).status_code in (200, 201)


def test_a_request_id_is_taken_over_or_made(ann: Person) -> None:
    given = "r" * 64
    assert ann.http.get("/users/me", headers={"x-request-id": given}).headers.get_list("x-request-id") == [given]
    refused = ann.http.get("/users/nobody", headers={"x-request-id": given})
    assert problem(refused, "not_found")["requestId"] == given
    made = [ann.http.get("/users/me").headers["x-request-id"] for _ in range(2)]
    assert made[0] != made[1]
    for unusable in ("r" * 65, ""):
        answer = ann.http.get("/users/me", headers={"x-request-id": unusable})
        assert 0 < len(answer.headers["x-request-id"]) <= 64
        assert answer.headers["x-request-id"] != unusable


def test_an_answer_is_not_kept_by_caches_nor_shown_in_frames(ann: Person) -> None:
    answer = ann.http.get("/users/me")
    assert answer.headers["x-frame-options"] == "DENY"
    assert "server" not in answer.headers or answer.headers["server"] == "tidings"
    assert "set-cookie" not in answer.headers


LISTS = ["/chats", "/users/contacts", "/users/blocked", "/messages/starred", "/messages/search?q=x"]


@pytest.mark.parametrize("path", LISTS)
def test_a_limit_is_1_to_100_and_a_cursor_ours(ann: Person, path: str) -> None:
    assert set(ann.ask("GET", path)) == {"items", "nextCursor"}
    join = "&" if "?" in path else "?"
    for bad in ("limit=0", "limit=101", "limit=-1", "limit=x", "cursor=nonsense", "cursor=AAAA", "cursor=%00"):
        ann.refused("GET", f"{path}{join}{bad}", code="invalid_request")
    ann.ask("GET", f"{path}{join}limit=1")
    ann.ask("GET", f"{path}{join}limit=100")


def test_answers_are_json_in_utf8(ann: Person, chat: str) -> None:
    sent: dict[str, Any] = ann.say(chat, "Grüße \N{PILE OF POO}")
    raw = ann.http.get(f"/messages/{sent['messageId']}").content.decode("utf-8")
    assert "Grüße \N{PILE OF POO}" in raw
