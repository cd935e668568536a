"""kill -9 of each process under load: nothing answered is lost, nothing doubled, no gap, one order for both."""

import asyncio
import contextlib
import json
import uuid

import pytest
import websockets
from tests.support.people import Person
from tests.support.running import System
from tests.support.waiting import eventually

PAIRS = 4
MESSAGES = 60
RESEND_S = 2.0
SERVED_AGAIN_S = 5.0


class Sender:
    """Sends in order, one at a time, the same id until it is answered, over as many connections as it takes."""

    def __init__(self, person: Person, chat: str) -> None:
        self.person, self.chat = person, chat
        self.answered: dict[str, int] = {}
        self.answered_at = 0.0

    async def run(self, half: asyncio.Event) -> None:
        names = [f"{number}-{uuid.uuid4().hex}" for number in range(MESSAGES)]
        while len(self.answered) < MESSAGES:
            with contextlib.suppress(OSError, TimeoutError, websockets.WebSocketException, AssertionError):
                live = await self.person.open(open_timeout=3)
                async with live.socket:
                    while len(self.answered) < MESSAGES:
                        name = names[len(self.answered)]
                        await live.say("message.send", chatId=self.chat, clientMsgId=name, content=name)
                        await self._answer(live.socket, name)
                        if len(self.answered) == MESSAGES // 3:
                            half.set()
            await asyncio.sleep(0.05)

    async def _answer(self, socket: websockets.ClientConnection, name: str) -> None:
        async with asyncio.timeout(RESEND_S):
            while True:
                frame = json.loads(await socket.recv())
                if frame.get("clientMsgId") != name:
                    continue
                if frame["type"] == "message.sent":
                    self.answered[name] = frame["seq"]
                    self.answered_at = asyncio.get_running_loop().time()
                    return
                if frame["type"] == "error":
                    assert frame["code"] in ("unavailable", "overloaded", "internal"), frame
                    raise TimeoutError


def log_of(person: Person, chat: str) -> list[tuple[int, str | None]]:
    found: list[tuple[int, str | None]] = []
    after, more = 0, True
    while more:
        page = person.http.get(f"/chats/{chat}/messages", params={"after": after, "limit": 100}).json()
        found += [(item["seq"], item.get("clientMsgId")) for item in page["items"]]
        after, more = page["toSeq"], page["hasMore"]
    return found


def check(pairs: list[tuple[Person, Person]], senders: list[Sender]) -> None:
    """The log against what was answered, as both people see it."""
    for (a, b), sender in zip(pairs, senders, strict=True):
        log = log_of(a, sender.chat)
        assert [seq for seq, _ in log] == list(range(1, len(log) + 1))  # no gap
        names = [name for _, name in log if name is not None]
        assert len(names) == len(set(names)) == MESSAGES  # nothing doubled, nothing besides
        assert {name: seq for seq, name in log if name} == sender.answered  # what was answered is what is there
        assert names == list(sender.answered)  # in the order it was sent
        assert log_of(b, sender.chat) == log


@pytest.mark.parametrize(
    "victim", ["message-1", "websocket-1", "gateway-1", "nats", "valkey", "mongo", "postgres", "envoy"]
)
async def test_nothing_answered_is_lost_when_it_is_killed(system: System, victim: str) -> None:
    people = [Person(system.base_url) for _ in range(PAIRS * 2)]
    pairs = list(zip(people[::2], people[1::2], strict=True))
    senders = [Sender(a, a.direct(b)) for a, b in pairs]
    half = asyncio.Event()
    async with asyncio.timeout(90), asyncio.TaskGroup() as group:
        for sender in senders:
            group.create_task(sender.run(half))
        await half.wait()
        old = await asyncio.to_thread(system.kill, victim)
        await asyncio.to_thread(system.wait_replaced, victim, old)
        replaced_at = asyncio.get_running_loop().time()
        await eventually(
            lambda: all(len(s.answered) == MESSAGES or s.answered_at > replaced_at for s in senders),
            "everyone is served again",
            SERVED_AGAIN_S,
        )
    await asyncio.to_thread(system.wait_ready)
    check(pairs, senders)
