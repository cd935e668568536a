"""Two results beside each other: each figure of both, the new over the old, and which of them are regressions."""

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

TOLERANCE = 1.25  # two runs of the same commit differ by as much on a machine that does other things too
FAULTS = ("lost", "doubled", "disordered", "errors", "unanswered", "refused_but_stored", "stored_but_missing")
MORE_IS_BETTER = ("_per_s", "_of_peak", "connections", "_over_")
LESS_IS_BETTER = ("_ms", "_s", "_mb", "kb_each", "_ratio", ".all")
TOO_FEW_TO_TELL = ("p999_ms", "longest_ms", "took_s")  # one hiccup makes them
SAME_OR_NOT_COMPARABLE = ("cpu", "cores", "kernel", "python", "form")


class Row(NamedTuple):
    """One figure of a load that both results have. `worse`: by how many times; 1.0: the same, None: not to be told."""

    load: str
    figure: str
    old: float
    new: float
    worse: float | None

    def regressed(self, tolerance: float) -> bool:
        if self.figure in FAULTS:
            return self.new > self.old
        return self.worse is not None and self.worse > tolerance


def rows(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Row]:
    """Pair the figures by load and name, in the order of the old result."""
    found = []
    for load in before:
        if load == "machine" or load not in after:
            continue
        new = dict(_figures(after[load]))
        found += [
            Row(load, name, value, new[name], _worse(name, value, new[name]))
            for name, value in _figures(before[load])
            if name in new
        ]
    return found


def _figures(found: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    for name, value in found.items():
        if isinstance(value, Mapping):
            # Of the tables only what a message costs in each process: per cents of a core say nothing without the rate.
            if name != "processes":
                yield from _figures(value, f"{prefix}{name}.")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield f"{prefix}{name}", value


def _worse(name: str, old: float, new: float) -> float | None:
    if old <= 0 or new <= 0 or name.endswith(TOO_FEW_TO_TELL):
        return None
    if name.endswith(MORE_IS_BETTER) or "_over_" in name:
        return old / new
    return new / old if name.endswith(LESS_IS_BETTER) else None


def main(arguments: Sequence[str]) -> None:
    """Print the table. Exit code 1 when something regressed."""
    parser = argparse.ArgumentParser(prog="python -m bench compare", description=__doc__)
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    parser.add_argument("--tolerance", type=float, default=TOLERANCE, help=f"worse by so many times ({TOLERANCE})")
    parser.add_argument("--all", action="store_true", help="also the CPU of every process")
    args = parser.parse_args(arguments)
    before, after = (json.loads(path.read_text()) for path in (args.old, args.new))
    _heading(before, after)
    found, regressions = rows(before, after), 0
    width = max((len(row.figure) for row in found), default=10)
    for row in found:
        regressed = row.regressed(args.tolerance)
        regressions += regressed
        if not regressed and not args.all and "cpu_us_per_message" in row.figure and "(all)" not in row.figure:
            continue
        ratio, word = f"{row.new / row.old:.2f}" if row.old else "-", _word(row, args.tolerance)
        print(f"{row.load:<10} {row.figure:<{width}} {row.old:>12,} {row.new:>12,} {ratio:>6}  {word}")
    print(f"\n{regressions} of {len(found)} figures are worse by more than {args.tolerance} times.")
    raise SystemExit(int(regressions > 0))


def _word(row: Row, tolerance: float) -> str:
    if row.regressed(tolerance):
        return "WORSE"
    return "better" if row.worse is not None and row.worse < 1 / tolerance else ""


def _heading(before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    old, new = before.get("machine", {}), after.get("machine", {})
    print(f"{old.get('commit')} of {old.get('at')}  against  {new.get('commit')} of {new.get('at')}")
    other = [name for name in SAME_OR_NOT_COMPARABLE if old.get(name) != new.get(name)]
    for name in other:
        print(f"  not the same {name}: {old.get(name)} and {new.get(name)}: ratios may not be due to the product")
    missing = (before.keys() ^ after.keys()) - {"machine"}
    if missing:
        print(f"  only in one of them: {', '.join(sorted(missing))}")
