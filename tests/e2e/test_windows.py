"""What ends or fills up, on a system whose times are seconds and whose limits are small: windows, tokens, tickets,
cursors, codes, groups, the rates of addresses that a trusted proxy names, and what sockets hear of a restart."""

import asyncio
import re
import signal
import time
import uuid
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest
import websockets
from tests.support import shapes
from tests.support.people import Person, new_phone, problem
from tests.support.raw import Wire
from tests.support.running import System, running_system
from tests.support.waiting import eventually, wait_until

pytestmark = pytest.mark.xdist_group("short")
SHORT = {
    "TIDINGS_LIMITS_EDIT_WINDOW_S": "2", "TIDINGS_LIMITS_DELETE_WINDOW_S": "2", "TIDINGS_LIMITS_GROUP_MEMBERS": "3",
    "TIDINGS_AUTH_ACCESS_TOKEN_S": "8", "TIDINGS_AUTH_TICKET_S": "1", "TIDINGS_AUTH_OTP_LIFETIME_S": "3",
    "TIDINGS_CHAT_SINCE_AGE_S": "1", "TIDINGS_EDGE_TRUSTED_PROXIES": "1", "TIDINGS_RATES_OTP_PER_IP_HOUR": "3",
    "TIDINGS_RATES_IP_PER_SECOND": "10", "TIDINGS_RATES_IP_BURST": "20", "TIDINGS_RATES_IP_SOCKETS_PER_SECOND": "2",
    "TIDINGS_RATES_USER_PER_SECOND": "5", "TIDINGS_RATES_USER_BURST": "60",
}  # fmt: skip


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    with running_system(tmp_path_factory.mktemp("short"), env=SHORT) as found:
        found.wait_ready()
        yield found


def older_than(message: dict[str, str], seconds: float) -> None:
    """Wait until a message that was just sent is so old."""
    until = time.monotonic() + seconds
    assert message["createdAt"]
    wait_until(lambda: time.monotonic() > until, "it is old enough")


async def test_after_its_window_a_message_is_neither_edited_nor_deleted_for_everyone(short: System) -> None:
    ann, ben = Person(short.base_url), Person(short.base_url)
    chat = ann.direct(ben)
    message = ann.say(chat)
    path = f"/messages/{message['messageId']}"
    ann.ask("PATCH", path, {"content": "in time"})
    older_than(message, 2.1)
    ann.refused("PATCH", path, {"content": "late"}, code="edit_window_closed")
    ann.refused("DELETE", path, code="delete_window_closed")
    live = await ann.open()
    await live.refused("message.edit", "edit_window_closed", messageId=message["messageId"], content="late")
    await live.refused("message.delete", "delete_window_closed", messageId=message["messageId"])
    ann.ask("DELETE", path, gives=204, **{"for": "me"})
    assert ben.ask("GET", path)["content"]["text"] == "in time"


async def test_a_socket_ends_with_its_token_unless_it_is_given_a_new_one(short: System) -> None:
    lapsing, renewing = Person(short.base_url), Person(short.base_url)
    gone, kept = await lapsing.open(), await renewing.open()
    await asyncio.sleep(2)  # so that the new token ends later than the old
    pair = renewing.ask("POST", "/auth/refresh", {"refreshToken": renewing.refresh}, of=shapes.Tokens)
    await kept.ask("auth", "ack", accessToken=pair["accessToken"])
    assert await gone.closed(20) == 4001
    lapsing.refused("GET", "/users/me", code="token_expired")
    lapsing.refused("POST", "/auth/ws-ticket", code="token_expired")
    await kept.ask("ping", "pong")
    await gone.socket.close()
    assert await kept.closed(20) == 4001


async def test_row_12_a_late_ticket_is_refused(short: System) -> None:
    ann = Person(short.base_url)
    ticket = ann.ask("POST", "/auth/ws-ticket")
    assert ticket["expiresIn"] == 1
    await asyncio.sleep(1.2)
    with pytest.raises(websockets.InvalidStatus) as caught:
        await websockets.connect(f"{short.base_url.replace('http', 'ws', 1)}/ws?ticket={ticket['ticket']}")
    assert caught.value.response.status_code == 401


def test_row_4_an_old_code_is_expired(short: System) -> None:
    phone, http = new_phone(), httpx.Client(base_url=f"{short.base_url}/api/v1")
    assert http.post("/auth/request-otp", json={"phone": phone}).json()["expiresIn"] == 3
    code = http.get("/dev/sms", params={"phone": phone}).json()["code"]
    wait_until(lambda: http.get("/dev/sms", params={"phone": phone}).status_code == 404, "the code is too old", 5)
    problem(http.post("/auth/verify-otp", json={"phone": phone, "otp": code}), "otp_expired")


async def test_a_cursor_of_a_sync_that_is_too_old_is_expired(short: System) -> None:
    ann = Person(short.base_url)
    since = ann.ask("POST", "/sync", {"since": None, "positions": {}}, of=shapes.Synced)["since"]

    def expired() -> bool:
        return ann.http.post("/sync", json={"since": since, "positions": {}}).status_code == 410

    await eventually(expired, "the cursor is too old", 3)
    ann.refused("POST", "/sync", {"since": since, "positions": {}}, code="cursor_expired")
    ann.ask("POST", "/sync", {"since": None, "positions": {}})


