"""Web pushes on their way to a push service that checks the sender and opens what it gets. What is sent by `pywebpush`
is taken by it in the same way."""

import asyncio
import json
import os
import signal
import socket
import stat
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from pywebpush import webpush
from tests.support.notification import Notification, message, running
from tests.support.push_service import Answer, PushService, Subscriber, running_push_service
from tests.support.running import Stores
from tests.support.waiting import eventually

from tidings.notification.dial import InnerError, OuterBackend, outer_of
from tidings.notification.post import DEADLINE_S
from tidings.platform import vapid


@pytest.fixture(scope="module")
def push_service() -> Iterator[PushService]:
    with running_push_service() as found:
        yield found


@pytest.fixture(scope="module")
def sick_service() -> Iterator[PushService]:
    with running_push_service() as found:
        yield found


@pytest.fixture(scope="module")
async def service(stores: Stores, push_service: PushService, sick_service: PushService) -> AsyncIterator[Notification]:
    more = {
        "TIDINGS_INNER_PUSH_ORIGINS": f"{push_service.origin},{sick_service.origin}",
        "TIDINGS_NOTIFICATION_PROVIDER": "webpush",
        "TIDINGS_NOTIFICATION_AGAIN_FIRST_S": "0.5",
        "TIDINGS_NOTIFICATION_AGAIN_MOST_S": "1",
    }
    async with running(stores, f"tweb{os.getpid()}", **more) as found:
        yield found


def server_key(service: Notification) -> str:
    return vapid.public_key(vapid.load_key(Path(service.environ["TIDINGS_DATA_DIR"])))


async def told(service: Notification, *subscribers: Subscriber, seq: int = 5, text: str = "hello") -> tuple[str, str]:
    """Somebody says something to the owner of these browsers: (chat, owner)."""
    ann, ben = service.person(targets=0), service.reachable(*subscribers)
    chat_id = service.chat(ann, ben)
    await service.say(message(chat_id, seq, ann, text))
    return chat_id, ben


async def test_a_message_comes_sealed_and_signed_to_each_browser(
    service: Notification, push_service: PushService
) -> None:
    browsers = [push_service.subscribe(server_key=server_key(service)) for _ in range(2)]
    chat_id, _ = await told(service, *browsers, text="very private")
    for browser in browsers:
        await eventually(lambda browser=browser: browser.taken or browser.refused, "it came")
        assert browser.refused == []
        assert browser.taken[0] | {"messageId": "", "senderName": ""} == {
            "type": "message", "messageId": "", "chatId": chat_id, "seq": 5, "senderName": "", "chatName": "Hikers",
            "text": "very private", "badge": 1,
        }  # fmt: skip
        headers = browser.received[0].headers
        assert int(headers["ttl"]) >= 86_400
        assert headers["urgency"] == "high"
    assert len({browser.received[0].headers["authorization"] for browser in browsers}) == 1  # signed once
    assert len({browser.received[0].headers["topic"] for browser in browsers}) == 2
    assert not service.log.exists()  # no development log with this provider


async def test_reading_goes_quietly_under_the_same_topic(service: Notification, push_service: PushService) -> None:
    browser = push_service.subscribe()
    chat_id, ben = await told(service, browser)
    await eventually(lambda: browser.taken, "the message came")
    service.world.marks[(chat_id, ben)] = (0, 5, 5)
    await service.read(chat_id, ben, 5)
    await eventually(lambda: len(browser.taken) == 2, "the reading came")
    assert browser.taken[1] == {"type": "read", "chatId": chat_id, "seq": 5, "badge": 0}
    first, second = browser.received
    assert second.headers["urgency"] == "low"
    assert second.headers["topic"] == first.headers["topic"]


@pytest.mark.parametrize("status", [404, 410])
async def test_a_subscription_that_is_gone_is_dropped(
    service: Notification, push_service: PushService, status: int
) -> None:
    gone, there = push_service.subscribe(Answer(status)), push_service.subscribe()
    _, ben = await told(service, gone, there)
    target_id = service.world.targets[ben][0]
    await eventually(lambda: target_id in service.world.dropped, "dropped")
    await eventually(lambda: there.taken, "the other one is served")
    assert len(service.world.targets[ben]) == 1
    assert len(gone.received) == 1


