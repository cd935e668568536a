"""Options that several subcommands share, and how a command fails."""

import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

DataDir = Annotated[
    Path,
    typer.Option("--data-dir", envvar="TIDINGS_DATA_DIR", help="Where this system keeps its data."),
]
DEFAULT_DATA_DIR = Path(".tidings")


def fail(reason: object, code: int = 1) -> NoReturn:
    """End the command with one clear sentence on standard error."""
    print(f"tidings: {reason}", file=sys.stderr)
    raise typer.Exit(code)
