"""Does a chaos run find bugs? `make chaos-mutants` puts each known bug into message-service and expects a verdict.

Ends with 1 when a bug was not found within --seeds runs.
"""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from tests.chaos import checker, run

HERE = Path(__file__).parent
EXPECTED = {
    "forget": {"lost", "gap", "disordered"},
    "resend": {"duplicated"},
    "fall-back": {"regressed"},
    "window": {"leak"},
}


def hunt(bug: str, seed: int, seconds: float) -> list[checker.Violation]:
    """One run with a bug. Answers what the checker says."""
    with tempfile.TemporaryDirectory(prefix="mutant-") as folder:
        env = {"PYTHONPATH": str(HERE / "mutants"), "TIDINGS_TEST_MUTANT": bug}
        _, violations = asyncio.run(run.go(seed, seconds, Path(folder), env))
    return violations


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bugs", nargs="*", help=f"which, of {', '.join(EXPECTED)}; all if none is named")
    parser.add_argument("--seeds", type=int, default=3, help="runs until a bug counts as not found")
    parser.add_argument("--seconds", type=float, default=15, help="how long faults go on in each run")
    args = parser.parse_args()
    missed = []
    for bug in args.bugs or list(EXPECTED):
        for seed in range(1, args.seeds + 1):
            rules = {rule for rule, _ in hunt(bug, seed, args.seconds)}
            print(f"{bug}, seed {seed}: {', '.join(sorted(rules)) or 'nothing'}", flush=True)
            if rules & EXPECTED[bug]:
                break
        else:
            missed.append(bug)
    if missed:
        sys.exit(f"not found: {', '.join(missed)}")


if __name__ == "__main__":
    main()
