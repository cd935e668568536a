"""NATS frozen: message-service leaves the events of what people write to the log, and all arrive once NATS is back;
who connects meanwhile is greeted."""

import asyncio
import os
import signal
import uuid
from collections.abc import Iterator

import pytest
from tests.support.people import Person
from tests.support.running import System, running_system

MESSAGES = 60
COMERS = 8
GREETED_S = 5.0  # one second for each wave of people that come together, of which there are two or three
KEPT = {"TIDINGS_MESSAGE_UNPUBLISHED_BATCHES": "2"}


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    with running_system(tmp_path_factory.mktemp("nats-away"), env=KEPT) as found:
        found.wait_ready()
        yield found


async def test_what_was_written_while_nats_was_away_reaches_live_sockets(system: System) -> None:
    a, b = Person(system.base_url), Person(system.base_url)
    chat = a.direct(b)
    live = await b.open()
    names = [f"{number}-{uuid.uuid4().hex}" for number in range(MESSAGES)]
    nats = system.pid("nats")
    os.kill(nats, signal.SIGSTOP)
    try:
        for name in names:
            answer = await asyncio.to_thread(a.send, chat, name)
            assert answer.status_code == 201, answer.text
    finally:
        os.kill(nats, signal.SIGCONT)
    missing = set(names)
    while missing:
        missing.discard((await live.until("message.new", 30))["clientMsgId"])


async def test_people_that_come_while_nats_is_away_are_greeted(system: System) -> None:
    people = [Person(system.base_url) for _ in range(COMERS)]
    nats = system.pid("nats")
    os.kill(nats, signal.SIGSTOP)
    try:
        async with asyncio.timeout(GREETED_S):
            await asyncio.gather(*(person.open() for person in people))
            await people[0].open()  # comes when the others are being told of
    finally:
        os.kill(nats, signal.SIGCONT)
