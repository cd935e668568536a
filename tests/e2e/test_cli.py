"""The commands people use: chat, send, tail, code and demo, on a running system."""

import asyncio
import contextlib
import http.server
import json
import os
import pty
import re
import subprocess
import sys
import termios
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.people import code_of, new_phone
from tests.support.running import System
from tests.support.terminal import environ, read
from textual.pilot import Pilot
from textual.widgets import Label, OptionList

from tidings.cli.chat.app import ChatApp
from tidings.cli.demo.people import GROUPS, PEOPLE
from tidings.client import Client


def tidings(*words: str, home: Path, check: bool = True, here: Path | None = None) -> subprocess.CompletedProcess[str]:
    found = subprocess.run(
        [sys.executable, "-m", "tidings.cli.main", *words],
        env=environ(home),
        cwd=here or home,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert not check or found.returncode == 0, found.stderr
    return found


def remember(home: Path, system: System) -> None:
    """Write down where the profile `default` is signed in, as `tidings chat` does."""
    folder = home / "tidings" / "default"
    folder.mkdir(parents=True, exist_ok=True)
    known = {"url": system.base_url, "data_dir": str(system.data_dir)}
    (folder / "profile.json").write_text(json.dumps(known))


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
    assert f"tidings code {phone}" in str(app.screen.query_one("#trouble", Label).render())
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
    assert re.search(rf"nobody is signed in as .*tidings chat --url {system.base_url}` signs you in", refused.stderr)
    remember(tmp_path, system)
    async with Client(system.base_url, tmp_path / "tidings" / "default") as client:
        await client.request_code(phone)
        code = tidings("code", phone, "--url", system.base_url, home=tmp_path).stdout.strip()
        await client.sign_in(phone, code)
        # The profile is open here: scripts share its session.
        tail = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tidings.cli.main", "tail", "--json",
            env=environ(tmp_path), cwd=tmp_path, stdout=subprocess.PIPE,
        )  # fmt: skip
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
        assert "[Notes to self] You: [document] notes.txt" in shown
    unknown = tidings("send", "+4915266999999", "hello", home=tmp_path, check=False)
    assert unknown.returncode == 1
    assert "not_found" in unknown.stderr


async def test_tail_tells_people_who_did_what(system: System, tmp_path: Path) -> None:
    one, two = new_phone(), new_phone()
    async with Client(system.base_url, tmp_path / "tidings" / "default") as ada, Client(system.base_url) as ben:
        for person, phone, name in ((ada, one, "Ada"), (ben, two, "Ben")):
            await person.request_code(phone)
            await person.sign_in(phone, code_of(system.base_url, phone))
            await person.api.patch("/users/me", {"name": name})
        trip = await ada.create_group("Trip", [ben.user_id])
        await ben.until(lambda: ben.settled)
        tail = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tidings.cli.main", "tail", "--url", system.base_url,
            env=environ(tmp_path), cwd=tmp_path, stdout=subprocess.PIPE,
        )  # fmt: skip
        assert tail.stdout is not None

        async def line() -> str:
            """The next line, without its day and time."""
            assert tail.stdout is not None
            return (await asyncio.wait_for(tail.stdout.readline(), 20)).decode().split(" ", 2)[2].strip()

        assert await line() == "[Trip] You created this chat"
        said = await ben.api.post(
            f"/chats/{trip}/messages", {"clientMsgId": "x", "content": {"kind": "text", "text": "hello"}}
        )
        assert await line() == "[Trip] Ben: hello"
        message = f"/messages/{said['messageId']}"
        await ben.api.patch(message, {"content": {"kind": "text", "text": "hello all"}})
        assert re.fullmatch(r"\[Trip\] Ben edited what was said at \d\d:\d\d: hello all", await line())
        await ada.api.put(f"{message}/reaction", {"emoji": "👍"})
        assert await line() == "[Trip] You reacted 👍 to Ben: hello all"
        await ben.api.call("DELETE", message)
        assert re.fullmatch(r"\[Trip\] Ben deleted what Ben said at \d\d:\d\d", await line())
        await ben.api.post(f"/chats/{trip}/leave")
        assert await line() == "[Trip] Ben left"
        tail.terminate()
        await tail.wait()


