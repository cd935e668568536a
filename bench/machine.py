"""Where and with what something was measured: machine, kernel, commit, and the version of every part."""

import importlib.metadata
import platform
import re
import subprocess
import time
from pathlib import Path

import psutil

from bench.figures import Figures
from tidings.devstack.binaries import BinaryMissingError, find

ROOT = Path(__file__).parent.parent
SERVERS = {
    "postgres": ["--version"],
    "mongod": ["--version"],
    "valkey-server": ["--version"],
    "nats-server": ["--version"],
    "weed": ["version"],
    "envoy": ["--version"],
}
PACKAGES = ("picows", "uvloop", "grpcio", "msgspec", "litestar", "pymongo", "nats-py", "redis", "asyncpg", "httpx")


def machine() -> Figures:
    """All of it. Nothing in it names the machine or a path on it."""
    return {
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "commit": commit(),
        "cpu": _cpu_name(),
        "cores": psutil.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load_before": round(psutil.getloadavg()[0], 1),
        "servers": {name: _version_of(name, arguments) for name, arguments in SERVERS.items()},
        "packages": {name: importlib.metadata.version(name) for name in PACKAGES},
    }


def commit() -> str:
    """The commit measured, with a + when files differ from it."""
    hash_ = _said(["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"])
    if not hash_:
        return "unknown"
    return hash_ + (
        "+" if _said(["git", "-C", str(ROOT), "status", "--porcelain", "--", "src", "bench", "proto"]) else ""
    )


def _version_of(name: str, arguments: list[str]) -> str:
    try:
        said = _said([str(find(name)), *arguments])
    except BinaryMissingError:
        return "not installed"
    # Three numbers before two: some name their own path first, and with it a version of Python.
    found = re.search(r"\d+\.\d+\.\d+", said) or re.search(r"\d+\.\d+", said)
    return found.group() if found else "unknown"


def _said(command: list[str]) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=20, check=False).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return ""


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
