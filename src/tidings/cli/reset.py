"""`tidings reset`: throw all data of a system away."""

import shutil
from typing import Annotated

import typer

from tidings.cli.options import DEFAULT_DATA_DIR, DataDir, fail, write_command
from tidings.devstack.state import is_owned


def reset(
    data_dir: DataDir = DEFAULT_DATA_DIR,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Delete every message, account, file and secret of the system on this data directory."""
    folder = data_dir.absolute()
    if not folder.exists():
        print(f"There is nothing at {folder}.")
        return
    if not (folder / "lock").exists():
        fail(f"{folder} is not a data directory of Tidings; it is left alone.")
    if is_owned(folder):
        fail(f"it is running; `{write_command('down', data_dir=data_dir)}` first.")
    if not yes and not typer.confirm(f"Delete everything in {folder}? It cannot be brought back.", default=False):
        print("Nothing was deleted.")
        raise typer.Exit(1)
    shutil.rmtree(folder)
    print(f"Deleted {folder}.")
