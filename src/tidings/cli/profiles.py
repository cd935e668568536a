"""Whose client this is: a profile is a folder with the session and the store of one person on one server."""

import os
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit

import msgspec
import typer

from tidings.cli.options import fail
from tidings.client import ApiError, Client, StoreInUseError

DEFAULT_URL: Final = "http://localhost:30080"

Profile = Annotated[
    str,
    typer.Option("--profile", envvar="TIDINGS_PROFILE", help="Which sign-in of yours to use, by a name you choose."),
]
Url = Annotated[
    str, typer.Option("--url", envvar="TIDINGS_URL", help=f"The server; remembered by the profile. [{DEFAULT_URL}]")
]


class _Remembered(msgspec.Struct):
    url: str


def folder(profile: str) -> Path:
    """Where a profile lives: $XDG_DATA_HOME/tidings/NAME."""
    if not profile or profile.startswith(".") or "/" in profile:
        fail(f"{profile!r} is no name for a profile: use letters, digits, - and _")
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base) / "tidings" / profile


def server(profile: str, url: str) -> str:
    """The server of a profile: the one given, else the one it remembers. Ends the command when they differ."""
    place = folder(profile)
    file = place / "profile.json"
    known = msgspec.json.decode(file.read_bytes(), type=_Remembered).url if file.exists() else ""
    wanted = (url or known or DEFAULT_URL).rstrip("/")
    if urlsplit(wanted).scheme not in ("http", "https") or not urlsplit(wanted).hostname:
        fail(f"{wanted!r} is no address of a server: it begins with http:// or https://")
    if known and known != wanted and (place / "session.json").exists():
        fail(f"profile {profile!r} is signed in at {known}; for {wanted} choose another: --profile NAME")
    place.mkdir(parents=True, exist_ok=True, mode=0o700)
    file.write_bytes(msgspec.json.encode(_Remembered(wanted)))
    return wanted


def open_client(profile: str, url: str, *, own_store: bool) -> Client:
    """The client of a profile; without a store of its own it shares the session and keeps messages in memory."""
    address, place = server(profile, url), folder(profile)
    try:
        return Client(address, place) if own_store else Client(address, None, session_folder=place)
    except StoreInUseError:
        fail(f"profile {profile!r} is open in another terminal; close it, or choose another: --profile NAME")
    except ValueError as problem:
        fail(problem)


def must_be_signed_in(client: Client, profile: str) -> None:
    if not client.user_id:
        fail(f"nobody is signed in as profile {profile!r}: `tidings chat --profile {profile}` signs you in")


def refused(problem: ApiError) -> None:
    """End the command with what the server said."""
    if problem.code in ("unauthenticated", "token_revoked", "token_expired"):
        fail("the session was ended; sign in again with `tidings chat`")
    fail(f"{problem.detail} ({problem.code})")
