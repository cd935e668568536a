"""`tidings down`: stop a running system in order."""

import asyncio
import time

from tidings.cli.options import DEFAULT_DATA_DIR, DataDir, fail
from tidings.devstack import control
from tidings.devstack.state import is_owned

TIMEOUT_S = 60.0
POLL_S = 0.05


def down(data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Stop the system that runs on this data directory. Its data stays."""
    folder = data_dir.absolute()
    if not is_owned(folder):
        print(f"Tidings does not run on {folder}.")
        return
    try:
        asyncio.run(control.ask(folder, {"do": "stop"}))
    except control.NotRunningError as problem:
        fail(problem)
    deadline = time.monotonic() + TIMEOUT_S
    while is_owned(folder):
        if time.monotonic() > deadline:
            fail(f"still running after {TIMEOUT_S:.0f} s; see {folder}/logs")
        time.sleep(POLL_S)
    print("Tidings is stopped.")
