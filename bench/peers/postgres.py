"""The embedded PostgreSQL for a peer: the server Tidings uses, with room that the peers' documentation asks for."""

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from bench.peers.child import running
from tidings.devstack.ports import Ports
from tidings.devstack.stores import postgres, private_folder
from tidings.platform.secrets import secret

# Tidings gives it 64 MB because everything else runs beside it. fsync stays on for all alike.
ROOM = {"shared_buffers": "512MB", "effective_cache_size": "2GB", "max_wal_size": "2GB", "max_connections": "200"}
START_S = 60.0


@dataclass(frozen=True)
class Database:
    """A database of the peer's own and the role that owns it."""

    pid: int
    host: str
    port: int
    user: str
    password: str
    name: str

    def run(self, sql: str) -> None:
        """Execute a script."""
        asyncio.run(_execute(self, [sql]))


@contextmanager
def database(folder: Path, name: str) -> Iterator[Database]:
    """A server with an empty database."""
    private_folder(folder)
    ports = Ports(None)
    store = postgres.embed(folder, ports)
    asyncio.run(store.process.prepare())
    options = [word for key, value in ROOM.items() for word in ("-c", f"{key}={value}")]
    ports.release()

    def ready() -> bool:
        try:
            return asyncio.run(store.process.probe())
        except (OSError, TimeoutError, asyncpg.PostgresError):
            return False

    with running(
        [*store.process.argv, *options], os.environ, folder / "postgres.log", ready, START_S, signal.SIGINT
    ) as child:
        password = secret(folder, "postgres_superuser")
        owner = Database(
            child.pid, "127.0.0.1", next(iter(store.process.ports.values())), "postgres", password, "postgres"
        )
        made = Database(child.pid, owner.host, owner.port, name, secret(folder, f"postgres_{name}"), name)
        # Synapse asks for the C locale; it is the quickest for all.
        statements = [
            f"CREATE ROLE {name} LOGIN PASSWORD '{made.password}'",
            f"CREATE DATABASE {name} OWNER {name} TEMPLATE template0 LOCALE_PROVIDER libc LC_COLLATE 'C' LC_CTYPE 'C'",
        ]
        asyncio.run(_execute(owner, statements))
        yield made


async def _execute(place: Database, statements: list[str]) -> None:
    connection = await asyncpg.connect(
        host=place.host, port=place.port, user=place.user, password=place.password, database=place.name
    )
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()
