"""NATS frozen: message-service leaves the events of what people write to the log, and all arrive once NATS is back;
who connects meanwhile is greeted."""

import asyncio
import os
import signal
import uuid
from pathlib import Path

from tests.support.people import Person
from tests.support.running import running_system

MESSAGES = 60
COMERS = 8
GREETED_S = 5.0  # one second for each wave of people that come together, of which there are two or three
KEPT = {"TIDINGS_MESSAGE_UNPUBLISHED_BATCHES": "2"}


async def test_what_was_written_while_nats_was_away_reaches_live_sockets(tmp_path: Path) -> None:
    with running_system(tmp_path / "data", env=KEPT) as system:
        await asyncio.to_thread(system.wait_ready)
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


async def test_people_that_come_while_nats_is_away_are_greeted(tmp_path: Path) -> None:
    with running_system(tmp_path / "data") as system:
        await asyncio.to_thread(system.wait_ready)
        people = [Person(system.base_url) for _ in range(COMERS)]
        nats = system.pid("nats")
        os.kill(nats, signal.SIGSTOP)
        try:
            async with asyncio.timeout(GREETED_S):
                await asyncio.gather(*(person.open() for person in people))
                await people[0].open()  # comes when the others are being told of
        finally:
            os.kill(nats, signal.SIGCONT)
