"""Measure: `python -m bench` runs a short form of every load; `python -m bench a b` those, `--long` in full.

Each load prints what it measured; --json keeps it. Without --url a system is started for it, through Envoy as anyone
would reach it, and stopped at the end. `python -m bench compare OLD NEW` puts two results beside each other.
"""

import argparse
import asyncio
import functools
import json
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import uvloop
from tests.support.running import running_system

from bench import groups, history, open_loop, pairs
from bench.figures import Figures, machine, save, show

Load = Callable[[str, Path | None], Awaitable[Figures]]


def loads(long: bool) -> dict[str, Load]:
    """Every load by its name."""
    seconds = 30 if long else 10
    return {
        "a": functools.partial(pairs.measure, seconds=seconds),
        "a-no-acks": functools.partial(pairs.measure, seconds=seconds, acks=False),
        "a1": functools.partial(pairs.measure, pairs=10, in_flight=1, seconds=seconds, warm_up=2),
        "b": functools.partial(open_loop.measure, seconds=2 * seconds),
        "c10": functools.partial(groups.measure, size=10, seconds=seconds),
        "c100": functools.partial(groups.measure, size=100, seconds=seconds),
        "c1024": functools.partial(groups.measure, size=1024, seconds=seconds),
        "f": functools.partial(history.measure, messages=100_000 if long else 10_000),
    }


def main() -> None:
    if sys.argv[1:2] == ["compare"]:
        compare(Path(sys.argv[2]), Path(sys.argv[3]))
        return
    known = loads(long=False)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("loads", nargs="*", metavar="LOAD", help=f"which, of {', '.join(known)}; all if none is named")
    parser.add_argument("--long", action="store_true", help="the full form instead of the short one")
    parser.add_argument("--url", default="", help="a running system; without it one is started")
    parser.add_argument("--data-dir", type=Path, help="of the running system, for CPU and memory per process")
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    args = parser.parse_args()
    unknown = [name for name in args.loads if name not in known]
    if unknown:
        parser.error(f"no load {', '.join(unknown)}; there are {', '.join(known)}")
    chosen = {name: load for name, load in loads(args.long).items() if not args.loads or name in args.loads}
    if args.url:
        results = run(chosen, args.url, args.data_dir)
    else:
        print("starting a system ...", file=sys.stderr)
        with tempfile.TemporaryDirectory() as folder, running_system(Path(folder) / "data") as system:
            system.wait_ready()
            results = run(chosen, system.base_url, system.data_dir)
    if args.json:
        save(args.json, results)
    wrong = [
        name for name, found in results.items() if found.get("lost") or found.get("doubled") or found.get("disordered")
    ]
    if wrong:
        sys.exit(f"messages were lost, doubled or out of order: {', '.join(wrong)}")


def run(chosen: dict[str, Load], url: str, data_dir: Path | None) -> dict[str, Any]:
    """One after the other, with progress."""
    results: dict[str, Any] = {"machine": machine()}
    show("machine", results["machine"])
    for number, (name, load) in enumerate(chosen.items(), 1):
        print(f"{time.strftime('%H:%M:%S')}  load {name} ({number} of {len(chosen)}) ...", file=sys.stderr)
        results[name] = uvloop.run(_measure(load, url, data_dir))
        show(name, results[name])
    return results


async def _measure(load: Load, url: str, data_dir: Path | None) -> Figures:
    found = await load(url, data_dir)
    await asyncio.sleep(2)  # what is left of this load shall not weigh on the next
    return found


def compare(old: Path, new: Path) -> None:
    """Each figure of both, and the new one over the old one."""
    before, after = json.loads(old.read_text()), json.loads(new.read_text())
    for name in before.keys() & after.keys():
        for key, value in before[name].items():
            other = after[name].get(key)
            if isinstance(value, int | float) and isinstance(other, int | float) and not isinstance(value, bool):
                ratio = f"{other / value:.2f}" if value else "-"
                print(f"{name:<10} {key:<22} {value:>10} {other:>10} {ratio:>6}")


if __name__ == "__main__":
    main()
