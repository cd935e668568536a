"""`tidings dlq`: look at events that a consumer gave up on, and give them to it again."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import nats
import nats.errors
import typer
from nats.js.client import JetStreamContext
from nats.js.errors import NotFoundError
from rich.console import Console
from rich.table import Table

from tidings.cli.options import DEFAULT_DATA_DIR, DataDir, fail
from tidings.contracts.events import DEAD
from tidings.devstack.state import load_state

app = typer.Typer(no_args_is_help=True, help="Events that were given up on.")

_CONNECT_S: Final = 3
# What people wrote: shown to nobody, not even to operators (retention rules; reliability, section 5).
_PRIVATE: Final = frozenset(
    {"text", "caption", "name", "fileName", "phones", "phone", "question", "options", "preview", "description", "about",
     "senderName", "chatName"}
)  # fmt: skip

ByConsumer = Annotated[str, typer.Option("--consumer", help="Only what this consumer gave up on.")]


class Letter(msgspec.Struct, kw_only=True, rename="camel"):
    """An event in the dead-letter stream."""

    number: int
    consumer: str
    subject: str
    at: str
    error: str
    size: int
    body: Any = None


class Letters:
    """The dead-letter stream of one system."""

    def __init__(self, js: JetStreamContext, namespace: str) -> None:
        self._js = js
        self._prefix = "" if namespace == "tidings" else f"{namespace}."
        self._stream = DEAD if not self._prefix else f"{namespace}_{DEAD}".replace(".", "_")

    async def all(self, consumer: str = "") -> AsyncIterator[tuple[Letter, bytes]]:
        """Oldest first, with the event itself."""
        number = 0
        subject = f"{self._prefix}dead.{consumer or '>'}"
        while True:
            try:
                found = await self._js.get_msg(self._stream, seq=number + 1, subject=subject, next=True)
            except NotFoundError:
                return
            number = found.seq or number + 1
            yield _letter(number, found.subject or "", found.headers or {}, found.data or b"")

    async def one(self, number: int) -> tuple[Letter, bytes]:
        """Raises NotFoundError."""
        found = await self._js.get_msg(self._stream, seq=number)
        return _letter(number, found.subject or "", found.headers or {}, found.data or b"")

    async def replay(self, letter: Letter, data: bytes) -> None:
        """Publish it where it came from and drop it here. All consumers of that subject see it again: they know
        what they have done already."""
        await self._js.publish(self._prefix + letter.subject, data)
        await self._js.delete_msg(self._stream, letter.number)


def redact(value: Any) -> Any:
    """An event without what people wrote in it."""
    if isinstance(value, dict):
        return {key: "[hidden]" if key in _PRIVATE and item else redact(item) for key, item in value.items()}
    if isinstance(value, list):
        return [redact(item) for item in value]
    return value


def _letter(number: int, subject: str, headers: dict[str, str], data: bytes) -> tuple[Letter, bytes]:
    at_ms = headers.get("Tidings-At", "")
    return Letter(
        number=number,
        consumer=headers.get("Tidings-Consumer", subject.rpartition("dead.")[2]),
        subject=headers.get("Tidings-Subject", ""),
        at=datetime.fromtimestamp(int(at_ms) / 1000, UTC).isoformat(timespec="seconds") if at_ms.isdigit() else "",
        error=headers.get("Tidings-Error", ""),
        size=len(data),
    ), data


@asynccontextmanager
async def _open(data_dir: Path) -> AsyncIterator[Letters]:
    state = load_state(data_dir)
    environ = {**(state.environ if state else {}), **os.environ}
    url = environ.get("TIDINGS_NATS_URL")
    if not url:
        fail(f"no system has run in {data_dir}; give --data-dir or set TIDINGS_NATS_URL")

    async def quiet(_: Exception) -> None:
        return None

    client = await nats.connect(
        url, connect_timeout=_CONNECT_S, allow_reconnect=False, max_reconnect_attempts=1, error_cb=quiet
    )
    try:
        yield Letters(client.jetstream(timeout=_CONNECT_S), environ.get("TIDINGS_NAMESPACE", "tidings"))
    finally:
        await client.close()


def _run(work: Callable[[], Any]) -> None:
    try:
        asyncio.run(work())
    except (nats.errors.Error, OSError, TimeoutError) as error:
        fail(f"NATS cannot be reached: {error or type(error).__name__}")


@app.command("list")
def list_letters(
    data_dir: DataDir = DEFAULT_DATA_DIR,
    consumer: ByConsumer = "",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """List what was given up on, oldest first."""

    async def work() -> None:
        table = Table("no.", "consumer", "subject", "at", "bytes", "error")
        async with _open(data_dir) as letters:
            async for letter, _ in letters.all(consumer):
                if as_json:
                    print(msgspec.json.encode(letter).decode())
                row = (letter.number, letter.consumer, letter.subject, letter.at, letter.size, letter.error)
                table.add_row(*map(str, row))
        if not as_json:
            Console().print(table if table.row_count else "Nothing was given up on.")

    _run(work)


@app.command()
def show(number: int, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Show one event as JSON, without what people wrote."""

    async def work() -> None:
        async with _open(data_dir) as letters:
            letter, data = await _get(letters, number)
        try:
            letter.body = redact(msgspec.json.decode(data))
        except (msgspec.DecodeError, UnicodeDecodeError):
            letter.body = f"[{len(data)} bytes that are not JSON]"
        print(msgspec.json.format(msgspec.json.encode(letter), indent=2).decode())

    _run(work)


@app.command()
def replay(
    numbers: Annotated[list[int] | None, typer.Argument(help="Numbers from `list`.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All there are.")] = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    consumer: ByConsumer = "",
) -> None:
    """Give events to their consumer again, and take them off the list."""
    if not numbers and not everything:
        fail("name the numbers to replay, or --all")

    async def work() -> None:
        async with _open(data_dir) as letters:
            if everything:  # all is read first: what fails again comes back at the end of the same list
                chosen = [found async for found in letters.all(consumer)]
            else:
                chosen = [await _get(letters, number) for number in numbers or []]
            for letter, data in chosen:
                if not letter.subject:
                    typer.secho(f"{letter.number}: it does not say where it came from", fg="red", err=True)
                    continue
                await letters.replay(letter, data)
                print(f"{letter.number}: published to {letter.subject}")

    _run(work)


async def _get(letters: Letters, number: int) -> tuple[Letter, bytes]:
    try:
        return await letters.one(number)
    except NotFoundError:
        fail(f"there is no number {number}")
