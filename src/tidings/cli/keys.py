"""`tidings keys`: the keys that sign access tokens."""

import typer

from tidings.auth.keys import rotate as rotate_key
from tidings.cli.options import DEFAULT_DATA_DIR, DataDir

app = typer.Typer(no_args_is_help=True, help="Keys that sign access tokens.")


@app.callback()
def keys() -> None:
    """Keys that sign access tokens."""


@app.command()
def rotate(data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Make a new signing key. Tokens signed with the old one stay valid until they end; running services see the new
    key within seconds."""
    print(f"New signing key {rotate_key(data_dir)}")
