"""`tidings code`: the sign-in code of a number, on a system that has no SMS provider."""

from typing import Annotated

import httpx
import typer

from tidings.cli import servers
from tidings.cli.options import DEFAULT_DATA_DIR, DataDir, fail


def code(
    context: typer.Context,
    phone: Annotated[str, typer.Argument(help="The number that asked for a code, as +4915112345678.")],
    url: servers.Url = "",
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Print the newest sign-in code of a number. Works on this machine alone, and only with the SMS provider `dev`."""
    server = servers.find_server(servers.read_asked(context, url, data_dir))
    try:
        answer = httpx.get(f"{server.url}/api/v1/dev/sms", params={"phone": phone}, timeout=10)
    except httpx.HTTPError as problem:
        servers.fail_to_reach(f"{server.url} cannot be reached ({type(problem).__name__})", problem, server)
    if answer.status_code != 200:
        fail(f"there is no code for {phone}: ask for one first, on a system with the SMS provider `dev`")
    try:
        print(answer.json()["code"])
    except (ValueError, LookupError, TypeError):
        fail(f"{server.url} does not answer like a Tidings server")
