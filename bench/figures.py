"""Figures a load brings home: percentiles, what the report prints, and the file that keeps them."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

Figures = dict[str, Any]
"""`load` says what was done. `broken` names promises that did not hold, `missed` aims that were not reached,
`skipped` why there is nothing; `cpu_us_per_message` and `processes` are tables, all else is one figure each."""

TABLES = ("cpu_us_per_message", "processes")


def percentiles(seconds: Sequence[float], prefix: str = "") -> Figures:
    """Milliseconds at 50, 99 and 99.9 %, the longest, and how many there were."""
    ordered = sorted(seconds)

    def at(share: float) -> float:
        return round(ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1e3, 1)

    if not ordered:
        return {f"{prefix}measured": 0}
    shares = {"p50_ms": 0.5, "p99_ms": 0.99, "p999_ms": 0.999, "longest_ms": 1.0}
    return {f"{prefix}{name}": at(share) for name, share in shares.items()} | {f"{prefix}measured": len(ordered)}


def aims(*told: tuple[bool, str]) -> list[str]:
    """The texts of those that do not hold."""
    return [text for holds, text in told if not holds]


def delivery(*, lost: int, doubled: int, disordered: int) -> Figures:
    """Loss, repetition and order, and what of it breaks a promise."""
    counts = {"lost": lost, "doubled": doubled, "disordered": disordered}
    return counts | {"broken": [f"{count} messages {what}" for what, count in counts.items() if count]}


def show(name: str, figures: Mapping[str, Any]) -> None:
    """As text."""
    print(f"\n{name}")
    for key, value in figures.items():
        if key not in TABLES and value != []:
            print(f"  {key:<26} {_text(value)}")
    _show_cpu(figures.get("cpu_us_per_message") or {})
    _show_processes(figures.get("processes") or {})


def _text(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_text(one)}" for key, one in value.items())
    if isinstance(value, list):
        return "; ".join(map(str, value))
    return f"{value:,}" if isinstance(value, int | float) and not isinstance(value, bool) else str(value)


def _show_cpu(table: Mapping[str, Mapping[str, float]]) -> None:
    if not table:
        return
    print(f"  {'CPU, us per message':<26} {'user':>8} {'system':>8} {'all':>8}")
    for name, row in sorted(table.items(), key=lambda item: -item[1]["all"]):
        print(f"    {name:<24} {row['user']:>8.1f} {row['sys']:>8.1f} {row['all']:>8.1f}")


def _show_processes(table: Mapping[str, Mapping[str, float]]) -> None:
    if not table:
        return
    print(f"  {'process':<26} {'CPU %':>8} {'PSS MB':>8}")
    for name, row in sorted(table.items(), key=lambda item: -item[1]["cpu_percent"]):
        print(f"    {name:<24} {row['cpu_percent']:>8.1f} {row['pss_mb']:>8.1f}")


def save(path: Path, results: Mapping[str, Any]) -> None:
    """As JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(results, indent=2) + "\n")
