"""Whose client this is: a profile is a folder with the session and the store of one person on one server.

A session goes to no other server than that of the sign-in. A system of this machine may come back at another port: a
profile that signed in to the system of a data directory follows the address which that directory tells.
"""

import contextlib
import os
import sys
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from tidings.cli.options import PROFILE_VARIABLE, URL_VARIABLE, fail
from tidings.cli.servers import Asked, Server, find_server, is_address, is_loopback, is_same, read_own_address
from tidings.client import Client, StoreInUseError
from tidings.devstack.state import is_owned
from tidings.devstack.stores import write_private

Profile = Annotated[
    str,
    typer.Option("--profile", envvar=PROFILE_VARIABLE, help="Which sign-in of yours to use, by a name you choose."),
]


class _SignedInAt(msgspec.Struct):
    """`profile.json`: written when somebody signs in, and not before they have signed out again."""

    url: str
    data_dir: str = ""  # absolute; of the system there, if the address was found by it


def locate_folder(profile: str) -> Path:
    """Where a profile lives: $XDG_DATA_HOME/tidings/NAME."""
    if not profile or profile.startswith(".") or "/" in profile or "\0" in profile:
        fail(f"{profile!r} is no name for a profile: use letters, digits, - and _")
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base) / "tidings" / profile


def find_server_of(profile: str, asked: Asked) -> Server:
    """The server of a profile: once signed in its own, before that the one asked for.

    Ends the command when a session would have to go to another server.
    """
    place = locate_folder(profile)
    if not (place / "session.json").exists():
        found = find_server(asked)
        return Server(found.url, found.data_dir, profile)
    its_own = _follow(_recall(place), profile)
    wanted = find_server(asked) if asked.typed else its_own
    if wanted is None:
        fail(f"where profile {profile!r} is signed in is not written down in {place}: say it with --url")
    if its_own is None:
        return Server(wanted.url, wanted.data_dir, profile, signed_in=True)
    if not is_same(wanted.url, its_own.url):
        fail(f"profile {profile!r} is signed in at {its_own.url}; for {wanted.url} choose another: --profile NAME")
    if not asked.typed:
        _tell_of_another(its_own, asked)
    return its_own


def _recall(place: Path) -> _SignedInAt | None:
    file = place / "profile.json"
    try:
        known = msgspec.json.decode(file.read_bytes(), type=_SignedInAt)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as problem:
        fail(f"{file} is damaged ({problem}): remove the folder and sign in again")
    if not is_address(known.url):
        fail(f"{file} is damaged ({known.url!r} is no address): remove the folder and sign in again")
    return known


def _follow(known: _SignedInAt | None, profile: str) -> Server | None:
    """Where its server is now. A directory is listened to only if it is the user's own and names this machine: who
    can write to it must not lead a session away."""
    if known is None:
        return None
    if known.data_dir:
        data_dir = Path(known.data_dir)
        now = read_own_address(data_dir)
        if now and is_loopback(now):
            return Server(now, data_dir, profile, signed_in=True)
    return Server(known.url, None, profile, signed_in=True)


def _tell_of_another(server: Server, asked: Asked) -> None:
    """Which server else may have been meant: what the environment names, or the system that runs here."""
    other, what = asked.usual_url, f"{URL_VARIABLE}, {asked.usual_url}"
    if not other:
        other = read_own_address(asked.usual_data_dir)
        what = f"the system here, {other}"
        with contextlib.suppress(OSError):
            other = other if is_owned(asked.usual_data_dir) else ""
    if other and not (is_address(other) and is_same(other, server.url)):
        print(f"tidings: profile {server.profile!r} is signed in at {server.url}, not at {what}", file=sys.stderr)


def remember_server(server: Server) -> None:
    """Before somebody signs in there, so that no session is without its server."""
    place = locate_folder(server.profile)
    place.mkdir(parents=True, exist_ok=True, mode=0o700)
    data_dir = str(server.data_dir.resolve()) if server.data_dir else ""
    write_private(place / "profile.json", msgspec.json.encode(_SignedInAt(server.url, data_dir)).decode())


def open_client(server: Server, *, own_store: bool) -> Client:
    """The client of a profile; without a store of its own it shares the session and keeps messages in memory."""
    place = locate_folder(server.profile)
    try:
        client = Client(server.url, place) if own_store else Client(server.url, None, session_folder=place)
    except StoreInUseError:
        fail(f"profile {server.profile!r} is open in another terminal; close it, or choose another: --profile NAME")
    except ValueError as problem:
        fail(problem)
    if client.user_id and not server.signed_in:  # since its server was looked for
        fail(f"somebody has just signed in as profile {server.profile!r}: try again")
    return client


def require_sign_in(client: Client, server: Server) -> None:
    """End the command if nobody is signed in."""
    if not client.user_id:
        hint = server.write_command("chat")
        fail(f"nobody is signed in as profile {server.profile!r}: `{hint}` signs you in")
