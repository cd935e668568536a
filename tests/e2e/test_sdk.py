"""The SDK against a running system, through the outer port."""

import asyncio
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.support.people import Person, code_of, new_phone
from tests.support.running import System
from tests.support.waiting import eventually as wait_for

from tidings.client import ApiError, ChatRow, Client, Connected, Message, SignedOut, Told
from tidings.client.session import Session

ROOT = Path(__file__).parents[2]


async def sign_in(system: System, client: Client, phone: str) -> str:
    await client.request_code(phone)
    user_id = await client.sign_in(phone, code_of(system.base_url, phone))
    await client.until(lambda: client.settled)
    return user_id


async def eventually(what: Callable[[], Any]) -> Any:
    return await wait_for(what, "it came to be", 20)


async def held(client: Client, chat_id: str, *texts: str) -> list[Message] | None:
    rows = await client.messages(chat_id)
    said = [row.text for row in rows if row.kind == "message"]
    return rows if said == list(texts) else None


async def test_two_clients_talk_with_ticks_changes_and_reactions(system: System, tmp_path: Path) -> None:
    async with Client(system.base_url, tmp_path / "a") as anna, Client(system.base_url) as ben:
        await sign_in(system, anna, new_phone())
        ben_id = await sign_in(system, ben, new_phone())
        chat_id = await anna.open_direct(ben_id)
        sent = await anna.sent(await anna.send(chat_id, "hello"))
        assert sent.seq is not None
        rows = await eventually(lambda: held(ben, chat_id, "hello"))
        row = await ben.chat(chat_id)
        assert row is not None
        assert row.unread == 1
        await ben.read(chat_id, rows[-1].seq or 0)

        async def read_by_ben() -> ChatRow | None:
            found = await anna.chat(chat_id)
            return found if found and found.others_read_seq >= (sent.seq or 0) else None

        await eventually(read_by_ben)
        answer = await ben.sent(await ben.send(chat_id, "hi", reply_to=sent.message_id))
        await eventually(lambda: held(anna, chat_id, "hello", "hi"))
        await ben.edit(answer, "hi!")
        await eventually(lambda: held(anna, chat_id, "hello", "hi!"))
        await anna.react(answer, "\U0001f44d")

        async def reacted() -> bool:
            row = await ben.message(answer.message_id or "")
            return row is not None and [r.count for r in row.reactions] == [1]

        await eventually(reacted)
        await ben.delete(answer)
        await eventually(lambda: held(anna, chat_id, "hello", ""))
        assert [row.text for row in await anna.find("HELL")] == ["hello"]
        assert await anna.pending() == 0


async def test_a_group_has_read_it_when_the_last_one_has(system: System) -> None:
    async with Client(system.base_url) as anna, Client(system.base_url) as ben, Client(system.base_url) as cora:
        await sign_in(system, anna, new_phone())
        readers = [await sign_in(system, client, new_phone()) for client in (ben, cora)]
        chat_id = await anna.create_group("Readers", readers)
        sent = await anna.sent(await anna.send(chat_id, "hello"))
        assert sent.seq is not None

        async def others() -> tuple[int, int]:
            found = await anna.chat(chat_id)
            assert found is not None
            return found.others_delivered_seq, found.others_read_seq

        async def become(delivered: bool, read: bool) -> bool:
            return [found >= (sent.seq or 0) for found in await others()] == [delivered, read]

        await eventually(lambda: become(True, False))
        await ben.read(chat_id, sent.seq)
        answer = await ben.sent(await ben.send(chat_id, "I did"))  # its receipt is on its way before
        await eventually(lambda: held(anna, chat_id, "hello", "I did"))
        assert (await others())[1] == 0
        await cora.read(chat_id, answer.seq or 0)
        await eventually(lambda: become(True, True))


async def test_what_is_written_offline_is_sent_once_by_the_next_program(system: System, tmp_path: Path) -> None:
    async with Client(system.base_url, tmp_path / "a") as anna:
        await sign_in(system, anna, new_phone())
        chat_id = await anna.open_direct(anna.user_id)
    async with Client("http://127.0.0.1:9", tmp_path / "a") as anna:  # nobody listens there
        row = await anna.send(chat_id, "on a train")
        await anna.send(chat_id, "still on a train")
        assert row.state == "pending"
        assert await anna.pending() == 2
        with pytest.raises(TimeoutError):
            await anna.sent(row, timeout_s=0.2)
    async with Client(system.base_url, tmp_path / "a") as anna:
        await anna.sent(row)
        await eventually(lambda: held(anna, chat_id, "on a train", "still on a train"))
        async with Client(system.base_url, session_folder=tmp_path / "a") as other:
            await other.until(lambda: other.settled)
            assert await held(other, chat_id, "on a train", "still on a train")


