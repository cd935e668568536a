"""Does a chaos run find bugs? `make chaos-mutants` puts each known bug into the services and expects a verdict.

Each has the schedule that brings it out soonest; a drawn seed finds it too, later. Ends with 1 when a bug was not found
within --seeds runs.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path
from typing import Final, NamedTuple

from tests.chaos import checker, run


class Bug(NamedTuple):
    """A bug of `inside/bugs.py`: the rules of which one must be broken, and what to break meanwhile."""

    rules: set[str]
    schedule: str


BUGS: Final = {
    "answer-first": Bug({"lost", "gap", "disordered"}, "killed writers"),
    "skip-checkpoint": Bug({"unheard"}, "killed writer without NATS"),
    "unordered": Bug({"disordered"}, "crossing writers"),
    "no-unique-index": Bug({"duplicated", "disordered"}, "crossing writers"),
    "ack-first": Bug({"unheard"}, "chat away"),
    "no-resync": Bug({"unheard"}, "lost bundles"),
    "fall-back": Bug({"regressed"}, "nothing"),
    "assume-delivered": Bug({"invented"}, "nothing"),
    "stale-membership": Bug({"leak"}, "nothing"),
    "push-read": Bug({"pushed"}, "nothing"),
}
CHEAP: Final = ("push-read", "assume-delivered", "stale-membership", "fall-back")
"""They need no fault and break a rule each: one run shows all four."""


def hunt(bugs: str, schedule: str, seed: int, quiet_s: float = run.QUIET_S) -> list[checker.Violation]:
    """One run with these bugs. Answers what the checker says."""
    with tempfile.TemporaryDirectory(prefix="mutant-") as folder:
        what = run.What(seed, schedule=schedule, bugs=bugs, quiet_s=quiet_s)
        _, violations = asyncio.run(run.go(what, Path(folder)))
    return violations


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bugs", nargs="*", help=f"which, of {', '.join(BUGS)}; all if none is named")
    parser.add_argument("--seeds", type=int, default=3, help="runs until a bug counts as not found")
    args = parser.parse_args()
    missed = []
    for name in args.bugs or list(BUGS):
        for seed in range(1, args.seeds + 1):
            began = time.monotonic()
            rules = {rule for rule, _ in hunt(name, BUGS[name].schedule, seed)}
            said = ", ".join(sorted(rules)) or "nothing"
            print(f"{name}, seed {seed}: {said} ({time.monotonic() - began:.0f} s)", flush=True)
            if rules & BUGS[name].rules:
                break
        else:
            missed.append(name)
    if missed:
        sys.exit(f"not found: {', '.join(missed)}")


if __name__ == "__main__":
    main()