async def test_what_is_too_large_goes_without_its_text(service: Notification, push_service: PushService) -> None:
    browser = push_service.subscribe(Answer(413))
    await told(service, browser)
    await eventually(lambda: browser.taken, "the smaller one came")
    assert [one.payload["text"] for one in browser.received] == ["hello", None]


@pytest.mark.parametrize("status", [429, 503])
async def test_a_push_service_says_when_to_come_again(
    service: Notification, push_service: PushService, status: int
) -> None:
    browser = push_service.subscribe(Answer(status, {"retry-after": "2"}))
    _, ben = await told(service, browser)
    await eventually(lambda: browser.taken, "it came at last", 15)
    first, second = browser.received
    assert second.at - first.at >= 2
    assert len(service.world.targets[ben]) == 1  # and stays subscribed


async def test_errors_are_tried_again(service: Notification, push_service: PushService) -> None:
    browser = push_service.subscribe(Answer(500), Answer(502))
    await told(service, browser)
    await eventually(lambda: browser.taken, "it came at last", 15)
    assert [one.status for one in browser.received] == [500, 502, 201]


async def test_a_call_without_an_answer_is_made_again(service: Notification, push_service: PushService) -> None:
    browser = push_service.subscribe(Answer(503, hangs_s=DEADLINE_S + 2))
    await told(service, browser)
    await eventually(lambda: browser.taken, "it came at last", 30)
    first, second = browser.received
    assert second.at - first.at >= DEADLINE_S


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
async def test_what_waits_outlives_the_service(
    service: Notification, push_service: PushService, number: signal.Signals
) -> None:
    browser = push_service.subscribe(Answer(503, {"retry-after": "3"}))
    await told(service, browser)
    await eventually(lambda: browser.received, "it was tried")
    await service.stop(number)
    await service.start()
    await eventually(lambda: browser.taken, "it came after all", 20)
    assert browser.taken[0]["text"] == "hello"


async def test_a_later_message_takes_the_place_of_one_that_waits(
    service: Notification, push_service: PushService
) -> None:
    browser = push_service.subscribe(Answer(503, {"retry-after": "3"}))
    ann, ben = service.person(targets=0), service.reachable(browser)
    chat_id = service.chat(ann, ben)
    await service.say(message(chat_id, 1, ann, "one"))
    await eventually(lambda: browser.received, "the first was tried")
    before = await service.metric("tidings_web_pushes_total", outcome="overtaken")
    await service.say(message(chat_id, 2, ann, "two"))
    await eventually(lambda: browser.taken, "the second came")

    async def overtaken() -> bool:
        return await service.metric("tidings_web_pushes_total", outcome="overtaken") > before

    await eventually(overtaken, "the first was let go", 15)
    assert [one["seq"] for one in browser.taken] == [2]


async def test_a_device_that_signed_out_meanwhile_hears_nothing(
    service: Notification, push_service: PushService
) -> None:
    browser = push_service.subscribe(Answer(503, {"retry-after": "1"}))
    before = await service.metric("tidings_web_pushes_total", outcome="target gone")
    _, ben = await told(service, browser)
    await eventually(lambda: browser.received, "it was tried")
    service.world.targets[ben].clear()

    async def let_go() -> bool:
        return await service.metric("tidings_web_pushes_total", outcome="target gone") > before

    await eventually(let_go, "it was let go", 15)
    assert len(browser.received) == 1


async def test_a_silent_push_service_holds_up_nobody_else(
    service: Notification, push_service: PushService, sick_service: PushService
) -> None:
    silent = [sick_service.subscribe(*[Answer(503, hangs_s=8)] * 5) for _ in range(20)]
    for browser in silent:
        await told(service, browser)
    await eventually(lambda: any(browser.received for browser in silent), "the silent one is being asked")
    well = push_service.subscribe()
    began = time.monotonic()
    await told(service, well)
    await eventually(lambda: well.taken, "the well one is served")
    assert time.monotonic() - began < 6  # a call to the silent one takes 8
    asked = sum(len(browser.received) for browser in silent)
    assert asked <= 8, f"{asked} calls at once to a push service that was never seen to answer"
    for browser in silent:
        browser.answers.clear()
    await eventually(lambda: all(browser.taken for browser in silent), "once it answers all of them come", 60)


