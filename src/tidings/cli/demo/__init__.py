"""`tidings demo`: people, groups, photos and talk, to look around in."""

import asyncio
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from tidings.cli import profiles
from tidings.client import ApiError


def demo(
    url: Annotated[str, typer.Option("--url", envvar="TIDINGS_URL", help="The server.")] = profiles.DEFAULT_URL,
) -> None:
    """Fill a running system on this machine with people who talk, and say how to sign in as one of them.

    Needs the SMS provider `dev`. A second run adds nothing.
    """
    from tidings.cli.demo import fill, people  # Pillow is needed for the photos alone

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    try:
        with Progress(*columns, console=console) as progress:
            task = progress.add_task("Signing people in", total=fill.steps())
            asyncio.run(fill.fill(url.rstrip("/"), lambda what: progress.update(task, advance=1, description=what)))
    except ApiError as problem:
        profiles.refused(problem)
    table = Table("name", "phone", box=None, header_style="bold")
    for person in people.PEOPLE:
        table.add_row(person.name, person.phone)
    console.print(table)
    me = people.PEOPLE[0]
    told = "" if url == profiles.DEFAULT_URL else f" --url {url}"
    console.print(f"\nBe {me.name}:  tidings chat --profile demo --phone {me.phone}{told}")
    console.print(f"The code:   tidings code {me.phone}{told}      Or open {url} and sign in with the number.")
