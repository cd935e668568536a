"""NATS frozen while people write: message-service leaves the events to the log, and all arrive once NATS is back."""

import asyncio
import os
import signal
import uuid
from pathlib import Path

from tests.support.people import Person
from tests.support.running import running_system

MESSAGES = 60
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
