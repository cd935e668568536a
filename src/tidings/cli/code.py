"""`tidings code`: the sign-in code of a number, on a system that has no SMS provider."""

from typing import Annotated

import httpx
import typer

from tidings.cli.options import fail
from tidings.cli.profiles import DEFAULT_URL, Url


def code(
    phone: Annotated[str, typer.Argument(help="The number that asked for a code, as +4915112345678.")], url: Url = ""
) -> None:
    """Print the newest sign-in code of a number. Works on this machine alone, and only with the SMS provider `dev`."""
    address = (url or DEFAULT_URL).rstrip("/")
    try:
        answer = httpx.get(f"{address}/api/v1/dev/sms", params={"phone": phone}, timeout=10)
    except httpx.HTTPError as problem:
        fail(f"{address} cannot be reached ({type(problem).__name__})")
    if answer.status_code != 200:
        fail(f"there is no code for {phone}: ask for one first, on a system with the SMS provider `dev`")
    print(answer.json()["code"])