def test_row_52_a_full_group_takes_nobody_more(short: System) -> None:
    owner, *others = (Person(short.base_url) for _ in range(4))
    body = {"type": "group", "name": "x", "participantIds": [person.id for person in others]}
    owner.refused("POST", "/chats", body, code="limit_exceeded")
    group = owner.group(*others[:2])
    owner.refused("POST", f"/chats/{group}/members", {"userIds": [others[2].id]}, code="limit_exceeded")
    invite = owner.ask("POST", f"/chats/{group}/invite", gives=201)["code"]
    others[2].refused("POST", f"/invites/{invite}/join", code="limit_exceeded")
    assert owner.chat(group)["memberCount"] == 3
    owner.ask("DELETE", f"/chats/{group}/members/{others[0].id}", gives=204)
    others[2].ask("POST", f"/invites/{invite}/join", gives=201)


def test_row_3_codes_are_counted_per_address(short: System) -> None:
    http = httpx.Client(base_url=f"{short.base_url}/api/v1")

    def ask(address: str) -> httpx.Response:
        return http.post("/auth/request-otp", json={"phone": new_phone()}, headers={"x-forwarded-for": address})

    assert [ask("203.0.113.7").status_code for _ in range(3)] == [202] * 3
    refused = ask("203.0.113.7")
    problem(refused, "rate_limited")
    assert refused.headers["ratelimit-limit"] == "3"
    assert ask("203.0.113.8").status_code == 202
    # What stands further left in the header was written by the client, who may write anything.
    assert ask("198.51.100.1, 203.0.113.7").status_code == 429


async def test_row_51_requests_and_sockets_are_counted_per_address(short: System) -> None:
    ann = Person(short.base_url)
    host = urlsplit(short.base_url).netloc

    async def answers(line: str, more: str, count: int, address: str) -> list[int]:
        head = f"GET {line} HTTP/1.1\nHost: {host}\nX-Forwarded-For: {address}\n{more}"
        wire = await Wire.open(short.base_url)
        wire.write((head + "\n").replace("\n", "\r\n").encode() * (count - 1))
        wire.write((head + "Connection: close\n\n").replace("\n", "\r\n").encode())
        return [int(found) for found in re.findall(r"HTTP/1\.1 (\d+)", (await wire.body(20)).decode())]

    got = await answers("/api/v1/config", "", 60, "203.0.113.20")
    assert 20 <= got.count(200) < 60
    assert set(got) == {200, 429}
    assert set(await answers("/api/v1/config", "", 5, "203.0.113.21")) == {200}
    statuses = []
    for _ in range(6):
        wire = await Wire.open(short.base_url)
        status, _ = await wire.request(
            f"GET /ws HTTP/1.1\nHost: {host}\nX-Forwarded-For: 203.0.113.22\nAuthorization: Bearer {ann.token}\n"
            "Upgrade: websocket\nConnection: Upgrade\nSec-WebSocket-Version: 13\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\n\n"
        )
        statuses.append(status)
    assert statuses.count(101) >= 2
    assert 429 in statuses


async def test_row_51_over_the_rate_of_a_person_is_429_with_headers(short: System) -> None:
    person, count = Person(short.base_url), 160
    head = (
        f"GET /api/v1/users/me/privacy HTTP/1.1\nHost: {urlsplit(short.base_url).netloc}\n"
        f"Authorization: Bearer {person.token}\n"
    )
    wire = await Wire.open(short.base_url)
    wire.write((head + "\n").replace("\n", "\r\n").encode() * (count - 1))
    wire.write((head + "Connection: close\n\n").replace("\n", "\r\n").encode())
    answered = (await wire.body(30)).decode()
    statuses = [int(found) for found in re.findall(r"HTTP/1\.1 (\d+)", answered)]
    assert len(statuses) == count
    assert 60 <= statuses.count(200) < count
    assert set(statuses) == {200, 429}
    refused = answered[answered.index("HTTP/1.1 429") :].partition("\r\n\r\n")[0].lower()
    for name in ("retry-after: 1", "ratelimit-limit: 60", "ratelimit-remaining: 0", "ratelimit-reset: 1"):
        assert name in refused
    assert '"code":"rate_limited"' in answered.replace(" ", "")
    assert Person(short.base_url).ask("GET", "/users/me")  # another's bucket is another


def test_the_configuration_tells_what_the_operator_chose(short: System) -> None:
    told = httpx.get(f"{short.base_url}/api/v1/config").json()
    assert (told["editWindowS"], told["groupMembers"], told["rates"]["ipBurst"]) == (2, 3, 20)
    assert uuid.UUID(Person(short.base_url).id).version == 7


async def test_a_restart_of_the_service_is_told_with_1012(short: System) -> None:
    live = await Person(short.base_url).open()
    old = short.kill("websocket-1", signal.SIGTERM)
    assert await live.closed(15) == 1012
    await asyncio.to_thread(short.wait_replaced, "websocket-1", old)


async def test_when_live_frames_may_have_been_lost_sockets_are_told_to_sync(short: System) -> None:
    await asyncio.to_thread(short.wait_ready)
    live = await Person(short.base_url).open()
    old = short.kill("valkey")
    frame = await live.until("resync", timeout_s=30)
    assert frame["reason"]
    await asyncio.to_thread(short.wait_replaced, "valkey", old)
