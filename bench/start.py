"""Load h: from the command to ready on a disk that has been started from before, and what all of it weighs idle.

It starts a system of its own, twice: the first time makes databases and keys.
"""

import asyncio
import tempfile
import time
from pathlib import Path

from tests.support.running import running_system

from bench.figures import Figures
from bench.target import Target
from bench.usage import memory_bytes

IDLE_S = 10.0


async def measure(target: Target, *, idle_s: float = IDLE_S) -> Figures:
    """Seconds of both starts, and PSS in MB."""
    return await asyncio.to_thread(_measure, target, idle_s)


def _measure(target: Target, idle_s: float) -> Figures:
    with tempfile.TemporaryDirectory() as folder:
        data_dir = Path(folder) / "data"
        target.say("starting on an empty disk")
        first, _ = _start(data_dir, 0)
        target.say("starting again")
        again, memory = _start(data_dir, idle_s)
    return {
        "load": f"start on warm disk; memory of all processes after {idle_s:.0f} s without clients",
        "first_start_s": round(first, 1),
        "start_s": round(again, 1),
        "pss_mb": round(sum(memory.values()) / 1e6),
        "pss_mb_by_process": {name: round(used / 1e6) for name, used in sorted(memory.items(), key=lambda i: -i[1])},
    }


def _start(data_dir: Path, idle_s: float) -> tuple[float, dict[str, int]]:
    began = time.perf_counter()
    with running_system(data_dir) as system:
        system.wait_ready()
        took = time.perf_counter() - began
        time.sleep(idle_s)
        return took, memory_bytes(data_dir)
