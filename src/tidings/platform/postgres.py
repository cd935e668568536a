"""PostgreSQL: a pool whose tables live in the service's own schema, and forward-only numbered migrations."""

import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg

from tidings.platform import logging, retry

_log = logging.get(__name__)

if TYPE_CHECKING:
    Pool = asyncpg.Pool[asyncpg.Record]
    Connection = asyncpg.pool.PoolConnectionProxy[asyncpg.Record]
else:  # the driver's classes take no parameters at run time
    Pool = asyncpg.Pool
    Connection = asyncpg.pool.PoolConnectionProxy
UNREACHABLE = (OSError, asyncpg.PostgresConnectionError, asyncpg.CannotConnectNowError, TimeoutError)


@asynccontextmanager
async def connect(
    url: str, schema: str, migrations: Path, *, size: int = 8, timeout_s: float = 3.0
) -> AsyncIterator[Pool]:
    """A pool of at most `size` connections with `search_path` set to `schema`, migrated. Statements end after
    `timeout_s` by themselves, so that no lock or plan can hold a request."""

    async def attempt() -> Pool:
        return await asyncpg.create_pool(
            url,
            min_size=1,
            max_size=size,
            timeout=timeout_s,
            command_timeout=timeout_s,
            server_settings={"search_path": schema, "application_name": f"tidings-{schema}", "timezone": "UTC"},
        )

    pool = await retry.until("postgres", attempt, timeout_s=30, errors=UNREACHABLE)
    try:
        await _migrate(pool, schema, migrations)
        yield pool
    finally:
        pool.terminate()


async def ping(pool: Pool) -> None:
    """Raises when the database does not answer."""
    await pool.fetchval("SELECT 1")


async def _migrate(pool: Pool, schema: str, folder: Path) -> None:
    """Run the files `NNNN_name.sql` not yet run, each in a transaction, one instance at a time."""
    async with pool.acquire() as connection:
        lock = zlib.crc32(f"tidings:{schema}".encode())
        await connection.execute("SELECT pg_advisory_lock($1)", lock, timeout=60)
        try:
            await connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{schema}"')
            await connection.execute(
                "CREATE TABLE IF NOT EXISTS migrations (name text PRIMARY KEY, at timestamptz NOT NULL DEFAULT now())"
            )
            done = {row["name"] for row in await connection.fetch("SELECT name FROM migrations")}
            for file in sorted(folder.glob("[0-9]*.sql")):
                if file.name in done:
                    continue
                async with connection.transaction():
                    await connection.execute(file.read_text(encoding="utf-8"), timeout=600)
                    await connection.execute("INSERT INTO migrations (name) VALUES ($1)", file.name)
                _log.info("migrated", schema=schema, migration=file.name)
        finally:
            await connection.execute("SELECT pg_advisory_unlock($1)", lock)
