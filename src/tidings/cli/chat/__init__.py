"""`tidings chat`: the terminal client, on the SDK."""

import logging
from typing import Annotated

import typer

from tidings.cli import profiles


def chat(
    phone: Annotated[str, typer.Option("--phone", help="Your number, for the first sign-in: +4915112345678.")] = "",
    profile: profiles.Profile = "default",
    url: profiles.Url = "",
) -> None:
    """Chat in the terminal: works offline, catches up, and asks for your number at first. F1 shows the keys."""
    # textual-image asks the terminal how large a character is, and prints a traceback where none answers.
    logging.getLogger("textual_image").setLevel(logging.ERROR)
    from tidings.cli.chat.app import ChatApp  # Textual takes its time to import

    client = profiles.open_client(profile, url, own_store=True)
    ChatApp(client, phone).run()