async def test_a_redirect_is_not_followed(service: Notification, push_service: PushService) -> None:
    trap = push_service.subscribe()
    browser = push_service.subscribe(Answer(307, {"location": trap.subscription["endpoint"]}))
    before = await service.metric("tidings_web_pushes_total", outcome="refused")
    _, ben = await told(service, browser)

    async def refused() -> bool:
        return await service.metric("tidings_web_pushes_total", outcome="refused") > before

    await eventually(refused, "it is given up")
    assert trap.received == trap.refused == []
    assert len(service.world.targets[ben]) == 1


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::ffff:127.0.0.1]"])
async def test_an_inner_address_is_not_called(service: Notification, push_service: PushService, host: str) -> None:
    """Another port of this machine than the one that is allowed, in a row that is older than the rules."""
    listener = Listener()
    browser = push_service.subscribe()
    browser.subscription["endpoint"] = f"https://{host}:{listener.port}/x"
    before = await service.metric("tidings_web_pushes_total", outcome="refused")
    await told(service, browser)

    async def refused() -> bool:
        return await service.metric("tidings_web_pushes_total", outcome="refused") > before

    await eventually(refused, "it is given up")
    assert listener.seen == 0
    listener.close()


async def test_a_name_that_leads_inward_is_not_dialled() -> None:
    """A name of the internet that resolves to this machine: looked up once, and no connection comes of it."""
    listener = Listener()
    asked = []

    def look_up(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1", "::ffff:127.0.0.1", "10.0.0.1", "fe80::1%eth0"]

    with pytest.raises(InnerError):
        await OuterBackend([], look_up).connect_tcp("push.example.com", listener.port)
    assert asked == ["push.example.com"]
    assert listener.seen == 0
    listener.close()


def test_only_outer_addresses_of_a_name_are_dialled() -> None:
    assert outer_of(["10.0.0.1", "8.8.8.8", "::1", "8.8.8.8", "2606:4700::1"]) == ["8.8.8.8", "2606:4700::1"]


class Listener:
    """Listens, and counts who comes."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self.seen = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                self._socket.accept()
            except OSError:
                return
            self.seen += 1

    def close(self) -> None:
        self._socket.close()


async def test_keys_that_are_none_drop_the_target(service: Notification, push_service: PushService) -> None:
    browser = push_service.subscribe()
    browser.subscription["keys"] = {"p256dh": "B" * 87, "auth": "A" * 22}  # no point of the curve
    _, ben = await told(service, browser)
    target_id = service.world.targets[ben][0]
    await eventually(lambda: target_id in service.world.dropped, "dropped")


async def test_connections_are_kept(service: Notification, push_service: PushService) -> None:
    browser = push_service.subscribe()
    await told(service, browser)
    await eventually(lambda: browser.taken, "it came")
    before = push_service.connections
    for count in range(2, 5):
        await told(service, browser)
        await eventually(lambda count=count: len(browser.taken) == count, "it came")
    assert push_service.connections == before


def test_the_key_is_a_secret_file(service: Notification) -> None:
    file = Path(service.environ["TIDINGS_DATA_DIR"]) / "secrets" / "vapid_key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert vapid.public_key(vapid.parse_key(file.read_text())) == server_key(service)


async def test_pywebpush_is_taken_in_the_same_way(service: Notification, push_service: PushService) -> None:
    """The other way round: another sender, with our key and our payload, is what this push service takes too."""
    browser = push_service.subscribe(server_key=server_key(service))
    await told(service, browser)
    await eventually(lambda: browser.taken, "ours came")
    ours = browser.received[0]

    def send() -> Any:
        key = (Path(service.environ["TIDINGS_DATA_DIR"]) / "secrets" / "vapid_key").read_text()
        return webpush(
            browser.subscription, data=ours.plain, vapid_private_key=key, vapid_claims={"sub": "mailto:a@b.example"},
            ttl=86_400, headers={"urgency": "high", "topic": ours.headers["topic"]},
        )  # fmt: skip

    answer = await asyncio.to_thread(send)
    assert answer.status_code == 201
    assert browser.refused == []
    theirs = browser.received[1]
    assert json.loads(theirs.plain) == ours.payload
    keys = [one.headers["authorization"].split("k=")[1].rstrip("=") for one in (ours, theirs)]
    assert keys[0] == keys[1]
