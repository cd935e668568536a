"""What the processes of a system use between two moments: CPU, memory, a profile of each Python one if asked for."""

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import psutil
from tests.support.running import json_status

from bench.figures import Figures
from tidings.devstack.state import memory_of

PARENTS = ("generator", "supervisor")  # of everything else: theirs is what they use themselves, and crowds
PROFILE_RATE = 100  # samples a second
PROFILE_END_S = 30.0


def pids_of(data_dir: Path | None) -> dict[str, int]:
    """The processes of a system as they are now, and this one, by name."""
    own = {"generator": psutil.Process().pid}
    if data_dir is None:
        return own
    return {process.name: process.pid for process in json_status(data_dir).processes if process.pid} | own


def memory_bytes(data_dir: Path | None) -> dict[str, int]:
    """PSS of the system by process: what is shared counts once over all of them."""
    return {name: _memory(name, pid) for name, pid in pids_of(data_dir).items() if name != "generator"}


def _memory(name: str, pid: int) -> int:
    if name not in PARENTS:
        return memory_of(pid)
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("Pss:")), 0)


class Usage:
    """From now until `taken`. Children (PostgreSQL's sessions, media's workers) count with their parents."""

    def __init__(self, pids: Mapping[str, int], profiles: Path | None = None) -> None:
        self._pids = dict(pids)
        self._busy = _busy_s()
        self._before = {name: _cpu(name, pid) for name, pid in self._pids.items()}
        self._began = time.perf_counter()
        self._spies = _spy(self._pids, profiles) if profiles else []

    def taken(self, messages: int = 0, now: Mapping[str, int] | None = None) -> Figures:
        """Per cent of one core and megabytes of each process, and microseconds a message if there were any. `now`: the
        processes as they are, where some were replaced meanwhile: all that those did counts."""
        self._pids |= now or {}
        took = time.perf_counter() - self._began
        spent = {name: _spent(self._before[name], _cpu(name, pid)) for name, pid in self._pids.items()}
        elsewhere = _busy_s() - self._busy - sum(user + system for user, system in spent.values())
        profiled = _end(self._spies)
        found: Figures = {
            "elsewhere_cpu_percent": round(max(0.0, 100 * elsewhere / took), 1),
            "processes": {
                name: {
                    "cpu_percent": round(100 * (user + system) / took, 1),
                    "pss_mb": round(_memory(name, self._pids[name]) / 1e6, 1),
                }
                for name, (user, system) in spent.items()
            },
        }
        if messages:
            rows = {**spent, "(all)": (sum(u for u, _ in spent.values()), sum(s for _, s in spent.values()))}
            found["cpu_us_per_message"] = {
                name: {
                    "user": round(user * 1e6 / messages, 1),
                    "sys": round(system * 1e6 / messages, 1),
                    "all": round((user + system) * 1e6 / messages, 1),
                }
                for name, (user, system) in rows.items()
            }
        return found | ({"profiles": profiled} if profiled else {})


def _busy_s() -> float:
    """Seconds of all cores that were not idle: what is not ours is what the machine did besides."""
    times = psutil.cpu_times()
    return float(sum(times) - times.idle - getattr(times, "iowait", 0.0) - getattr(times, "guest", 0.0))


Times = dict[int, tuple[float, float]]  # pid to seconds in user and in system mode


def _cpu(name: str, pid: int) -> Times:
    found: Times = {}
    try:
        root = psutil.Process(pid)
        below = root.children(recursive=name not in PARENTS)
        if name in PARENTS:
            below = [child for child in below if "bench.crowd" in child.cmdline()]
        family = [root, *below]
    except psutil.Error:
        return found
    for member in family:
        try:
            times = member.cpu_times()
        except psutil.Error:
            continue
        ended = (0.0, 0.0) if name in PARENTS else (times.children_user, times.children_system)
        found[member.pid] = (times.user + ended[0], times.system + ended[1])
    return found


def _spent(before: Times, after: Times) -> tuple[float, float]:
    gone = {
        pid: (user - before.get(pid, (0, 0))[0], sys_ - before.get(pid, (0, 0))[1])
        for pid, (user, sys_) in after.items()
    }
    return sum(user for user, _ in gone.values()), sum(sys_ for _, sys_ in gone.values())


def _spy(pids: Mapping[str, int], folder: Path) -> "list[tuple[str, Path, subprocess.Popen[bytes]]]":
    """py-spy on every Python service. It stops each for a moment at every sample: rates are lower meanwhile."""
    program = Path(sys.executable).with_name("py-spy")
    spy = str(program) if program.exists() else shutil.which("py-spy")
    if spy is None:
        raise SystemExit("--profile needs py-spy, which `make setup` installs")
    folder.mkdir(parents=True, exist_ok=True)
    begun = []
    for name, pid in pids.items():
        if not _is_python(pid):
            continue
        path = folder / f"{name}.svg"
        command = [
            spy,
            "record",
            "--pid",
            str(pid),
            "--rate",
            str(PROFILE_RATE),
            "--duration",
            "86400",
            "--output",
            str(path),
        ]
        child = subprocess.Popen(
            [*command, "--format", "flamegraph"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        begun.append((name, path, child))
    return begun


def _is_python(pid: int) -> bool:
    try:
        return "-m" in (words := psutil.Process(pid).cmdline()) and any(word.startswith("tidings.") for word in words)
    except psutil.Error:
        return False


def _end(spies: "list[tuple[str, Path, subprocess.Popen[bytes]]]") -> dict[str, str]:
    for _, _, child in spies:
        child.send_signal(signal.SIGINT)
    told = {}
    for name, path, child in spies:
        try:
            _, said = child.communicate(timeout=PROFILE_END_S)
        except subprocess.TimeoutExpired:
            child.kill()
            said = b"py-spy did not end"
        last = said.decode(errors="replace").strip().splitlines()[-1:] or ["no profile"]
        told[name] = str(path) if path.exists() else last[0]
    return told
