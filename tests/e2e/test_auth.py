"""Signing in, sessions, tickets: contract section 3, auth."""

import json
from urllib.parse import urlsplit

import httpx
import pytest
import websockets
from tests.support import shapes
from tests.support.people import Person, code_of, new_phone, problem
from tests.support.running import System
from tests.support.waiting import wait_until


@pytest.fixture(scope="module")
def http(system: System) -> httpx.Client:
    return httpx.Client(base_url=f"{system.base_url}/api/v1", timeout=10)


def signed_in(person: Person) -> Person:
    """The same person on another device."""
    return Person(person.base_url, person.phone)


def ended(person: Person) -> None:
    """Wait until this device's session counts as revoked."""

    def revoked() -> bool:
        answer = person.http.get("/users/me")
        return answer.status_code == 401 and answer.json()["code"] == "token_revoked"

    wait_until(revoked, "the session has ended", 5)


def test_a_code_is_sent_and_signs_in_a_new_and_a_known_person(http: httpx.Client, system: System) -> None:
    phone = new_phone()
    ids = []
    for is_new in (True, False):
        sent = http.post("/auth/request-otp", json={"phone": phone})
        assert (sent.status_code, sent.json()) == (202, {"expiresIn": 300, "resendAfter": 60, "delivery": "shown"})
        code = code_of(system.base_url, phone)
        assert len(code) == 6
        assert code.isdigit()
        body = {"phone": phone, "otp": code, "device": {"name": "Phone", "platform": "android"}}
        answer = http.post("/auth/verify-otp", json=body)
        assert answer.status_code == 200
        shapes.check(answer.json(), shapes.Tokens)
        assert answer.json()["user"] | {"id": ""} == {"id": "", "phone": phone, "isNewUser": is_new}
        assert answer.headers["cache-control"] == "no-store"
        ids.append(answer.json()["user"]["id"])
    assert ids[0] == ids[1]


@pytest.mark.parametrize(
    "body", [{}, {"phone": 5}, {"phone": "abc"}, {"phone": "+49"}, {"phone": "015112345678"}, [], None]
)
def test_a_bad_phone_is_refused(http: httpx.Client, body: object) -> None:
    problem(http.post("/auth/request-otp", json=body), "invalid_request")


@pytest.mark.parametrize("lacking", ["phone", "otp"])
def test_a_sign_in_needs_phone_and_code(http: httpx.Client, lacking: str) -> None:
    body = {"phone": "+4915112345678", "otp": "123456", "device": {"name": "x", "platform": "y"}}
    del body[lacking]
    problem(http.post("/auth/verify-otp", json=body), "invalid_request")


def test_a_wrong_code_is_otp_invalid_and_no_code_otp_expired(http: httpx.Client, system: System) -> None:
    phone = new_phone()
    problem(http.post("/auth/verify-otp", json={"phone": phone, "otp": "123456"}), "otp_expired")
    http.post("/auth/request-otp", json={"phone": phone})
    wrong = "000000" if code_of(system.base_url, phone) != "000000" else "000001"
    problem(http.post("/auth/verify-otp", json={"phone": phone, "otp": wrong}), "otp_invalid")


def test_a_code_that_was_used_lifts_the_wait(system: System) -> None:
    phone = new_phone()
    assert Person(system.base_url, phone).id == Person(system.base_url, phone).id


def test_a_refresh_rotates_and_the_reuse_of_an_old_token_ends_the_session(fresh: Person) -> None:
    pair = fresh.ask("POST", "/auth/refresh", {"refreshToken": fresh.refresh}, of=shapes.Tokens)
    assert pair["refreshToken"] != fresh.refresh
    assert httpx.get(f"{fresh.base_url}/api/v1/users/me", headers={"authorization": f"Bearer {pair['accessToken']}"})
    fresh.refused("POST", "/auth/refresh", {"refreshToken": fresh.refresh}, code="token_revoked")
    fresh.refused("POST", "/auth/refresh", {"refreshToken": pair["refreshToken"]}, code="token_revoked")
    ended(fresh)


def test_a_refresh_needs_a_token_of_ours(http: httpx.Client) -> None:
    problem(http.post("/auth/refresh", json={}), "unauthenticated")
    problem(http.post("/auth/refresh", json={"refreshToken": "x" * 43}), "unauthenticated")
    problem(http.post("/auth/refresh", json={"refreshToken": 5}), "invalid_request")


def test_a_logout_ends_the_session(fresh: Person) -> None:
    fresh.ask("POST", "/auth/logout", gives=204)
    ended(fresh)
    problem(httpx.post(f"{fresh.base_url}/api/v1/auth/refresh", json={"refreshToken": fresh.refresh}), "token_revoked")


