"""Pictures of a result as small SVG files: one scale, a bar for each value, colours for dark and light pages."""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

WIDTH, LEFT, RIGHT, ROW, TOP = 680, 250, 90, 24, 54
FOLDER = Path("docs/images")
STYLE = (
    "text{font:12px system-ui,sans-serif;fill:#24292f}.t{font-weight:600;font-size:14px}.n{fill:#57606a}"
    ".b{fill:#2f81f7}.c{fill:#8b949e}"
    "@media(prefers-color-scheme:dark){text{fill:#e6edf3}.n{fill:#9da7b1}.c{fill:#6e7681}}"
)
Bar = tuple[str, float, str]  # label, value, class: b is ours, c another's


def bars(title: str, note: str, values: Sequence[Bar], unit: str) -> str:
    """A picture of horizontal bars."""
    most = max((value for _, value, _ in values), default=1) or 1
    height = TOP + ROW * len(values) + 10
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
        f"<title>{escape(title)}</title>",
        f"<style>{STYLE}</style>",
        f'<text class="t" x="8" y="20">{escape(title)}</text><text class="n" x="8" y="38">{escape(note)}</text>',
    ]
    for number, (label, value, kind) in enumerate(values):
        y = TOP + number * ROW
        length = max(1.0, (WIDTH - LEFT - RIGHT) * value / most)
        told = f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
        lines.append(
            f'<text x="{LEFT - 8}" y="{y + 14}" text-anchor="end">{escape(label)}</text>'
            f'<rect class="{kind}" x="{LEFT}" y="{y + 2}" width="{length:.1f}" height="16" rx="2"/>'
            f'<text x="{LEFT + length + 6:.1f}" y="{y + 14}">{told} {escape(unit)}</text>'
        )
    return "\n".join([*lines, "</svg>"]) + "\n"


def pictures(result: Mapping[str, Any]) -> dict[str, str]:
    """File names and contents for what the result has figures of."""
    machine = result.get("machine", {})
    note = f"commit {machine.get('commit')}, {machine.get('cores')} cores, {str(machine.get('at'))[:10]}"
    found = {}
    latencies: list[Bar] = [
        (f"{name}: {share[:-3]}", result[name][share], "b" if share == "p50_ms" else "c")
        for name in ("a", "a1", "b")
        for share in ("p50_ms", "p99_ms")
        if share in result.get(name, {})
    ]
    if latencies:
        found["latency.svg"] = bars("Sender to receiver, milliseconds", note, latencies, "ms")
    cpu = result.get("a", {}).get("cpu_us_per_message", {})
    parts = sorted(((name, row["all"]) for name, row in cpu.items() if name != "(all)"), key=lambda item: -item[1])
    if parts:
        rows: list[Bar] = [(name, used, "b") for name, used in parts if used >= 0.5]
        found["cpu.svg"] = bars("CPU of one message in each process (load a)", note, rows, "us")
    peers: list[Bar] = [
        (one["party"], one["messages_per_s"], "b" if name.startswith("tidings") else "c")
        for name, one in result.items()
        if isinstance(one, dict) and "party" in one and "messages_per_s" in one
    ]
    if peers:
        found["peers.svg"] = bars("50 pairs, 8 in flight, 100 bytes: messages a second", note, peers, "/s")
    return found


def main(arguments: Sequence[str]) -> None:
    """Write the pictures."""
    parser = argparse.ArgumentParser(prog="python -m bench plot", description=__doc__)
    parser.add_argument("results", type=Path, nargs="+", metavar="RESULT.json", help="later ones add to the first")
    parser.add_argument("--to", type=Path, default=FOLDER, metavar="FOLDER")
    args = parser.parse_args(arguments)
    together: dict[str, Any] = {}
    for path in args.results:
        together |= {name: one for name, one in json.loads(path.read_text()).items() if name not in together}
    args.to.mkdir(parents=True, exist_ok=True)
    for name, text in pictures(together).items():
        (args.to / name).write_text(text)
        print(args.to / name)
