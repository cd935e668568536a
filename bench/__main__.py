"""Measure: `python -m bench` runs a short form of every load; `python -m bench a b` those, `--long` in full.

Each load prints what it measured; --json keeps it. Without --url a system is started for it, through Envoy as anyone
would reach it, and stopped at the end; --data-dir alone measures the one that runs there.

Then some of them run once more under py-spy, which slows what it looks at, in their short form and not measured: a
flame graph of each service is in .cache/bench/profiles.

  python -m bench compare OLD NEW    two results beside each other
  python -m bench plot RESULT.json   pictures of a result, into docs/images
  python -m bench.peers              ejabberd and Synapse beside Tidings
"""

import argparse
import asyncio
import contextlib
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import uvloop
from tests.support.running import running_system

from bench import compare, plot
from bench.figures import Figures, save, show
from bench.loads import LOADS, Load
from bench.machine import machine
from bench.target import SkippedError, Target, raise_open_files
from tidings.devstack.state import is_owned, load_state

PROFILES = Path(__file__).parents[1] / ".cache" / "bench" / "profiles"
# What is profiled if nothing is said: 80 s in all, and it keeps every service on the hot path busy.
PROFILED = ("a", "c100", "f", "i")
SETTLE_S = 2.0  # between loads: what is left of one shall not weigh on the next


def main() -> None:
    if sys.argv[1:2] == ["compare"]:
        compare.main(sys.argv[2:])
    elif sys.argv[1:2] == ["plot"]:
        plot.main(sys.argv[2:])
    else:
        measure(sys.argv[1:])


def measure(arguments: Sequence[str]) -> None:
    """Run loads and report."""
    parser = _parser()
    args = parser.parse_args(arguments)
    unknown = [name for name in args.loads if name not in LOADS]
    if unknown:
        parser.error(f"no load {', '.join(unknown)}; there are {', '.join(LOADS)}")
    chosen = {name: LOADS[name] for name in args.loads or LOADS}
    given = _given(parser, args.url, args.data_dir)
    raise_open_files()
    results: dict[str, Any] = {"machine": machine() | {"form": "full" if args.long else "short"}}
    show("machine", results["machine"])
    own = {name: load for name, load in chosen.items() if load.own_system}
    rest = {name: load for name, load in chosen.items() if not load.own_system}
    run(own, Target(""), args.long, results, args.json)
    if rest:
        with contextlib.nullcontext(given) if given else _own() as target:
            run(rest, target, args.long, results, args.json)
            if target.data_dir is not None and not args.no_profile:
                profile(rest if args.profile else by_default(rest), target, args.profile or PROFILES)
    sys.exit(verdict(results))


def _parser() -> argparse.ArgumentParser:
    known = "\n".join(f"  {name:<10} {load.about}" for name, load in LOADS.items())
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description=f"{__doc__}\nloads:\n{known}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("loads", nargs="*", metavar="LOAD", help="which; all if none is named")
    parser.add_argument("--long", action="store_true", help="the full form instead of the short one")
    parser.add_argument("--url", default="", help="a running system; without it one is started")
    parser.add_argument("--data-dir", type=Path, help="of the running system, for figures of each process")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep the figures there too")
    parser.add_argument(
        "--profile",
        type=Path,
        metavar="FOLDER",
        help="profile each load that is measured, and keep the flame graphs there",
    )
    parser.add_argument("--no-profile", action="store_true", help="measure alone")
    return parser


def _given(parser: argparse.ArgumentParser, url: str, data_dir: Path | None) -> Target | None:
    """The system that was named, if it answers. None: none was."""
    if data_dir is not None:
        state = load_state(data_dir)
        if state is None or not is_owned(data_dir):
            parser.error(f"no system runs on {data_dir}: start it with `tidings up --data-dir {data_dir}`")
        url = url or state.url.replace("localhost", "127.0.0.1")
    if not url:
        return None
    try:
        httpx.get(f"{url}/ready", timeout=10).raise_for_status()
    except httpx.HTTPError as error:
        parser.error(f"{url} is not ready ({error}); `tidings status` says why, and without --url one is started")
    return Target(url, data_dir)


@contextlib.contextmanager
def _own() -> Iterator[Target]:
    """A system of our own."""
    print(f"{time.strftime('%H:%M:%S')}  starting a system ...", file=sys.stderr)
    with tempfile.TemporaryDirectory() as folder, running_system(Path(folder) / "data") as system:
        system.wait_ready()
        yield Target(system.base_url, system.data_dir)


def run(loads: dict[str, Load], target: Target, full: bool, results: dict[str, Any], keep: Path | None) -> None:
    """One after the other, with progress; what is measured is kept even when a later load fails."""
    for number, (name, load) in enumerate(loads.items(), 1):
        print(f"{time.strftime('%H:%M:%S')}  load {name} ({number} of {len(loads)}): {load.about}", file=sys.stderr)
        began = time.perf_counter()
        results[name] = uvloop.run(_measure(load.full if full else load.short, target.named(name)))
        results[name]["took_s"] = round(time.perf_counter() - began)
        show(name, results[name])
        if keep:
            save(keep, results)


def by_default(measured: dict[str, Load]) -> dict[str, Load]:
    """Of what was measured that which is profiled too; load a if none of it is."""
    return {name: LOADS[name] for name in PROFILED if name in measured} or {"a": LOADS["a"]}


def profile(loads: dict[str, Load], target: Target, folder: Path) -> None:
    """The short form of each once more, for a flame graph of each Python service: after what is measured, because
    py-spy stops a process for a moment at every sample. What this pass measures is thrown away."""
    for name, load in loads.items():
        print(f"{time.strftime('%H:%M:%S')}  load {name} once more, for profiles", file=sys.stderr)
        for old in (folder / name).glob("*.svg"):
            old.unlink()
        uvloop.run(_measure(load.short, replace(target.named(name), profiles=folder)))
        made = sorted(path.stem for path in (folder / name).glob("*.svg"))
        print(f"  {folder / name}: {', '.join(made) or 'no profile'}", file=sys.stderr)


async def _measure(load: Any, target: Target) -> Figures:
    try:
        found: Figures = await load(target)
    except SkippedError as why:
        return {"skipped": str(why)}
    except Exception as error:  # the other loads are measured all the same
        traceback.print_exc()
        return {"broken": [f"it did not come to its end: {error!r}"]}
    await asyncio.sleep(SETTLE_S)
    return found


def verdict(results: dict[str, Figures]) -> int:
    """Say what was missed and what broke. Exit code 1 for broken promises alone: figures depend on the machine."""
    rows = [
        (name, kind, text)
        for name, one in results.items()
        for kind in ("missed", "broken")
        for text in one.get(kind, [])
    ]
    print("\nEvery promise held and every aim was reached." if not rows else "\nSummary")
    for name, kind, text in rows:
        print(f"  {name:<10} {kind:<7} {text}")
    return int(any(kind == "broken" for _, kind, _ in rows))


if __name__ == "__main__":
    main()
