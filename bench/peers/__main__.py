"""Peers: `python -m bench.peers` runs Tidings, ejabberd with and without archive, and Synapse under one load.

One after the other on this machine, each alone. A peer that cannot be had here is named with the reason, and the rest
goes on. `make bench-peers` installs Synapse first.
"""

import argparse
import functools
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import uvloop

from bench.figures import save, show
from bench.machine import machine
from bench.peers import ejabberd, synapse, tidings
from bench.peers.child import UnavailableError
from bench.peers.party import Party, measure
from bench.target import raise_open_files

WARM_UP_S = 5.0
SLOW = 3.0


class Peer(NamedTuple):
    """`slow` ones are warmed up and measured three times as long: they send little."""

    start: Callable[[Path], AbstractContextManager[Party]]
    slow: bool = False


PEERS: dict[str, Peer] = {
    "tidings": Peer(tidings.party),
    "ejabberd-archive": Peer(functools.partial(ejabberd.party, archive=True)),
    "ejabberd": Peer(functools.partial(ejabberd.party, archive=False)),
    "synapse": Peer(synapse.party, slow=True),
}


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m bench.peers", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("peers", nargs="*", metavar="PEER", help=f"which, of {', '.join(PEERS)}; all if none is named")
    parser.add_argument("--seconds", type=float, default=20, help="of measuring each (20); Synapse three times as long")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep the figures there too")
    args = parser.parse_args()
    unknown = [name for name in args.peers if name not in PEERS]
    if unknown:
        parser.error(f"no peer {', '.join(unknown)}; there are {', '.join(PEERS)}")
    raise_open_files()
    results: dict[str, Any] = {"machine": machine()}
    show("machine", results["machine"])
    for name in args.peers or PEERS:
        print(f"{time.strftime('%H:%M:%S')}  {name} ...", file=sys.stderr)
        results[name] = _run(PEERS[name], args.seconds)
        show(name, results[name])
        if args.json:
            save(args.json, results)
    ratios(results)
    if args.json:
        save(args.json, results)


def _run(peer: Peer, seconds: float) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        try:
            with peer.start(Path(folder) / "party") as party:
                times = SLOW if peer.slow else 1.0
                return uvloop.run(measure(party, seconds=times * seconds, warm_up=times * WARM_UP_S))
        except (UnavailableError, RuntimeError, OSError, httpx.HTTPError) as why:
            return {"skipped": str(why) or repr(why)}


def ratios(results: dict[str, Any]) -> None:
    """Tidings over each peer."""
    ours = results.get("tidings", {})
    print("\nMessages a second")
    for name in PEERS:
        one = results.get(name)
        if one is None:
            continue
        if not one.get("messages_per_s"):
            print(f"  {name:<18} not measured: {one.get('skipped', 'nothing arrived')}")
            continue
        ratio = ""
        if name != "tidings" and ours.get("messages_per_s"):
            one["tidings_over_this"] = round(ours["messages_per_s"] / one["messages_per_s"], 2)
            ratio = f"Tidings does {one['tidings_over_this']} times as many"
        print(f"  {name:<18} {one['messages_per_s']:>10,.0f}  p50 {one.get('p50_ms')} ms  {ratio}")


if __name__ == "__main__":
    main()
