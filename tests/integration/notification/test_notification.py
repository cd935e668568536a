"""Whom notification-service tells what, on real NATS and Redis. `tidings dlq` is tried on what it gives up."""

import asyncio
import json
import os
import signal
import stat
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.support.notification import Notification, message, running
from tests.support.running import Stores
from tests.support.waiting import eventually
from typer.testing import CliRunner

from tidings.cli.dlq import app as dlq
from tidings.contracts.events import partition


@pytest.fixture(scope="module")
async def service(stores: Stores) -> AsyncIterator[Notification]:
    async with running(stores, f"tpush{os.getpid()}") as found:
        yield found


async def test_one_push_per_person_and_chat(service: Notification) -> None:
    ann, ben = service.person(), service.person(targets=2)
    chat_id = service.chat(ann, ben)
    service.world.marks[(chat_id, ben)] = (3, 0, 0)
    await service.say(message(chat_id, 5, ann, "one"), message(chat_id, 6, ann, "two"))
    last = message(chat_id, 7, ann, "three")
    await service.say(last)
    await eventually(lambda: len(service.pushes(ben)) == 2, "both targets of Ben got it")
    await service.quiet()
    found = service.pushes(ben)
    assert {line["targetId"] for line in found} == set(service.world.targets[ben])
    assert found[0]["payload"] == {
        "type": "message",
        "messageId": last.message_id,
        "chatId": chat_id,
        "seq": 7,
        "senderName": f"N-{ann[-4:]}",
        "chatName": "Hikers",
        "text": "three",
        "badge": 3,
    }
    assert service.pushes(ann) == []


async def test_the_log_is_private_and_has_no_addresses(service: Notification) -> None:
    ann, ben = service.person(), service.person()
    await service.say(message(service.chat(ann, ben, direct=True), 1, ann))
    await eventually(lambda: service.pushes(ben), "Ben got it")
    assert service.pushes(ben)[0]["payload"]["chatName"] == f"N-{ann[-4:]}"
    assert stat.S_IMODE(service.log.stat().st_mode) == 0o600
    assert "SECRET-TOKEN" not in service.log.read_text()


async def test_the_same_batch_three_times_is_one_push(service: Notification) -> None:
    ann, ben = service.person(), service.person()
    event = message(service.chat(ann, ben), 4, ann)
    for _ in range(3):
        await service.say(event)
        await service.quiet()
    assert len(service.pushes(ben)) == 1


async def test_who_has_seen_it_is_left_alone(service: Notification) -> None:
    ann, reader, online, asleep, silent, deleted = (service.person() for _ in range(6))
    chat_id = service.chat(ann, reader, online, asleep, silent, deleted)
    marks = {reader: (1, 9, 9), online: (1, 0, 9), asleep: (1, 0, 9), silent: (1, 0, 0), deleted: (0, 0, 0)}
    for user_id, mark in marks.items():
        service.world.marks[(chat_id, user_id)] = mark
    await service.presence.beat("websocket-1")
    await service.presence.add("websocket-1", [online, silent])
    await service.say(message(chat_id, 9, ann))
    await eventually(lambda: service.pushes(asleep) and service.pushes(silent), "who has not seen it hears of it")
    await service.quiet()
    assert [len(service.pushes(user_id)) for user_id in (reader, online, deleted)] == [0, 0, 0]


async def test_outside_the_window_and_muted_hear_nothing(service: Notification) -> None:
    ann, left, muted, mentioned, here = (service.person() for _ in range(5))
    chat_id = service.chat(ann, left, muted, mentioned, here)
    service.world.seats[chat_id][left] = (1, 3)
    service.world.muted |= {(chat_id, muted), (chat_id, mentioned)}
    await service.say(message(chat_id, 4, ann, mentions=[mentioned]), message(chat_id, 5, ann, kind="notice"))
    await eventually(lambda: service.pushes(here) and service.pushes(mentioned), "they hear of it")
    await service.quiet()
    assert service.pushes(left) == service.pushes(muted) == []
    assert service.pushes(here)[0]["payload"]["seq"] == 4


