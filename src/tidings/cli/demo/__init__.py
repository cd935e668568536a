"""`tidings demo`: people, groups, photos and talk, to look around in."""

import asyncio

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from tidings.cli import servers
from tidings.cli.options import DEFAULT_DATA_DIR, DataDir
from tidings.client import ApiError


def demo(context: typer.Context, url: servers.Url = "", data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Fill a running system on this machine with people who talk, and say how to sign in as one of them.

    Needs the SMS provider `dev`. A second run adds nothing.
    """
    from tidings.cli.demo import fill, people  # Pillow is needed for the photos alone

    server = servers.find_server(servers.read_asked(context, url, data_dir))
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    try:
        asyncio.run(fill.reach(server.url))  # before anything is drawn
        # Transient: an error is not preceded by what was drawn of the bar.
        with Progress(*columns, console=console, transient=True) as progress:
            task = progress.add_task("Signing people in", total=fill.steps())
            asyncio.run(fill.fill(server.url, lambda what: progress.update(task, advance=1, description=what)))
    except ApiError as problem:
        servers.refuse(problem, server)
    table = Table("name", "phone", box=None, header_style="bold")
    for person in people.PEOPLE:
        table.add_row(person.name, person.phone)
    console.print(table)
    me = people.PEOPLE[0]
    hints = (
        f"\nBe {me.name}:  {server.write_command(f'chat --profile demo --phone {me.phone}')}",
        f"The code:   {server.write_code_command(me.phone)}",
        f"Or open {server.url} and sign in with the number.",
    )
    for hint in hints:
        console.print(hint, highlight=False, markup=False, soft_wrap=True)
