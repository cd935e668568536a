"""Options that several subcommands share, how a hint writes a command that can be pasted, and how a command fails."""

import os
import shlex
import shutil
import sys
from pathlib import Path
from typing import Annotated, Final, NoReturn

import typer

DATA_DIR_VARIABLE: Final = "TIDINGS_DATA_DIR"
URL_VARIABLE: Final = "TIDINGS_URL"
PROFILE_VARIABLE: Final = "TIDINGS_PROFILE"

DataDir = Annotated[
    Path,
    typer.Option("--data-dir", envvar=DATA_DIR_VARIABLE, help="Where this system keeps its data."),
]
DEFAULT_DATA_DIR: Final = Path(".tidings")
DEFAULT_PROFILE: Final = "default"


def is_typed(context: typer.Context, parameter: str) -> bool:
    """Whether an option was given on the command line; the environment and defaults are not typed."""
    source = context.get_parameter_source(parameter)
    return source is not None and source.name == "COMMANDLINE"


def write_command(words: str, *, url: str = "", data_dir: Path | None = None, profile: str = "") -> str:
    """`tidings WORDS` as it can be pasted from the folder one is in, with the options that lead to the same server,
    system and profile. Those that would be found without are left out."""
    options = ""
    if url:
        options += f" --url {shlex.quote(url)}"
    elif data_dir is not None and not _is_default(data_dir):
        options += f" --data-dir {shlex.quote(str(data_dir))}"
    if profile and (profile != DEFAULT_PROFILE or os.environ.get(PROFILE_VARIABLE)):
        options += f" --profile {shlex.quote(profile)}"
    return f"{_find_command()} {words}{options}"


def _is_default(data_dir: Path) -> bool:
    if os.environ.get(DATA_DIR_VARIABLE) or os.environ.get(URL_VARIABLE):
        return False  # these are not set in the terminal where it will be pasted, or lead elsewhere
    try:
        return data_dir.resolve() == DEFAULT_DATA_DIR.resolve()
    except OSError:  # the folder one is in was deleted
        return False


def _find_command() -> str:
    """What calls this command from the folder one is in. It need not be on PATH."""
    script = Path(sys.executable).parent / "tidings"
    if not script.exists():
        return f"{shlex.quote(sys.executable)} -m tidings.cli.main"
    found = shutil.which("tidings")
    if found is not None and Path(found).samefile(script):
        return "tidings"
    try:
        here = Path.cwd()
    except OSError:  # deleted
        return shlex.quote(str(script))
    if script.parent == here:
        return "./tidings"
    return shlex.quote(str(script.relative_to(here) if script.is_relative_to(here) else script))


def fail(reason: object, code: int = 1) -> NoReturn:
    """End the command with one clear sentence on standard error."""
    print(f"tidings: {reason}", file=sys.stderr)
    raise typer.Exit(code)
