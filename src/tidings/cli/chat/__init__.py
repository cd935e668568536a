"""`tidings chat`: the terminal client, on the SDK."""

import logging
import os
import sys
import termios
from typing import Annotated, Final

import typer

from tidings.cli import profiles, servers
from tidings.cli.options import DEFAULT_DATA_DIR, DataDir

USUAL_SIZE: Final = (24, 80)  # lines and columns where a terminal does not say


def chat(
    context: typer.Context,
    phone: Annotated[str, typer.Option("--phone", help="Your number, for the first sign-in: +4915112345678.")] = "",
    profile: profiles.Profile = "default",
    url: servers.Url = "",
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Chat in the terminal: works offline, catches up, and asks for your number at first. F1 shows the keys."""
    # textual-image asks the terminal how large a character is, and prints a traceback where none answers.
    logging.getLogger("textual_image").setLevel(logging.ERROR)
    _give_size()
    from tidings.cli.chat.app import ChatApp  # Textual takes its time to import

    server = profiles.find_server_of(profile, servers.read_asked(context, url, data_dir))
    ChatApp(profiles.open_client(server, own_store=True), phone, server).run()


def _give_size() -> None:
    """A terminal that says it has no lines or columns (a serial line, `script` in a job) gets the usual size:
    textual-image divides by it, and programs begun from here need one too."""
    if not sys.stdout.isatty():
        return
    columns, lines = os.get_terminal_size(sys.stdout.fileno())
    if not columns or not lines:
        termios.tcsetwinsize(sys.stdout.fileno(), (lines or USUAL_SIZE[0], columns or USUAL_SIZE[1]))
