"""`tidings status`: what runs, and how it does."""

import asyncio
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from tidings.cli.options import DEFAULT_DATA_DIR, DataDir, fail
from tidings.devstack import control
from tidings.devstack.state import SystemState

COLOURS = {"ready": "green", "lent": "cyan", "given up": "red", "backing off": "yellow", "starting": "yellow"}


def status(
    data_dir: DataDir = DEFAULT_DATA_DIR,
    as_json: Annotated[bool, typer.Option("--json", help="For programs: everything, as JSON.")] = False,
) -> None:
    """Show each process: pid, state, restarts, port and memory (PSS). Ends with 1 when not everything is ready."""
    try:
        system: SystemState = asyncio.run(control.ask(data_dir.absolute(), {"do": "status"}, SystemState))
    except control.NotRunningError as problem:
        fail(problem, 3)
    if as_json:
        system.environ = {}  # credentials
        print(msgspec.json.format(msgspec.json.encode(system), indent=2).decode())
    else:
        _show(system)
    if not system.ready:
        raise typer.Exit(1)


def _show(system: SystemState) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("process")
    table.add_column("state")
    for heading in ("pid", "restarts", "port", "memory"):
        table.add_column(heading, justify="right")
    total = 0
    for process in system.processes:
        total += process.memory_bytes or 0
        colour = COLOURS.get(process.state, "white")
        table.add_row(
            process.name,
            f"[{colour}]{process.state}[/]",
            str(process.pid or "-"),
            str(process.restarts),
            str(next(iter(process.ports.values()), "-")),
            _megabytes(process.memory_bytes),
        )
    console = Console()
    console.print(table)
    # Below, not in a column: there the end is cut in a narrow terminal, and the end is the error.
    reasons = [f"{process.name}: {process.reason}" for process in system.processes if process.reason]
    if reasons:
        console.print("", *reasons, sep="\n", highlight=False, markup=False, soft_wrap=True)
    console.print(f"\n{system.url}   data in {system.data_dir}   {_megabytes(total)} in all", highlight=False)


def _megabytes(size: int | None) -> str:
    return "-" if size is None else f"{size / 1e6:.0f} MB"
