"""What was measured: percentiles, CPU and memory of each process, on which machine; as text and JSON."""

import json
import platform
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

from tidings.devstack.state import load_state

Figures = dict[str, Any]


def percentiles(seconds: Sequence[float]) -> Figures:
    """Milliseconds at 50, 99 and 99.9 %; and how many there were."""
    ordered = sorted(seconds)

    def at(share: float) -> float:
        return round(ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1e3, 1)

    if not ordered:
        return {"measured": 0}
    return {"p50_ms": at(0.5), "p99_ms": at(0.99), "p999_ms": at(0.999), "measured": len(ordered)}


class Usage:
    """CPU of every process of a system, and of the generator, from now until `taken`."""

    def __init__(self, data_dir: Path | None) -> None:
        state = load_state(data_dir) if data_dir else None
        self._processes = {p.name: psutil.Process(p.pid) for p in state.processes if p.pid} if state else {}
        self._processes["generator"] = psutil.Process()
        self._before = {name: _cpu(process) for name, process in self._processes.items()}
        self._began = time.perf_counter()

    def taken(self) -> Figures:
        """Per cent of one core, and megabytes resident."""
        took = time.perf_counter() - self._began
        cpu = {name: round(100 * (_cpu(p) - self._before[name]) / took) for name, p in self._processes.items()}
        memory = {name: round(p.memory_info().rss / 1e6) for name, p in self._processes.items()}
        return {"cpu_percent": cpu, "memory_mb": memory}


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def machine() -> Figures:
    return {
        "cores": psutil.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9),
        "python": platform.python_version(),
        "kernel": platform.release(),
        "load_before": round(psutil.getloadavg()[0], 1),
    }


def show(name: str, figures: Mapping[str, Any]) -> None:
    print(f"\n{name}")
    for key, value in figures.items():
        print(f"  {key:<18} {value}")


def save(path: Path, results: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(results, indent=2) + "\n")