async def test_commands_find_the_system_of_the_data_directory(system: System, tmp_path: Path) -> None:
    phone, here = new_phone(), tmp_path / "here"
    here.mkdir()
    (here / ".tidings").symlink_to(system.data_dir)
    given = ("--data-dir", str(system.data_dir))
    async with Client(system.base_url, tmp_path / "tidings" / "default") as client:
        await client.request_code(phone)
        code = tidings("code", phone, home=tmp_path, here=here).stdout.strip()
        assert code == tidings("code", phone, *given, home=tmp_path).stdout.strip()
        await client.sign_in(phone, code)
    unknown = tidings("send", "me", "hello", home=tmp_path, here=here, check=False)
    assert (unknown.returncode, "say it with --url" in unknown.stderr) == (1, True), "nobody wrote down its server"
    for words in (given, ("--url", system.base_url)):
        assert tidings("send", "me", "hello", *words, home=tmp_path).stdout.strip()
    remember(tmp_path, system)
    assert tidings("send", "me", "hello", *given, home=tmp_path).stdout.strip()
    assert "You: hello" in tidings("tail", "--no-follow", home=tmp_path).stdout
    refused = tidings("send", "me", "hello", "--data-dir", "nowhere", home=tmp_path, check=False)
    assert refused.returncode == 1
    assert "no system has run in nowhere" in refused.stderr
    assert tidings("status", home=tmp_path, here=here).returncode == 0


def test_what_cannot_be_reached_is_said_alone_and_how_to_start_it(tmp_path: Path) -> None:
    done = tidings("demo", "--url", "http://127.0.0.1:9", home=tmp_path, check=False)
    assert done.returncode == 1
    assert done.stdout == ""
    assert re.fullmatch(
        r"tidings: http://127.0.0.1:9 cannot be reached \(ConnectError\)\. "
        r"Start a system with `\S*tidings up`, or name one with --url\n",
        done.stderr,
    )


def test_a_server_that_answers_needs_no_starting(tmp_path: Path) -> None:
    with _answers(503) as url:
        for words in (("demo",), ("code", "+4915112345678")):
            done = tidings(*words, "--url", url, home=tmp_path, check=False)
            assert (done.returncode, done.stdout) == (1, "")
            assert "Start a system" not in done.stderr
            assert "Traceback" not in done.stderr


@contextlib.contextmanager
def _answers(status: int) -> Iterator[str]:
    """A server that says the same to everybody."""

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()

        def log_message(self, *words: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_data_directory_without_a_system_is_not_another_system(tmp_path: Path) -> None:
    for words in (("demo",), ("code", "+4915112345678"), ("chat",)):
        done = tidings(*words, "--data-dir", "my data", home=tmp_path, check=False)
        assert done.returncode == 1
        assert re.fullmatch(
            r"tidings: no system has run in my data: start one with `\S*tidings up --data-dir 'my data'`\n", done.stderr
        )


@pytest.mark.parametrize("size", [(0, 0), (24, 0), (0, 80)])
def test_a_terminal_without_a_size_gets_one(tmp_path: Path, size: tuple[int, int]) -> None:
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, size)
    child = subprocess.Popen(
        [sys.executable, "-m", "tidings.cli.main", "chat", "--url", "http://127.0.0.1:9"],
        env=environ(tmp_path) | {"TERM": "xterm"}, cwd=tmp_path, stdin=theirs, stdout=theirs, stderr=theirs,
    )  # fmt: skip
    os.close(theirs)
    try:
        shown = read(ours, "Sign in with your phone number")
        os.write(ours, b"\x11")  # Ctrl+Q
        shown += read(ours, "")
        assert child.wait(20) == 0, shown
        assert "Traceback" not in shown
    finally:
        child.kill()
        child.wait()
        os.close(ours)


async def test_the_demo_fills_a_system_once(system: System, tmp_path: Path) -> None:
    counts = []
    data_dir = str(system.data_dir)
    for given in (f"--url {system.base_url}", f"--data-dir {data_dir}"):
        said = await asyncio.to_thread(tidings, "demo", *given.split(), home=tmp_path)
        assert f"tidings chat --profile demo --phone {PEOPLE[0].phone} {given}\n" in said.stderr
        assert f"tidings code {PEOPLE[0].phone} {given}\n" in said.stderr
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
