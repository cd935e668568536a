"""`tidings logs`: what the processes say."""

from typing import Annotated

import typer

from tidings.cli.options import DEFAULT_DATA_DIR, DataDir, fail
from tidings.devstack.logfiles import follow, last_lines


def logs(
    service: Annotated[
        str, typer.Argument(help="A process or service (message-1, message, postgres); all if left out.")
    ] = "",
    data_dir: DataDir = DEFAULT_DATA_DIR,
    follow_on: Annotated[bool, typer.Option("--follow", "-f", help="Go on with new lines until Ctrl-C.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", help="How many lines of each to begin with.")] = 20,
) -> None:
    """Show the logs of all processes, or of one."""
    folder = data_dir.absolute() / "logs"
    paths = {
        path.stem: path
        for path in sorted(folder.glob("*.log"))
        if service in ("", path.stem) or path.stem.rpartition("-")[0] == service
    }
    if not paths:
        fail(f"there is no log of {service or 'anything'} in {folder}")
    width = max(map(len, paths))
    for name, path in paths.items():
        for line in last_lines(path, lines):
            _show(name, line, width)
    if follow_on:
        try:
            for name, line in follow(paths):
                _show(name, line, width)
        except KeyboardInterrupt:
            pass


def _show(name: str, line: str, width: int) -> None:
    print(f"{name:<{width}}  {line}", flush=True)
