"""Lighthouse on the first page of the web client, as a phone sees it: `make bench-lighthouse`.

Lighthouse simulates a slow network and a slow phone from what it sees here, so its performance score falls where the
machine is busy: the middle of three runs counts. Scores are of 100.
"""

import argparse
import json
import os
import statistics
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from tests.support.browser import FLAGS, executable
from tests.support.running import running_system

from bench.figures import Figures, aims, save, show
from bench.machine import machine

VERSION = "12.2.3"
PROGRAM = Path(__file__).parents[1] / ".cache" / "lighthouse" / "node_modules" / ".bin" / "lighthouse"
AIMS = {"performance": 95, "accessibility": 100, "best-practices": 100}
TIMEOUT_S = 180.0


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(prog="python -m bench.lighthouse", description=__doc__)
    parser.add_argument("--url", help="a running system; without it one is started")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep the figures there too")
    args = parser.parse_args()
    if not PROGRAM.exists():
        parser.error("Lighthouse is not installed: `make bench-lighthouse` does that")
    results: dict[str, Any] = {"machine": machine() | {"lighthouse": VERSION}}
    show("machine", results["machine"])
    if args.url:
        results["lighthouse"] = measure(args.url, args.runs)
    else:
        with tempfile.TemporaryDirectory() as folder, running_system(Path(folder) / "data") as system:
            system.wait_ready()
            results["lighthouse"] = measure(system.base_url, args.runs)
    show("lighthouse", results["lighthouse"])
    if args.json:
        save(args.json, results)


def measure(url: str, runs: int) -> Figures:
    """The middle score of each category, and what took points away."""
    reports = [_run(url) for _ in range(runs)]
    scores = {name: [_score(report, name) for report in reports] for name in AIMS}
    middle = {name: round(statistics.median(found)) for name, found in scores.items()}
    audits = reports[-1]["audits"]
    return {
        "load": f"the first page of {url}, mobile, {runs} runs",
        **middle,
        "performance_of_each_run": scores["performance"],
        "first_paint_ms": round(audits["first-contentful-paint"]["numericValue"]),
        "largest_paint_ms": round(audits["largest-contentful-paint"]["numericValue"]),
        "blocking_ms": round(audits["total-blocking-time"]["numericValue"]),
        "taken_off_by": sorted({name for report in reports for name in _failed(report)}),
        "missed": aims(*((middle[name] >= aim, f"{name} {middle[name]}, aim {aim}") for name, aim in AIMS.items())),
    }


def _run(url: str) -> dict[str, Any]:
    command = [str(PROGRAM), url, "--output=json", "--quiet", f"--chrome-flags={' '.join(FLAGS)}"]
    command.append(f"--only-categories={','.join(AIMS)}")
    env = os.environ | {"CHROME_PATH": executable()}
    done = subprocess.run(command, env=env, capture_output=True, timeout=TIMEOUT_S, check=False)
    if done.returncode:
        raise SystemExit(f"lighthouse ended with {done.returncode}: {done.stderr.decode(errors='replace')[-500:]}")
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def _score(report: dict[str, Any], category: str) -> int:
    return round(100 * (report["categories"][category]["score"] or 0))


def _failed(report: dict[str, Any]) -> list[str]:
    """Audits that weigh something and have not their full score."""
    found = []
    for category in AIMS:
        for ref in report["categories"][category]["auditRefs"]:
            score = report["audits"][ref["id"]]["score"]
            if ref["weight"] and score is not None and score < 1:
                found.append(f"{ref['id']} ({round(100 * score)})")
    return found


if __name__ == "__main__":
    main()
