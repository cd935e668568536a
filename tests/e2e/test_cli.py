"""The commands people use: chat, send, tail, code and demo, on a running system."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.support.people import code_of, new_phone
from tests.support.running import System
from textual.pilot import Pilot
from textual.widgets import OptionList

from tidings.cli.chat.app import ChatApp
from tidings.cli.demo.people import GROUPS, PEOPLE
from tidings.client import Client


def tidings(*words: str, home: Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    found = subprocess.run(
        [sys.executable, "-m", "tidings.cli.main", *words],
        env=environ(home),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert not check or found.returncode == 0, found.stderr
    return found


def environ(home: Path) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("TIDINGS_")}
    return clean | {"XDG_DATA_HOME": str(home), "HOME": str(home), "COLUMNS": "200"}


async def until(pilot: Pilot[None], what: Callable[[], Any], timeout_s: float = 20) -> None:
    async with asyncio.timeout(timeout_s):
        while not what():
            await pilot.pause(0.03)


def listed(app: ChatApp) -> bool:
    """Whether the list of chats is on the screen, with one chosen."""
    return bool(app.query("#chats")) and app.query_one("#chats", OptionList).highlighted is not None


async def sign_in(system: System, app: ChatApp, pilot: Pilot[None], phone: str) -> None:
    await pilot.pause()
    await pilot.press(*phone, "enter")
    await until(pilot, lambda: not app.screen.query_one("#code").disabled)
    await pilot.press(*code_of(system.base_url, phone), "enter")
    await until(pilot, lambda: app.client.settled)


async def test_two_people_talk_in_two_terminals(system: System, tmp_path: Path) -> None:
    one, two = new_phone(), new_phone()
    anna, ben = ChatApp(Client(system.base_url, tmp_path / "a")), ChatApp(Client(system.base_url, tmp_path / "b"))
    async with anna.run_test(size=(120, 40)) as at_anna, ben.run_test(size=(60, 30)) as at_ben:
        await sign_in(system, anna, at_anna, one)
        await sign_in(system, ben, at_ben, two)
        await at_anna.press("ctrl+n")
        await until(at_anna, lambda: anna.screen.query("Input"))
        await at_anna.press(*two, "enter")
        await until(at_anna, lambda: anna.row is not None and anna.screen is anna.screen_stack[0])
        await until(at_anna, lambda: anna.focused is not None and anna.focused.id == "text")
        await at_anna.press(*"Hi Ben", "enter")
        await until(at_ben, lambda: listed(ben) and ben.rows[0].unread == 1)
        await at_ben.press("enter")
        await until(at_ben, lambda: [m.text for m in ben.messages if m.kind == "message"] == ["Hi Ben"])
        await until(at_anna, lambda: anna.row and anna.row.others_read_seq == anna.messages[-1].seq)
        await at_ben.press(*"Hi!")
        await until(at_anna, lambda: anna.row and anna._typers(anna.row) == "typing …")
        await at_ben.press("enter")
        await until(at_anna, lambda: anna.messages[-1].text == "Hi!")
        await at_anna.press("up", "up")  # onto the messages, and to the last one
        await until(at_anna, lambda: (chosen := anna.chosen()) is not None and chosen.text == "Hi!")
        await at_anna.press("plus")
        await until(at_anna, lambda: anna.screen.query("OptionList"))
        await at_anna.press("enter")
        await until(at_ben, lambda: ben.messages[-1].reactions)
        await at_ben.press("up", "up")
        await until(at_ben, lambda: (chosen := ben.chosen()) is not None and chosen.text == "Hi!")
        await at_ben.press("e", "end", *" Anna", "enter")
        await until(at_anna, lambda: anna.messages[-1].text == "Hi! Anna")


async def test_what_is_typed_offline_is_shown_as_waiting_and_sent_later(system: System, tmp_path: Path) -> None:
    app = ChatApp(Client(system.base_url, tmp_path / "a"))
    async with app.run_test(size=(120, 40)) as pilot:
        await sign_in(system, app, pilot, new_phone())
        await app.open_chat(await app.client.open_direct(app.client.user_id))
        await pilot.press(*"online", "enter")
        await until(pilot, lambda: app.messages and app.messages[-1].seq)
    app = ChatApp(Client("http://127.0.0.1:9", tmp_path / "a"))  # nobody listens there
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: listed(app))
        await pilot.press("enter")
        await until(pilot, lambda: app.messages and app.messages[-1].text == "online")
        await pilot.press(*"offline", "enter")
        await until(pilot, lambda: app.messages[-1].text == "offline")
        assert app.messages[-1].state == "pending"
        await until(pilot, lambda: "1 waiting" in str(app.query_one("#status").render()))
    app = ChatApp(Client(system.base_url, tmp_path / "a"))
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: listed(app))
        await pilot.press("enter")
        await until(pilot, lambda: app.messages and app.messages[-1].text == "offline" and app.messages[-1].seq)


async def test_scripts_send_and_tail(system: System, tmp_path: Path) -> None:
    phone = new_phone()
    refused = tidings("send", "me", "hello", "--url", system.base_url, home=tmp_path, check=False)
    assert refused.returncode == 1
    assert "nobody is signed in" in refused.stderr
    async with Client(system.base_url, tmp_path / "tidings" / "default") as client:
        await client.request_code(phone)
        code = tidings("code", phone, "--url", system.base_url, home=tmp_path).stdout.strip()
        await client.sign_in(phone, code)
        # The profile is open here: scripts share its session.
        tail = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tidings.cli.main", "tail", "--json", env=environ(tmp_path), stdout=subprocess.PIPE
        )
        assert tail.stdout is not None
        told = [tidings("send", "me", "one", "--id", "x", home=tmp_path).stdout.strip() for _ in range(2)]
        assert told[0] == told[1]
        line = json.loads(await asyncio.wait_for(tail.stdout.readline(), 20))
        if line["kind"] == "notice":
            line = json.loads(await asyncio.wait_for(tail.stdout.readline(), 20))
        assert (line["messageId"], line["content"]["text"]) == (told[0], "one")
        file = tmp_path / "notes.txt"
        file.write_text("some notes")
        tidings("send", "me", "read this", "--file", str(file), home=tmp_path)
        line = json.loads(await asyncio.wait_for(tail.stdout.readline(), 20))
        assert (line["content"]["kind"], line["content"]["fileName"]) == ("document", "notes.txt")
        tail.terminate()
        await tail.wait()
        shown = tidings("tail", "--no-follow", "-n", "1", home=tmp_path).stdout
        assert "me: [document] notes.txt" in shown
    unknown = tidings("send", "+4915266999999", "hello", home=tmp_path, check=False)
    assert unknown.returncode == 1
    assert "not_found" in unknown.stderr


async def test_the_demo_fills_a_system_once(system: System, tmp_path: Path) -> None:
    counts = []
    for _ in range(2):
        said = await asyncio.to_thread(tidings, "demo", "--url", system.base_url, home=tmp_path)
        assert PEOPLE[0].phone in said.stderr
        async with Client(system.base_url) as client:
            await client.request_code(PEOPLE[0].phone)
            await client.sign_in(PEOPLE[0].phone, code_of(system.base_url, PEOPLE[0].phone))
            await client.until(lambda: client.settled)
            rows = await client.chats()
            assert {name for name, _, _ in GROUPS} < {row.title for row in rows}
            counts.append(sum([len(await client.messages(row.id, limit=200)) for row in rows]))
    assert counts[0] == counts[1] > 80


@pytest.mark.parametrize("command", ["chat", "send", "tail", "code", "demo"])
def test_help_helps(command: str, tmp_path: Path) -> None:
    assert "--url" in tidings(command, "--help", home=tmp_path).stdout