async def test_a_removed_member_hears_nothing_at_once(service: Notification) -> None:
    ann, ben = service.person(), service.person()
    chat_id = service.chat(ann, ben)
    await service.say(message(chat_id, 2, ann))
    await eventually(lambda: service.pushes(ben), "Ben is a member")
    service.world.seats[chat_id][ben] = (1, 3)
    await service.say(message(chat_id, 3, ann, kind="notice", membership=True), message(chat_id, 4, ann, "secret"))
    await service.quiet()
    assert [line["payload"]["seq"] for line in service.pushes(ben)] == [2]


async def test_reading_takes_a_push_away_once(service: Notification) -> None:
    ann, ben = service.person(), service.person()
    chat_id = service.chat(ann, ben)
    await service.read(chat_id, ben, 4)
    await service.quiet()
    assert service.pushes(ben) == []  # nothing was pushed: nothing to take away
    await service.say(message(chat_id, 5, ann))
    await eventually(lambda: service.pushes(ben), "pushed")
    service.world.marks[(chat_id, ben)] = (0, 5, 5)
    for _ in range(2):
        await service.read(chat_id, ben, 5)
        await service.quiet()
    assert [line["payload"] for line in service.pushes(ben)][1:] == [
        {"type": "read", "chatId": chat_id, "seq": 5, "badge": 0}
    ]


async def test_what_was_said_while_it_was_down_comes_when_it_is_back(service: Notification) -> None:
    ann, ben = service.person(), service.person()
    chat_id = service.chat(ann, ben)
    await service.say(message(chat_id, 1, ann))
    await service.stop(signal.SIGKILL)
    await service.say(message(chat_id, 2, ann))
    await service.start()
    await eventually(lambda: [p for p in service.pushes(ben) if p["payload"]["seq"] == 2], "it comes", 20)
    await service.quiet()
    assert len(service.pushes(ben)) <= 2


async def test_an_orderly_stop_finishes_what_it_holds(service: Notification) -> None:
    ann, ben = service.person(), service.person()
    await service.say(message(service.chat(ann, ben), 1, ann))
    await asyncio.sleep(0.1)
    await service.stop()
    assert len(service.pushes(ben)) == 1
    await service.start()
    await service.quiet()
    assert len(service.pushes(ben)) == 1


async def test_a_bad_entry_is_kept_and_replayed(service: Notification) -> None:
    ann, ben, eve = service.person(), service.person(), service.person()
    chat_id = service.chat(ann, ben, eve)
    service.world.broken.add(eve)
    await service.say(message(chat_id, 5, ann, "very private"))
    await eventually(lambda: service.pushes(ben), "the others are served")
    assert service.pushes(eve) == []
    await service.events.publish("msg.new.0", b"not an event")

    async def command(*words: str) -> str:
        result = await asyncio.to_thread(CliRunner(env=service.environ).invoke, dlq, list(words))
        assert result.exit_code == 0, result.output
        return str(result.output)

    async def listed() -> list[dict[str, Any]]:
        return [json.loads(line) for line in (await command("list", "--json")).splitlines()]

    async def both() -> bool:
        return len(await listed()) == 2

    await eventually(both, "both are kept", 20)
    letters = await listed()
    assert [letter["consumer"] for letter in letters] == ["push", "push"]
    assert letters[0]["subject"] == f"msg.new.{partition(chat_id, 4)}"
    shown = await command("show", str(letters[0]["number"]))
    assert chat_id in shown
    assert "very private" not in shown
    assert "not JSON" in await command("show", str(letters[1]["number"]))
    assert "push" in await command("list")

    service.world.broken.clear()
    await command("replay", str(letters[0]["number"]))
    await eventually(lambda: service.pushes(eve), "after the mend it is served")
    assert len(await listed()) == 1
    assert len(service.pushes(ben)) == 1
