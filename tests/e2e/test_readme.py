"""The commands and examples of the README and of docs/, run as they stand there."""

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path
from subprocess import PIPE

import pytest
from bench.loads import LOADS
from tests.support.people import Person, code_of, new_phone
from tests.support.running import System, running_system
from tests.support.terminal import environ, read
from tests.support.waiting import wait_until

from tidings.auth.settings import Settings
from tidings.platform.settings import load

ROOT = Path(__file__).parents[2]
PAGES = {page.relative_to(ROOT).as_posix(): page.read_text() for page in [ROOT / "README.md", *ROOT.glob("docs/*.md")]}
CLI = ROOT / ".venv" / "bin" / "tidings"


def block(beginning: str, page: str = "README.md") -> str:
    """The code block that begins so."""
    found = [text for text in re.findall(r"```\w*\n(.*?)```", PAGES[page], re.DOTALL) if text.startswith(beginning)]
    assert len(found) == 1, beginning
    return found[0]


def run(line: str, **env: str) -> str:
    done = subprocess.run(["bash", "-euc", line], env=os.environ | env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, f"{line}\n{done.stderr}"
    return done.stdout


def test_the_first_steps(tmp_path: Path) -> None:
    with running_system(tmp_path / ".tidings", env={}) as system:  # its own, where no demo has been
        system.wait_ready()
        _take_first_steps(tmp_path)


def _take_first_steps(here: Path) -> None:
    demo, chat, code, send = [line.partition("  #")[0] for line in block("tidings demo").splitlines()]
    me = new_phone()
    env = environ(here) | {"PATH": f"{CLI.parent}{os.pathsep}{os.environ['PATH']}", "TERM": "xterm-256color"}

    def command(line: str) -> list[str]:
        return ["bash", "-euc", line.replace("+4915112345678", me)]

    def do(line: str) -> str:
        done = subprocess.run(command(line), env=env, cwd=here, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, f"{line}\n{done.stderr}"
        return done.stdout + done.stderr

    assert "tidings chat" in do(demo), "it says who one can be"
    ours, theirs = pty.openpty()
    child = subprocess.Popen(command(chat), env=env, cwd=here, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    try:
        read(ours, "tidings code")
        os.write(ours, f"{do(code).strip()}\r".encode())
        read(ours, "Ctrl+N")
        os.write(ours, b"\x11")  # Ctrl+Q
        shown = read(ours, "")
        assert child.wait(20) == 0, shown
    finally:
        child.kill()
        child.wait()
        os.close(ours)
    assert do(send).strip(), "the id of what was sent"
    assert "hello" in do("tidings tail --no-follow")
    assert json.loads(do("tidings tail --no-follow --json").splitlines()[-1])


def test_the_calls_by_hand_sign_in(system: System) -> None:
    first, *calls = block("B=http").replace("\\\n", " ").splitlines()
    assert first == "B=http://localhost:30080/api/v1"
    env, seen = {"B": f"{system.base_url}/api/v1"}, {}
    for call in calls:
        answer = json.loads(run(call.replace('"123456"', json.dumps(seen.get("code"))), **env))
        seen |= answer
        env["ACCESS_TOKEN"] = str(seen.get("accessToken"))
    assert seen.get("phone") == "+4915112345678", seen


def test_the_example_of_the_sdk_signs_in_sends_and_hears(system: System, tmp_path: Path) -> None:
    me, friend = Person(system.base_url), Person(system.base_url)
    chat = friend.direct(me)
    example = block("import asyncio", "docs/sdk.md")
    example = example.replace("http://localhost:30080", system.base_url).replace("+4915112345678", me.phone)
    used = code_of(system.base_url, me.phone)
    with subprocess.Popen(
        [sys.executable, "-u", "-c", example], cwd=tmp_path, stdin=PIPE, stdout=PIPE, text=True
    ) as program:
        try:
            assert program.stdin is not None
            assert program.stdout is not None
            wait_until(lambda: code_of(system.base_url, me.phone) != used, "a code was asked for")
            program.stdin.write(f"{code_of(system.base_url, me.phone)}\n")
            program.stdin.flush()

            def said() -> list[str]:
                items = friend.ask("GET", f"/chats/{chat}/messages")["items"]
                return [item["content"]["text"] for item in items if item["senderId"] == me.id]

            wait_until(lambda: said() == ["hello"], "it has sent")
            friend.say(chat, "hello yourself")
            assert "hello yourself" in program.stdout.readline()
        finally:
            program.kill()


def test_the_example_of_settings_is_taken(tmp_path: Path) -> None:
    page = tmp_path / "tidings.toml"
    page.write_text(block("public_url", "docs/operations.md"))
    found = load(Settings, "auth", {"TIDINGS_CONFIG": str(page), "TIDINGS_DATA_DIR": str(tmp_path)})
    assert (found.public_url, found.sms_provider) == ("https://chat.example.org", "http")


@pytest.mark.parametrize("page", PAGES)
def test_every_task_and_command_that_is_named_exists(page: str) -> None:
    tasks = set(re.findall(r"`?make ([a-z-]+)", PAGES[page])) - {"sure"}
    known = set(re.findall(r"^  make ([a-z-]+)", run("make help"), re.MULTILINE))
    assert tasks <= known | {"bench-" + load for load in LOADS}
    commands = set(re.findall(r"`tidings ([a-z]+)", PAGES[page])) | set(
        re.findall(r"^tidings ([a-z]+)", PAGES[page], re.MULTILINE)
    )
    help_text = run(f"{CLI} --help")
    for command in commands:
        assert re.search(rf"\b{command}\b", help_text), command
    assert page != "README.md" or (tasks and commands)