async def test_sessions_are_listed_and_ended_one_by_one(fresh: Person) -> None:
    other = signed_in(fresh)
    live = await other.open()
    items = fresh.ask("GET", "/auth/sessions")["items"]
    shapes.check(items, list[shapes.Session])
    assert sorted(item["current"] for item in items) == [False, True]
    assert items[0]["device"] == {"name": "a test", "platform": "test"}
    theirs = next(item["id"] for item in items if not item["current"])
    for _ in range(2):  # also when it is gone already
        fresh.ask("DELETE", f"/auth/sessions/{theirs}", gives=204)
    assert await live.closed() == 4001
    ended(other)
    assert [item["current"] for item in fresh.ask("GET", "/auth/sessions")["items"]] == [True]


def test_nobody_ends_the_session_of_another(ann: Person, ben: Person) -> None:
    session = ann.ask("GET", "/auth/sessions")["items"][0]["id"]
    assert ben.http.delete(f"/auth/sessions/{session}").status_code in (204, 404)
    assert ben.http.delete("/auth/sessions/nonsense").status_code in (204, 404)
    assert [item["id"] for item in ann.ask("GET", "/auth/sessions")["items"]] == [session]


def test_the_eleventh_session_ends_the_oldest(fresh: Person) -> None:
    others = [signed_in(fresh) for _ in range(10)]
    ended(fresh)
    assert len(others[-1].ask("GET", "/auth/sessions")["items"]) == 10


async def test_a_ticket_opens_one_socket(ann: Person) -> None:
    ticket = ann.ask("POST", "/auth/ws-ticket")
    assert set(ticket) == {"ticket", "expiresIn"}
    assert ticket["expiresIn"] == 30
    address = f"{ann.base_url.replace('http', 'ws', 1)}/ws?ticket={ticket['ticket']}"
    async with websockets.connect(address) as socket:
        shapes.check(json.loads(await socket.recv()), shapes.Ready)


def test_a_web_client_has_its_refresh_token_in_a_cookie(http: httpx.Client, system: System) -> None:
    phone = new_phone()
    http.post("/auth/request-otp", json={"phone": phone})
    body = {"phone": phone, "otp": code_of(system.base_url, phone), "device": {"name": "Firefox", "platform": "web"}}
    answer = httpx.post(f"{system.base_url}/api/v1/auth/verify-otp", json=body)
    assert answer.json()["refreshToken"] is None
    cookie = answer.headers["set-cookie"]
    parts = {part.strip().lower() for part in cookie.split(";")[1:]}
    assert {"httponly", "samesite=strict", "path=/api/v1/auth"} <= parts
    assert "secure" not in parts  # on localhost
    sent = {"cookie": cookie.partition(";")[0]}
    url = f"{system.base_url}/api/v1/auth/refresh"
    for origin in ({}, {"origin": "https://evil.example"}, {"origin": "null"}):
        problem(httpx.post(url, json={}, headers=sent | origin), "forbidden")
    fresh = httpx.post(url, json={}, headers=sent | {"origin": system.base_url})
    assert fresh.status_code == 200, fresh.text
    shapes.check(fresh.json(), shapes.Tokens)
    assert fresh.json()["refreshToken"] is None
    assert fresh.headers["set-cookie"].startswith("tidings_refresh=")
    assert fresh.headers["set-cookie"].partition(";")[0] != sent["cookie"]


def test_codes_are_shown_on_this_machine_only(http: httpx.Client) -> None:
    problem(http.get("/dev/sms", params={"phone": new_phone()}), "not_found")
    problem(http.get("/dev/sms"), "invalid_request")


def test_the_keys_of_access_tokens_are_public(system: System) -> None:
    keys = httpx.get(f"{system.base_url}/.well-known/jwks.json").json()["keys"]
    assert keys
    for key in keys:
        assert (key["kty"], key["crv"], key["alg"], key["use"]) == ("EC", "P-256", "ES256", "sig")
        assert key["kid"]
        assert "d" not in key


@pytest.mark.parametrize("path", ["/auth/logout", "/auth/ws-ticket"])
def test_without_a_token_nothing_is_done(http: httpx.Client, path: str) -> None:
    problem(http.post(path), "unauthenticated")
    problem(http.post(path, headers={"authorization": "Bearer nonsense"}), "unauthenticated")
    problem(http.post(path, headers={"authorization": "Basic YTpi"}), "unauthenticated")


def test_the_address_in_an_invite_is_the_one_the_client_used(ann: Person) -> None:
    invite = ann.ask("POST", f"/chats/{ann.group()}/invite", gives=201, of=shapes.Invite)
    assert urlsplit(invite["url"]).netloc == urlsplit(ann.base_url).netloc
