"""Hostile input, rows 1 to 11 of docs/protocol.md: signing in and tokens."""

import base64
import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import jwt
import pytest
from tests.support.people import Person, code_of, new_phone, problem
from tests.support.running import System

from tidings.auth.keys import Keys


@pytest.fixture(scope="module")
def http(system: System) -> httpx.Client:
    return httpx.Client(base_url=f"{system.base_url}/api/v1", timeout=10)


def test_row_1_known_and_unknown_numbers_are_answered_alike(http: httpx.Client, ann: Person) -> None:
    answers = [http.post("/auth/request-otp", json={"phone": phone}) for phone in (ann.phone, new_phone())]
    assert [answer.status_code for answer in answers] == [202, 202]
    assert answers[0].json() == answers[1].json()
    assert set(answers[0].headers) == set(answers[1].headers)


def test_row_2_five_wrong_guesses_burn_the_code_and_a_resend_waits(http: httpx.Client, system: System) -> None:
    phone = new_phone()
    http.post("/auth/request-otp", json={"phone": phone})
    code = code_of(system.base_url, phone)
    for n in range(5):
        wrong = f"{(int(code) + 1 + n) % 1_000_000:06d}"
        problem(http.post("/auth/verify-otp", json={"phone": phone, "otp": wrong}), "otp_invalid")
    problem(http.post("/auth/verify-otp", json={"phone": phone, "otp": code}), "otp_expired")
    refused = http.post("/auth/request-otp", json={"phone": phone})
    problem(refused, "rate_limited")
    assert 1 <= int(refused.headers["retry-after"]) <= 60


def test_row_4_a_code_is_used_once_also_by_two_at_once(http: httpx.Client, system: System) -> None:
    phone = new_phone()
    http.post("/auth/request-otp", json={"phone": phone})
    body = {"phone": phone, "otp": code_of(system.base_url, phone)}

    def sign_in(_: int) -> int:
        return httpx.post(f"{system.base_url}/api/v1/auth/verify-otp", json=body).status_code

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(sign_in, range(8))) == [200, *[400] * 7]


def test_row_5_one_number_is_one_account_however_it_is_written(http: httpx.Client, system: System) -> None:
    phone = new_phone()
    plain = phone[1:]
    wide = "".join(chr(ord(digit) + 0xFEE0) for digit in plain)
    arabic = "".join(chr(ord(digit) - ord("0") + 0x0660) for digit in plain)
    written = [phone, f"00{plain}", f"+{wide}", f"+{arabic}", f"  +{plain[:2]} ({plain[2:5]}) {plain[5:]}-"[:-1]]
    found = set()
    for text in written:
        sent = http.post("/auth/request-otp", json={"phone": text})
        assert sent.status_code == 202, (text, sent.text)
        body = {"phone": text, "otp": code_of(system.base_url, phone)}
        answer = http.post("/auth/verify-otp", json=body).json()["user"]
        found.add((answer["id"], answer["phone"]))
    assert len(found) == 1
    assert {number for _, number in found} == {phone}
    for bad in (f"{phone};ext=5", f"{phone} x5", phone * 3, "+1-800-FLOWERS", "tel:" + phone):
        answer = http.post("/auth/request-otp", json={"phone": bad})
        assert answer.status_code == 400, (bad, answer.text)


