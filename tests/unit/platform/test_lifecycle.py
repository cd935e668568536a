"""A service that is told to stop ends, also when one of its parts does not."""

import os
import signal
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import asyncio
from contextlib import asynccontextmanager
from tidings.platform import http, lifecycle
from tidings.platform.settings import Common

class Settings(Common, kw_only=True, frozen=True):
    pass

@asynccontextmanager
async def build(settings):
    yield lifecycle.Servers(routes=None, checks={})
    await asyncio.Event().wait()  # a part that never ends

lifecycle.run("auth", Settings, build)
"""


def test_a_part_that_hangs_does_not_keep_the_process(tmp_path: Path) -> None:
    env = {name: value for name, value in os.environ.items() if not name.startswith("TIDINGS_")}
    env |= {"TIDINGS_DATA_DIR": str(tmp_path), "TIDINGS_DRAIN_TIMEOUT_S": "0.2"}
    child = subprocess.Popen([sys.executable, "-c", PROGRAM], env=env, stdout=subprocess.PIPE, text=True, bufsize=1)
    assert child.stdout is not None
    lines = [child.stdout.readline()]
    while '"ready"' not in lines[-1]:
        assert lines[-1], f"it ended too early: {lines}"
        lines.append(child.stdout.readline())
    child.send_signal(signal.SIGTERM)
    rest = child.communicate(timeout=20)[0]
    assert child.returncode == 1
    assert "did not stop in time" in rest
