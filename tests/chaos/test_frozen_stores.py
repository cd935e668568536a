"""A store that hangs without being gone: everyone gets a clear answer in bounded time, and nothing is half done."""

import asyncio
import contextlib
import signal
import time
import uuid
from collections.abc import Iterator

import httpx
import psutil
import pytest
from tests.support.people import Person, new_phone, problem
from tests.support.running import System, running_system
from tests.support.waiting import eventually

PASSES_S = 1.8  # of which 0.2 are the gateway's wait for a store that hangs
WAITS_S = 12.0  # a client waits 10; the rest is a busy machine's


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    with running_system(tmp_path_factory.mktemp("frozen")) as found:
        found.wait_ready()
        yield found


@contextlib.contextmanager
def frozen(system: System, store: str) -> Iterator[None]:
    family = [psutil.Process(system.pid(store))]
    family += family[0].children(recursive=True)  # PostgreSQL's sessions
    for process in family:
        process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        for process in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGCONT)


@pytest.mark.parametrize("store", ["mongo", "postgres", "valkey"])
async def test_a_frozen_store_is_told_in_time_and_costs_nothing(system: System, store: str) -> None:
    a, b = Person(system.base_url), Person(system.base_url)
    chat = a.direct(b)
    before = a.say(chat, "before")["seq"]
    live = await a.open()
    ids = [uuid.uuid4().hex for _ in range(2)]
    asks = {
        "send": ("POST", f"/chats/{chat}/messages", {"clientMsgId": ids[0], "content": "meanwhile"}),
        "list": ("GET", "/chats", None),
        "history": ("GET", f"/chats/{chat}/messages", None),
        "sync": ("POST", "/sync", {"since": None, "positions": {}}),
        "profile": ("GET", "/users/me", None),
        "sessions": ("GET", "/auth/sessions", None),
        "code": ("POST", "/auth/request-otp", {"phone": new_phone()}),
        "code shown": ("GET", f"/dev/sms?phone=%2B{a.phone[1:]}", None),
    }
    headers = dict(a.http.headers)
    with frozen(system, store):
        async with httpx.AsyncClient(base_url=f"{system.base_url}/api/v1", headers=headers, timeout=30) as client:

            async def ask(method: str, path: str, body: object) -> tuple[httpx.Response, float]:
                began = time.monotonic()
                return await client.request(method, path, json=body), time.monotonic() - began

            await live.say("message.send", ref="r1", chatId=chat, clientMsgId=ids[1], content="by socket")
            answers = await asyncio.gather(*(ask(*each) for each in asks.values()))
            told = await live.until_any("message.sent", "error", timeout_s=WAITS_S, ref="r1")
            if store == "valkey":  # rate limits fail open, and fast: also for a token that is seen for the first time
                for token in (a.token, b.token):
                    client.headers["authorization"] = f"Bearer {token}"
                    answer, took = await ask("GET", "/users/me", None)
                    assert (answer.status_code, took < PASSES_S) == (200, True), (answer.text, took)
    for name, (answer, took) in zip(asks, answers, strict=True):
        assert took < WAITS_S, (name, took)
        if not answer.is_success:
            problem(answer, "unavailable")
            assert int(answer.headers["retry-after"]) >= 1, name
    assert told["type"] == "message.sent" or told["code"] in ("unavailable", "overloaded"), told
    if store == "mongo":  # else the test froze nothing
        assert not answers[0][0].is_success

    def served() -> bool:
        """Sent again under the same ids, whatever was heard."""
        return all(a.send(chat, each, "meanwhile").status_code in (200, 201) for each in ids)

    await eventually(lambda: asyncio.to_thread(served), f"{store} serves again", 30)
    items = a.ask("GET", f"/chats/{chat}/messages", after=before)["items"]
    assert sorted(item["clientMsgId"] for item in items if item["senderId"] == a.id) == sorted(ids)


async def test_row_20_a_session_that_ends_while_redis_hangs_loses_its_socket(system: System) -> None:
    """What the gateway has cached of it goes too: it lives in no store that hangs."""
    ann = Person(system.base_url)
    other = Person(system.base_url, ann.phone)
    live, theirs = await ann.open(), await other.open()
    [ended] = [one["id"] for one in ann.ask("GET", "/auth/sessions")["items"] if not one["current"]]
    with frozen(system, "valkey"):
        answer = await asyncio.to_thread(ann.http.delete, f"/auth/sessions/{ended}", timeout=30)
        assert answer.status_code == 204
        assert await theirs.closed(WAITS_S) == 4001
        refused = await asyncio.to_thread(other.http.get, "/users/me", timeout=30)
        assert refused.status_code == 401
    await live.ask("ping", "pong")