def part(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


@pytest.fixture(scope="module")
def forge(system: System, ann: Person) -> Any:
    """Makes tokens of Ann's that differ from hers in header or claims, signed with the system's own key."""
    key = Keys(system.data_dir).signing()
    claims = jwt.decode(ann.token, options={"verify_signature": False})
    header = jwt.get_unverified_header(ann.token)

    def make(headers: dict[str, Any] | None = None, **changed: Any) -> str:
        told = {**header, **(headers or {})}
        told.pop("alg")
        return jwt.encode(claims | changed, key.private, "ES256", headers=told)

    return make


def asked(ann: Person, token: str) -> httpx.Response:
    return httpx.get(f"{ann.base_url}/api/v1/users/me", headers={"authorization": f"Bearer {token}"})


def test_row_6_tokens_of_other_algorithms_are_refused(ann: Person, system: System, forge: Any) -> None:
    assert asked(ann, forge()).status_code == 200  # forged as we do it, it is good
    header, claims, _ = ann.token.split(".")
    told = jwt.get_unverified_header(ann.token)
    jwk = httpx.get(f"{system.base_url}/.well-known/jwks.json").json()["keys"][0]
    body = jwt.decode(ann.token, options={"verify_signature": False})
    pem = Keys(system.data_dir).signing().public
    from cryptography.hazmat.primitives import serialization as s

    public = pem.public_bytes(s.Encoding.PEM, s.PublicFormat.SubjectPublicKeyInfo)
    unsafe = jwt.api_jws.PyJWS()
    unsafe.unregister_algorithm("HS256")

    class AnyKey(jwt.algorithms.HMACAlgorithm):
        def prepare_key(self, key: Any) -> bytes:
            return bytes(key)

    unsafe.register_algorithm("HS256", AnyKey(AnyKey.SHA256))
    payload = json.dumps(body).encode()
    forged = [
        f"{part(told | {'alg': 'none'})}.{claims}.",
        f"{part(told | {'alg': 'None'})}.{claims}.{ann.token.split('.')[2]}",
        f"{header}.{claims}.",
        f"{header}.{claims}.{'A' * 86}",
        unsafe.encode(payload, public, "HS256", headers=told | {"alg": "HS256"}),
        unsafe.encode(payload, json.dumps(jwk).encode(), "HS256", headers=told | {"alg": "HS256"}),
        forge({"crit": ["exp"]}), forge({"crit": ["unknown"], "unknown": 1}), forge({"typ": "JWT"}),
        f"{header}.{part(body | {'sub': '01900000-0000-7000-8000-000000000000'})}.{ann.token.split('.')[2]}",
        "..", "a.b.c", ann.token + "A", ann.token[:-4], "\u00e4", "x" * 5000,
    ]  # fmt: skip
    for token in forged:
        answer = httpx.get(
            f"{ann.base_url}/api/v1/users/me", headers=[(b"authorization", b"Bearer " + token.encode("utf-8"))]
        )
        assert answer.status_code in (401, 400), token[:80]
        assert answer.json()["code"] in ("unauthenticated", "invalid_request"), answer.text


@pytest.mark.parametrize("kid", ["../../etc/passwd", "' OR 1=1 --", "", None, "nonsense", ["x"], {"$ne": ""}])
def test_row_7_a_key_id_is_looked_up_and_nothing_else(ann: Person, forge: Any, kid: Any) -> None:
    _, claims, signature = ann.token.split(".")
    told = jwt.get_unverified_header(ann.token)
    problem(asked(ann, f"{part(told | {'kid': kid})}.{claims}.{signature}"), "unauthenticated")


def test_row_7_a_token_names_no_key_of_its_own(ann: Person, forge: Any) -> None:
    for name in ("jku", "jwk", "x5u", "x5c"):
        problem(asked(ann, forge({name: "http://127.0.0.1:9/keys"})), "unauthenticated")


def test_row_8_expired_foreign_and_revoked_tokens(ann: Person, fresh: Person, forge: Any) -> None:
    now = int(time.time())
    problem(asked(ann, forge(exp=now - 1)), "token_expired")
    for wrong in ({"iss": "elsewhere"}, {"aud": "another"}, {"sub": fresh.id}, {"sub": "x"}, {"sid": "x"}):
        answer = asked(ann, forge(**wrong))
        assert answer.status_code == 401, wrong
        assert answer.json()["code"] in ("unauthenticated", "token_revoked"), wrong
    problem(asked(ann, ann.refresh), "unauthenticated")
    fresh.ask("POST", "/auth/logout", gives=204)
    deadline = time.monotonic() + 5
    while asked(fresh, fresh.token).status_code == 200:
        assert time.monotonic() < deadline, "revoked within seconds"
    problem(asked(fresh, fresh.token), "token_revoked")


def test_row_9_an_old_refresh_token_kills_the_session_also_in_a_race(fresh: Person) -> None:
    def refresh(_: int) -> int:
        answer = httpx.post(f"{fresh.base_url}/api/v1/auth/refresh", json={"refreshToken": fresh.refresh})
        return answer.status_code

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(refresh, range(4)))[1:] == [401] * 3
    problem(httpx.post(f"{fresh.base_url}/api/v1/auth/refresh", json={"refreshToken": fresh.refresh}), "token_revoked")


def test_row_10_a_cookie_from_another_page_is_refused(system: System, http: httpx.Client) -> None:
    phone = new_phone()
    http.post("/auth/request-otp", json={"phone": phone})
    body = {"phone": phone, "otp": code_of(system.base_url, phone), "device": {"name": "x", "platform": "web"}}
    answer = httpx.post(f"{system.base_url}/api/v1/auth/verify-otp", json=body)
    cookie = answer.headers["set-cookie"].partition(";")[0]
    for origin in ("https://evil.example", "null", system.base_url + ".evil.example", "http://127.0.0.1"):
        headers = {"cookie": cookie, "origin": origin}
        problem(httpx.post(f"{system.base_url}/api/v1/auth/refresh", json={}, headers=headers), "forbidden")


def test_row_11_codes_are_not_shown_through_a_proxy(http: httpx.Client) -> None:
    phone = new_phone()
    http.post("/auth/request-otp", json={"phone": phone})
    for claimed in ("127.0.0.1", "127.0.0.1, 203.0.113.9", "203.0.113.9", "203.0.113.9, 127.0.0.1"):
        answer = http.get("/dev/sms", params={"phone": phone}, headers={"x-forwarded-for": claimed})
        problem(answer, "not_found")
