"""Which server a command talks to. What is typed is obeyed or refused; what the environment names is a default; what
belongs to another user of this machine is not listened to.
"""

import ipaddress
import os
import shlex
import stat
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Final, NoReturn
from urllib.parse import urlsplit

import httpx
import msgspec
import typer

from tidings.cli.options import DEFAULT_DATA_DIR, URL_VARIABLE, fail, is_typed, write_command
from tidings.client import ApiError

DEFAULT_URL: Final = "http://localhost:30080"
SAME_HOSTS: Final = frozenset({"localhost", "127.0.0.1", "::1"})
USUAL_PORTS: Final = {"http": 80, "https": 443}

Url = Annotated[
    str,
    typer.Option(
        "--url",
        envvar=URL_VARIABLE,
        help=f"The server, if it is not that of the profile or of the data directory. Else {DEFAULT_URL}.",
    ),
]


class NoSystemError(Exception):
    """A data directory does not tell the address of a system, with the reason."""


class _State(msgspec.Struct):
    """What is read of `state.json` here: it may be of another release."""

    url: str


@dataclass(frozen=True)
class Asked:
    """Which server the user named, and which the environment names for want of that."""

    typed_url: str | None = None
    typed_data_dir: Path | None = None
    usual_url: str = ""
    usual_data_dir: Path = DEFAULT_DATA_DIR

    @property
    def typed(self) -> bool:
        return self.typed_url is not None or self.typed_data_dir is not None


@dataclass(frozen=True)
class Server:
    """A server, how it was found, and as whom one talks to it."""

    url: str
    data_dir: Path | None = None  # of its system, where the address is from there
    profile: str = ""
    signed_in: bool = False

    def write_command(self, words: str) -> str:
        """A command that leads to this server as this profile."""
        url = "" if self.data_dir else self.url
        return write_command(words, url=url, data_dir=self.data_dir, profile=self.profile)

    def write_code_command(self, number: str) -> str:
        """What shows the sign-in code of a number: on this machine to be pasted, else told to who is at the server."""
        words = f"code {shlex.quote(number)}"
        return replace(self, profile="").write_command(words) if is_loopback(self.url) else f"tidings {words}"


def read_asked(context: typer.Context, url: str, data_dir: Path) -> Asked:
    """Tell what was typed from what the environment says."""
    typed_url, typed_data_dir = is_typed(context, "url"), is_typed(context, "data_dir")
    return Asked(
        typed_url=url if typed_url else None,
        typed_data_dir=data_dir if typed_data_dir else None,
        usual_url="" if typed_url else url,
        usual_data_dir=DEFAULT_DATA_DIR if typed_data_dir else data_dir,
    )


def find_server(asked: Asked) -> Server:
    """The server for who is not signed in. Ends the command where a typed one is none."""
    if asked.typed_url is not None:
        return Server(_check_address(asked.typed_url))
    if asked.typed_data_dir is not None:
        try:
            return Server(read_address(asked.typed_data_dir), asked.typed_data_dir)
        except NoSystemError as problem:
            fail(f"{problem}: start one with `{write_command('up', data_dir=asked.typed_data_dir)}`")
    if asked.usual_url:
        return Server(_check_address(asked.usual_url))
    if address := read_own_address(asked.usual_data_dir):
        return Server(address, asked.usual_data_dir)
    return Server(DEFAULT_URL)


def read_address(data_dir: Path) -> str:
    """The address of the system on a data directory, or where it was when it ran last. Raises NoSystemError."""
    return _read_address(data_dir, None)


def read_own_address(data_dir: Path) -> str:
    """The same of a system of the user's own; empty when there is none, or when another user could have written it."""
    try:
        owners = {data_dir.lstat().st_uid, data_dir.stat().st_uid}
        return _read_address(data_dir, os.geteuid()) if owners == {os.geteuid()} else ""
    except (OSError, NoSystemError):
        return ""


def _read_address(data_dir: Path, owner: int | None) -> str:
    file = data_dir / "state.json"
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe is not waited for
        with os.fdopen(descriptor, "rb") as opened:
            status = os.fstat(descriptor)
            if owner not in (None, status.st_uid):
                raise NoSystemError(f"{file} belongs to another user")
            if not stat.S_ISREG(status.st_mode):
                raise NoSystemError(f"{file} is damaged: it is no file")
            address = msgspec.json.decode(opened.read(), type=_State).url
    except (FileNotFoundError, NotADirectoryError):
        raise NoSystemError(f"no system has run in {data_dir}") from None
    except PermissionError:
        raise NoSystemError(f"{file} may not be read by this user") from None
    except IsADirectoryError:
        raise NoSystemError(f"{file} is damaged: it is no file") from None
    except OSError as problem:
        raise NoSystemError(f"{file} cannot be read ({problem.strerror})") from None
    except (ValueError, RecursionError):  # no JSON, no text, or no state
        raise NoSystemError(f"{file} is damaged") from None
    if not is_address(address):
        raise NoSystemError(f"{file} is damaged: {address!r} is no address")
    return address.rstrip("/")


def is_address(url: str) -> bool:
    """Whether it can be that of a server."""
    try:
        parts = urlsplit(url)
        httpx.URL(url)
        return parts.scheme in USUAL_PORTS and bool(parts.hostname) and parts.port != 0
    except (ValueError, httpx.InvalidURL):
        return False


def _check_address(url: str) -> str:
    if not is_address(url):
        fail(f"{url!r} is no address of a server: it begins with http:// or https://")
    return url.rstrip("/")


def is_same(one: str, other: str) -> bool:
    """Whether two addresses lead to the same server. Names are compared, not asked for: nobody else decides."""
    return _parts(one) == _parts(other)


def _parts(url: str) -> tuple[str, str, int | None, str]:
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    host = "localhost" if host in SAME_HOSTS else host
    return parts.scheme, host, parts.port or USUAL_PORTS.get(parts.scheme), parts.path.rstrip("/")


def is_loopback(url: str) -> bool:
    """Whether it is an address of this machine alone."""
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def refuse(problem: ApiError, server: Server) -> NoReturn:
    """End the command with what the server said, or with why it said nothing."""
    if problem.code in ("unauthenticated", "token_revoked", "token_expired"):
        fail(f"the session was ended; sign in again with `{server.write_command('chat')}`")
    if isinstance(problem.__cause__, httpx.HTTPError):
        fail_to_reach(problem.detail, problem.__cause__, server)
    fail(f"{problem.detail} ({problem.code})")


def fail_to_reach(why: str, cause: httpx.HTTPError, server: Server) -> NoReturn:
    """End the command. If nobody listens there, and it is this machine, one may not have started a system."""
    if not isinstance(cause, httpx.ConnectError | httpx.ConnectTimeout) or not is_loopback(server.url):
        fail(why)
    fail(f"{why}. Start a system with `{write_command('up', data_dir=server.data_dir)}`, or name one with --url")
