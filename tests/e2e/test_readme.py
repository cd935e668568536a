"""The README's commands, run as they stand there."""

import json
import os
import re
import subprocess
from pathlib import Path

from tests.support.running import System

README = (Path(__file__).parents[2] / "README.md").read_text()
CLI = Path(__file__).parents[2] / ".venv" / "bin" / "tidings"


def block(beginning: str) -> str:
    """The code block that begins so."""
    found = [text for text in re.findall(r"```\w*\n(.*?)```", README, re.DOTALL) if text.startswith(beginning)]
    assert len(found) == 1, beginning
    return found[0]


def run(line: str, **env: str) -> str:
    done = subprocess.run(["bash", "-euc", line], env=os.environ | env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, f"{line}\n{done.stderr}"
    return done.stdout


def test_the_calls_by_hand_sign_in(system: System) -> None:
    first, *calls = block("B=http").replace("\\\n", " ").splitlines()
    assert first == "B=http://localhost:30080/api/v1"
    env, seen = {"B": f"{system.base_url}/api/v1"}, {}
    for call in calls:
        answer = json.loads(run(call.replace('"123456"', json.dumps(seen.get("code"))), **env))
        seen |= answer
        env["ACCESS_TOKEN"] = str(seen.get("accessToken"))
    assert seen.get("phone") == "+4915112345678", seen


def test_every_task_and_command_that_is_named_exists() -> None:
    tasks = set(re.findall(r"`?make ([a-z-]+)", README)) - {"sure"}
    known = set(re.findall(r"^  make ([a-z-]+)", run("make help"), re.MULTILINE))
    assert tasks
    assert tasks <= known
    commands = set(re.findall(r"`tidings ([a-z]+)", README)) | set(
        re.findall(r"^tidings ([a-z]+)", README, re.MULTILINE)
    )
    help_text = run(f"{CLI} --help")
    assert commands
    for command in commands:
        assert re.search(rf"\b{command}\b", help_text), command
