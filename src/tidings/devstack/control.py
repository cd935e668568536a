"""The control socket of a running system: one JSON line asks, one answers.

`{"do": "status"}`, `{"do": "stop"}`, `{"do": "lend", "name": "message-1"}`. A loan lasts as long as its connection:
however the borrower ends, its place is given back.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec

from tidings.devstack.state import SystemState, control_socket
from tidings.devstack.supervisor import Supervisor


class NotRunningError(Exception):
    """Nobody answers on the control socket of this data directory."""


class Loan(msgspec.Struct, kw_only=True):
    """What the borrower of a place runs."""

    argv: list[str]
    env: dict[str, str]


@contextlib.asynccontextmanager
async def serve(
    data_dir: Path, supervisor: Supervisor, describe: Callable[[bool], SystemState], environ: dict[str, str]
) -> AsyncIterator[None]:
    """Answer on the control socket while the body runs."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, msgspec.DecodeError, asyncio.LimitOverrunError):
            asked = msgspec.json.decode(await reader.readline())
            match asked:
                case {"do": "status"}:
                    reply: Any = await asyncio.to_thread(describe, True)
                case {"do": "stop"}:
                    supervisor.stopping.set()
                    reply = {"ok": True}
                case {"do": "lend", "name": str(name)} if name in supervisor.slots:
                    await _lend(name, reader, writer)
                    return
                case {"do": "lend"}:
                    reply = {"error": f"There is no such process; there are {', '.join(supervisor.slots)}."}
                case _:
                    reply = {"error": "not understood"}
            writer.write(msgspec.json.encode(reply) + b"\n")
            await writer.drain()
        writer.close()

    async def _lend(name: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        slot = await supervisor.lend(name)
        try:
            env = {**environ, **slot.process.env, "TIDINGS_SLOT_RESTARTED": "1"}
            writer.write(msgspec.json.encode(Loan(argv=list(slot.process.argv), env=env)) + b"\n")
            await writer.drain()
            await reader.read()  # until the borrower has gone
        finally:
            supervisor.give_back(name)
            writer.close()

    with control_socket(data_dir) as path:
        Path(path).unlink(missing_ok=True)
        server = await asyncio.start_unix_server(answer, path)
        Path(path).chmod(0o600)
        try:
            yield
        finally:
            server.close()
            Path(path).unlink(missing_ok=True)


async def ask(data_dir: Path, question: dict[str, str], kind: type[Any] = dict, timeout_s: float = 15.0) -> Any:
    """Ask the running system. Raises NotRunningError."""
    try:
        with control_socket(data_dir) as path:
            async with asyncio.timeout(timeout_s):
                reader, writer = await asyncio.open_unix_connection(path)
                writer.write(msgspec.json.encode(question) + b"\n")
                line = await reader.readline()
                writer.close()
    except (OSError, TimeoutError):
        raise NotRunningError(f"Tidings does not run on {data_dir}.") from None
    if not line:
        raise NotRunningError(f"Tidings on {data_dir} is stopping.")
    return msgspec.json.decode(line, type=kind)


@contextlib.asynccontextmanager
async def borrow(data_dir: Path, name: str) -> AsyncIterator[Loan]:
    """Take over the place of a process while the body runs. Raises NotRunningError, LookupError."""
    try:
        with control_socket(data_dir) as path:
            reader, writer = await asyncio.open_unix_connection(path, limit=1 << 20)
    except OSError:
        raise NotRunningError(f"Tidings does not run on {data_dir}.") from None
    try:
        writer.write(msgspec.json.encode({"do": "lend", "name": name}) + b"\n")
        line = await reader.readline()
        answer = msgspec.json.decode(line)
        if "error" in answer:
            raise LookupError(answer["error"])
        yield msgspec.convert(answer, Loan)
    finally:
        writer.close()