async def test_a_refused_message_is_told_and_can_be_sent_again(system: System, tmp_path: Path) -> None:
    ben = Person(system.base_url)
    async with Client(system.base_url, tmp_path / "a") as anna:
        await sign_in(system, anna, new_phone())
        chat_id = await anna.open_direct(ben.id)
        ben.http.put(f"/users/blocked/{anna.user_id}").raise_for_status()
        row = await anna.send(chat_id, "are you there?")
        with pytest.raises(ApiError) as refusal:
            await anna.sent(row)
        assert refusal.value.code == "blocked"
        ben.http.delete(f"/users/blocked/{anna.user_id}").raise_for_status()
        failed = await anna.message(row.client_msg_id or "")
        assert failed is not None
        await anna.send_again(failed)
        assert (await anna.sent(row)).seq is not None


async def test_typing_and_the_end_of_a_session_are_told(system: System) -> None:
    async with Client(system.base_url) as anna, Client(system.base_url) as ben:
        await sign_in(system, anna, new_phone())
        ben_id = await sign_in(system, ben, new_phone())
        chat_id = await anna.open_direct(ben_id)

        async def known() -> ChatRow | None:
            return await ben.chat(chat_id)

        await eventually(known)
        told: asyncio.Queue[object] = asyncio.Queue()

        async def listen() -> None:
            async for event in ben.events():
                if isinstance(event, Told | SignedOut | Connected):
                    told.put_nowait(event)

        listening = asyncio.create_task(listen())
        await asyncio.sleep(0)
        await anna.typing(chat_id)
        async with asyncio.timeout(10):
            while not (isinstance(found := await told.get(), Told) and found.frame["type"] == "typing.start"):
                pass
        session = next(s for s in (await ben.api.get("/auth/sessions"))["items"] if s["current"])
        await ben.api.delete(f"/auth/sessions/{session['id']}")
        async with asyncio.timeout(20):
            while not isinstance(await told.get(), SignedOut):
                pass
        assert ben.user_id == ""
        listening.cancel()


async def test_two_programs_renew_one_session_without_ending_it(system: System, tmp_path: Path) -> None:
    async with Client(system.base_url, tmp_path / "a") as anna:
        await sign_in(system, anna, new_phone())
        held_now = anna.api.session
        assert held_now is not None
        async with Client(system.base_url, session_folder=tmp_path / "a") as other:
            assert other.api.session == held_now
            await asyncio.gather(*(c.api.renew(held_now.access_token) for c in (anna, other, anna, other)))
            assert isinstance(anna.api.session, Session)
            assert anna.api.session == other.api.session != held_now
            await other.api.get("/users/me")
            await anna.api.get("/users/me")


async def test_the_echo_bot_answers_also_what_was_said_while_it_was_away(system: System, tmp_path: Path) -> None:
    phone = new_phone()
    async with Client(system.base_url) as anna:
        await sign_in(system, anna, new_phone())
        command = [sys.executable, "examples/echo_bot.py", phone, system.base_url, str(tmp_path / "bot")]

        async def running_bot(code: bool) -> asyncio.subprocess.Process:
            bot = await asyncio.create_subprocess_exec(
                *command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
            )
            assert bot.stdin is not None
            assert bot.stdout is not None
            if code:
                await asyncio.wait_for(bot.stdout.readuntil(b": "), 20)
                bot.stdin.write(code_of(system.base_url, phone).encode() + b"\n")
            await asyncio.wait_for(bot.stdout.readuntil(b"Listening"), 20)
            return bot

        bot = await running_bot(code=True)
        people = await anna.look_up([phone])
        chat_id = await anna.open_direct(people[phone].id)
        await anna.send(chat_id, "one")
        await eventually(lambda: held(anna, chat_id, "one", "You said: one"))
        bot.kill()
        await bot.wait()
        await anna.sent(await anna.send(chat_id, "two"))
        bot = await running_bot(code=False)
        rows = await eventually(lambda: held(anna, chat_id, "one", "You said: one", "two", "You said: two"))
        assert rows[-1].reply_to is not None
        bot.terminate()
        await bot.wait()
