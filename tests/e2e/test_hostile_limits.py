"""Hostile input, rows 48 to 56 of docs/protocol.md: addresses of pushes, rates, limits, privacy, logs."""

import json
import re
import uuid

import httpx
import pytest
from tests.support import shapes
from tests.support.people import Person, new_phone
from tests.support.running import System
from tests.support.samples import NOBODY
from tests.support.waiting import wait_until

ENDPOINTS = [
    "https://127.0.0.1/x", "https://localhost/x", "https://10.0.0.1/x", "https://192.168.1.1/x", "https://[::1]/x",
    "https://[::ffff:127.0.0.1]/x", "https://169.254.169.254/latest/meta-data", "https://0x7f.1/x",
    "https://2130706433/x", "https://0/x", "https://127.1/x", "https://user@127.0.0.1/x", "https:///x", "https://",
]  # fmt: skip


def target(endpoint: str) -> dict[str, object]:
    return {"kind": "webpush", "subscription": {"endpoint": endpoint, "keys": {"p256dh": "B" * 87, "auth": "A" * 22}}}


@pytest.mark.parametrize("endpoint", ["http://push.example.com/x", "file:///etc/passwd", "gopher://x", "x", ""])
def test_row_48_a_push_goes_over_https(ann: Person, endpoint: str) -> None:
    ann.refused("POST", "/users/me/devices", target(endpoint), code="invalid_request")


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_row_48_a_push_does_not_go_inward(ann: Person, endpoint: str) -> None:
    ann.refused("POST", "/users/me/devices", target(endpoint), code="invalid_request")


async def test_row_52_over_a_limit_is_422(ann: Person, ben: Person) -> None:
    room = ann.group(ben)
    mentions = [str(uuid.UUID(int=n, version=4)) for n in range(65)]
    body = {"clientMsgId": uuid.uuid4().hex, "content": "x", "mentions": mentions}
    ann.refused("POST", f"/chats/{room}/messages", body, code="limit_exceeded")
    ids = [NOBODY] * 501
    ann.refused("POST", "/messages/read", {"messageIds": ids}, code="limit_exceeded")
    group = {"type": "group", "name": "x", "participantIds": [str(uuid.UUID(int=n, version=4)) for n in range(1025)]}
    ann.refused("POST", "/chats", group, code="limit_exceeded")
    items = [{"messageId": NOBODY, "clientMsgId": f"{n}"} for n in range(101)]
    ann.refused("POST", "/messages/forward", {"chatId": room, "items": items}, code="limit_exceeded")
    live = await ann.open()
    await live.refused("message.send", "limit_exceeded", chatId=room, **body)


def test_row_54_an_address_book_has_1000_numbers_a_call_and_5000_a_day(fresh: Person) -> None:
    numbers = [f"+49152{n:08d}" for n in range(1001)]
    fresh.refused("POST", "/users/contacts/sync", {"phoneNumbers": numbers}, code="limit_exceeded")
    for n in range(5):
        some = [f"+4915{n}{m:08d}" for m in range(1000)]
        fresh.ask("POST", "/users/contacts/sync", {"phoneNumbers": some})
    fresh.refused("POST", "/users/contacts/sync", {"phoneNumbers": [new_phone()]}, code="rate_limited")


async def test_row_55_a_deleted_account_leaves_nothing_to_its_numbers_next_owner(system: System, ben: Person) -> None:
    gone = Person(system.base_url)
    group, live = gone.group(ben), await gone.open()
    gone.ask("POST", "/users/me/devices", {"kind": "fcm", "token": f"t{uuid.uuid4()}"}, gives=201)
    gone.ask("DELETE", "/users/me", gives=204)
    assert await live.closed() == 4001
    gone.refused("POST", "/auth/refresh", {"refreshToken": gone.refresh}, code="token_revoked")
    again = Person(system.base_url, gone.phone)
    assert again.id != gone.id
    assert again.ask("GET", "/chats")["items"] == []
    assert again.ask("GET", "/users/me/devices")["items"] == []
    again.refused("GET", f"/chats/{group}", code="not_found")
    again.refused("GET", f"/chats/{group}/messages", code="not_found")
    synced = again.ask("POST", "/sync", {"since": None, "positions": {}}, of=shapes.Synced)
    assert synced["chats"] == []


def test_a_line_of_a_log_names_the_request_and_the_trace_of_its_caller(system: System, fresh: Person) -> None:
    request, trace = uuid.uuid4().hex, uuid.uuid4().hex
    fresh.http.get("/users/me", headers={"x-request-id": request, "traceparent": f"00-{trace}-{'1' * 16}-00"})

    def logged() -> bool:
        [log] = (system.data_dir / "logs").glob("user-1.log")
        lines = [json.loads(line) for line in log.read_text().splitlines() if request in line]
        return [(line["event"], line["traceId"], line["status"]) for line in lines] == [("request", trace, 200)]

    wait_until(logged, "the log has it")


def test_row_56_logs_hold_one_json_object_a_line_and_no_secret(system: System, fresh: Person, ben: Person) -> None:
    marker = uuid.uuid4().hex
    odd = f"{marker}\x1b[31mred\\n{{}}"
    fresh.http.get("/users/me", headers={"x-request-id": f"{marker}[31m", "user-agent": odd})
    fresh.http.get(f"/chats/{marker}%0d%0a%1b[31m/messages", params={"q": f"secretquery{marker}"})
    fresh.http.get("/messages/search", params={"q": f"secretquery{marker}"})
    text = f"secrettext{marker}"
    fresh.say(fresh.direct(ben), text)
    fresh.http.post("/auth/refresh", json={"refreshToken": f"secrettoken{marker}"})
    ticket = fresh.ask("POST", "/auth/ws-ticket")["ticket"]
    httpx.get(f"{system.base_url}/ws", params={"ticket": ticket})
    media = fresh.upload(b"text", "x.txt", "text/plain").json()
    httpx.get(media["url"])
    secrets = [
        text, f"secretquery{marker}", f"secrettoken{marker}", ticket, fresh.token, fresh.refresh, fresh.phone,
        fresh.phone[1:], httpx.URL(media["url"]).params["X-Amz-Signature"],
    ]  # fmt: skip
    for log in (system.data_dir / "logs").glob("*.log"):
        body = log.read_text(errors="replace")
        for secret in secrets:
            assert secret not in body, (log.name, secret[:20])
        assert "\x1b" not in body, log.name
        ours = re.match(r"(auth|user|chat|message|media|notification|websocket|gateway)-|access", log.name)
        if ours:
            for line in body.splitlines()[-2000:]:
                assert isinstance(json.loads(line), dict), (log.name, line[:200])
