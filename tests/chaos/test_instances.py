"""Two instances of message and of websocket: frames cross over, one may die or freeze, and the fence holds."""

import asyncio
import itertools
import os
import signal
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from tests.chaos.test_crashes import PAIRS, Sender, check
from tests.support.people import Live, Person
from tests.support.running import System, running_system
from tests.support.waiting import eventually
from websockets.exceptions import WebSocketException

LEASE = {"TIDINGS_MESSAGE_LEASE_S": "4", "TIDINGS_MESSAGE_LEASE_MARGIN_S": "1"}
FROZEN_S = 6.0  # past the lease


@pytest.fixture(scope="module")
def scaled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    with running_system(tmp_path_factory.mktemp("scaled"), "--scale", "websocket=2,message=2", env=LEASE) as found:
        found.wait_ready()
        yield found


async def test_a_frame_reaches_sockets_of_every_instance(scaled: System) -> None:
    a, b = Person(scaled.base_url), Person(scaled.base_url)
    chat = a.direct(b)
    sender = await a.open()
    sockets = [await b.open() for _ in range(8)]  # eight choices of two: on both but in one of 128 runs
    for number in range(20):
        await sender.say("message.send", chatId=chat, clientMsgId=f"{number}-{uuid.uuid4().hex}", content=str(number))
    for live in sockets:
        last = 0
        for number in range(20):
            frame = await live.until("message.new", content={"kind": "text", "text": str(number)})
            assert frame["seq"] > last
            last = frame["seq"]


@pytest.mark.parametrize(("victim", "number"), [("websocket-2", signal.SIGKILL), ("message-2", signal.SIGSTOP)])
async def test_nothing_is_lost_when_one_of_two_is_gone(scaled: System, victim: str, number: signal.Signals) -> None:
    people = [Person(scaled.base_url) for _ in range(PAIRS * 2)]
    pairs = list(zip(people[::2], people[1::2], strict=True))
    senders = [Sender(a, a.direct(b)) for a, b in pairs]
    third = asyncio.Event()
    async with asyncio.timeout(90), asyncio.TaskGroup() as group:
        for sender in senders:
            group.create_task(sender.run(third))
        await third.wait()
        old = await asyncio.to_thread(scaled.kill, victim, number)
        if number == signal.SIGSTOP:
            await asyncio.sleep(FROZEN_S)  # the fault itself, not a wait for something
            await asyncio.to_thread(scaled.kill, victim, signal.SIGCONT)
        else:
            await asyncio.to_thread(scaled.wait_replaced, victim, old)
    await asyncio.to_thread(scaled.wait_ready)
    check(pairs, senders)


@pytest.mark.parametrize("victim", ["websocket-2", "message-2"])
async def test_all_are_served_while_one_of_two_hangs(scaled: System, victim: str) -> None:
    people = [Person(scaled.base_url) for _ in range(4)]
    chats = [a.direct(b) for a, b in itertools.combinations(people, 2)]
    old = await asyncio.to_thread(scaled.kill, victim, signal.SIGSTOP)
    try:
        headers = dict(people[0].http.headers)
        async with httpx.AsyncClient(base_url=f"{scaled.base_url}/api/v1", headers=headers, timeout=3) as http:

            async def served() -> bool:
                """Ten times in a row, so that both instances would have been asked."""
                for _ in range(10):
                    try:
                        answers = [await http.get(f"/chats/{chat}/messages") for chat in chats[:3]]
                        answers.append(await http.post("/sync", json={"since": None, "positions": {}}))
                        async with asyncio.timeout(3):
                            live = await people[1].open()
                            await live.send(chats[0])
                    except (httpx.HTTPError, OSError, TimeoutError, WebSocketException, AssertionError):
                        return False
                    if not all(answer.is_success for answer in answers):
                        return False
                return True

            await eventually(served, "everyone is served by the other", 40)
    finally:
        os.kill(old, signal.SIGCONT)
    await asyncio.to_thread(scaled.wait_ready)


async def test_no_message_of_a_removed_member_is_numbered_above_the_removal(scaled: System) -> None:
    owner, leaver = Person(scaled.base_url), Person(scaled.base_url)
    body = {"type": "group", "name": "Fence", "participantIds": [leaver.id]}
    group = owner.http.post("/chats", json=body).json()["id"]
    live = await leaver.open()
    refused = asyncio.Event()

    async def talk() -> None:
        number = 0
        while not refused.is_set():
            name = f"{number}-{uuid.uuid4().hex}"
            number += 1
            await live.say("message.send", chatId=group, clientMsgId=name, content=name)
            while True:
                frame = await live.until_any("message.sent", "error")
                if frame.get("clientMsgId") == name:
                    break
            if frame["type"] == "error":
                assert frame["code"] in ("not_found", "forbidden"), frame
                refused.set()

    talking = asyncio.create_task(talk())
    await live.until_count("message.sent", 20)
    answer = await asyncio.to_thread(owner.http.delete, f"/chats/{group}/members/{leaver.id}")
    assert answer.status_code == 204
    await asyncio.wait_for(talking, 20)
    items = log_of(owner, group)
    removal = next(i["seq"] for i in items if i["kind"] == "notice" and i["content"]["event"] == "member.removed")
    spoken = [i["seq"] for i in items if i["kind"] == "message"]
    assert len(spoken) >= 20
    assert max(spoken) < removal


async def test_no_change_by_a_removed_member_is_numbered_above_the_removal(scaled: System) -> None:
    owner, leaver = Person(scaled.base_url), Person(scaled.base_url)
    for _ in range(5):
        group = owner.group(leaver)
        message = owner.say(group)["messageId"]
        live = await leaver.open()

        async def react(live: Live = live, message: str = message) -> None:
            """Two dozen on their way at any time, until one is refused."""
            for _ in range(24):
                await live.say("message.react", messageId=message, emoji="👍")
            for number in itertools.count():
                frame = await live.until_any("message.reaction", "error")
                if frame["type"] == "error":
                    assert frame["code"] == "not_found", frame
                    return
                await live.say("message.react", messageId=message, emoji="👎" if number % 2 else "👍")

        reacting = asyncio.create_task(react())
        await live.until_count("message.reaction", 20)
        owner.ask("DELETE", f"/chats/{group}/members/{leaver.id}", gives=204)
        await asyncio.wait_for(reacting, 20)
        items = log_of(owner, group)
        removal = next(i["seq"] for i in items if i["kind"] == "notice" and i["content"]["event"] == "member.removed")
        changes = [i["seq"] for i in items if i["kind"] == "change"]
        assert changes
        assert max(changes) < removal


def log_of(person: Person, chat: str) -> list[dict[str, Any]]:
    """All entries of a chat that this person sees."""
    items: list[dict[str, Any]] = []
    while True:
        after = items[-1]["seq"] if items else 0
        more = person.ask("GET", f"/chats/{chat}/messages", after=after, limit=100)["items"]
        if not more:
            return items
        items += more
