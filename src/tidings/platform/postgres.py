"""PostgreSQL: a pool whose tables live in the service's own schema, and forward-only numbered migrations.

A database that is away, full or taking too long is ApiError `unavailable`, translated here and nowhere else.
"""

import asyncio
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import asyncpg

from tidings.contracts.errors import ApiError
from tidings.platform import context, logging, metrics, retry

_log = logging.get(__name__)
T = TypeVar("T")

if TYPE_CHECKING:
    Connection = asyncpg.pool.PoolConnectionProxy[asyncpg.Record]
    _Driver = asyncpg.Pool[asyncpg.Record]
else:  # the driver's classes take no parameters at run time
    Connection = asyncpg.pool.PoolConnectionProxy
    _Driver = asyncpg.Pool
Row = asyncpg.Record
UNREACHABLE: Final = (OSError, asyncpg.PostgresConnectionError, asyncpg.CannotConnectNowError, TimeoutError)
_AWAY: Final = (
    *UNREACHABLE,
    asyncpg.OperatorInterventionError,  # shut down, or a statement ended by its timeout
    asyncpg.InsufficientResourcesError,  # too many connections, disk full
    asyncpg.TransactionRollbackError,  # deadlock: whoever is told may try again
    asyncpg.ReadOnlySQLTransactionError,  # the primary we knew is a standby now
)
RETRY_S: Final = 1.5  # what was not begun, and reads, are tried again for so long: a restart is a pause
WAIT_S: Final = 3.0  # for a free connection


def is_away(error: BaseException) -> bool:
    """Whether an error says that the database cannot do it now, and not that we asked for nonsense."""
    if isinstance(error, asyncpg.InterfaceError):  # the driver's own; the others of its kind are our mistakes
        return "closed" in str(error) or "closing" in str(error)
    return isinstance(error, _AWAY)


class Pool:
    """Connections. Every failure to reach the database is ApiError `unavailable`. A statement that begins with
    SELECT changes nothing and is tried again within RETRY_S, and so is whatever could not begin; a change that may
    have been made is never made twice."""

    def __init__(self, driver: "_Driver") -> None:
        self._driver = driver

    async def fetch(self, statement: str, *values: Any) -> list[Row]:
        """All rows."""
        return await self._run(statement, lambda c: c.fetch(statement, *values))

    async def fetchrow(self, statement: str, *values: Any) -> "Row | None":
        """The first row."""
        return await self._run(statement, lambda c: c.fetchrow(statement, *values))

    async def fetchval(self, statement: str, *values: Any) -> Any:
        """The first column of the first row."""
        return await self._run(statement, lambda c: c.fetchval(statement, *values))

    async def execute(self, statement: str, *values: Any) -> str:
        """The command's tag."""
        return await self._run(statement, lambda c: c.execute(statement, *values))

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[Connection]:
        """A connection. Hold it for statements only, never for a call to another service."""
        async with AsyncExitStack() as stack:
            connection = await self._begin(stack, transaction=False)
            with _translated():
                yield connection

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """A connection inside a transaction, committed at the end of the block."""
        with _translated():  # around the commit too
            async with AsyncExitStack() as stack:
                yield await self._begin(stack, transaction=True)

    async def _begin(self, stack: AsyncExitStack, *, transaction: bool) -> Connection:
        async def attempt() -> Connection:
            async with AsyncExitStack() as inner:
                taking = self._driver.acquire(timeout=context.remaining_s(WAIT_S))
                connection: Connection = await inner.enter_async_context(taking)
                if transaction:
                    await inner.enter_async_context(connection.transaction())
                stack.push_async_exit(inner.pop_all())
                return connection

        return await _patiently(attempt)

    async def _run(self, statement: str, work: Callable[[Connection], Awaitable[T]]) -> T:
        async def attempt() -> T:
            async with self._driver.acquire(timeout=context.remaining_s(WAIT_S)) as connection:
                return await work(connection)

        if statement.lstrip()[:6].upper() == "SELECT":
            return await _patiently(attempt)
        async with self.acquire() as connection:
            return await work(connection)


class _translated:  # noqa: N801  a block, read like a function
    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is not None and not isinstance(error, ApiError) and is_away(error):
            raise _unavailable(error) from error


def _unavailable(error: BaseException) -> ApiError:
    metrics.DEPENDENCY.labels("postgres").inc()
    _log.warning("the database cannot be reached", error=repr(error)[:300])
    return ApiError("unavailable", "not available at the moment", retry_after_ms=500)


async def _patiently(attempt: Callable[[], Awaitable[T]]) -> T:
    """Repeat what may be repeated. A wait that ran into its own deadline is not begun again."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + context.remaining_s(RETRY_S)
    tries = 0
    while True:
        try:
            return await attempt()
        except Exception as error:
            if not is_away(error):
                raise
            pause = retry.backoff_s(tries, 0.05, 0.3)
            if isinstance(error, TimeoutError) or loop.time() + pause > deadline:
                raise _unavailable(error) from error
            tries += 1
            await asyncio.sleep(pause)


@asynccontextmanager
async def connect(
    url: str, schema: str, migrations: Path, *, size: int = 8, timeout_s: float = 3.0
) -> AsyncIterator[Pool]:
    """A pool of at most `size` connections with `search_path` set to `schema`, migrated. Statements end after
    `timeout_s` by themselves, so that no lock or plan can hold a request."""

    async def attempt() -> "_Driver":
        return await asyncpg.create_pool(
            url,
            min_size=1,
            max_size=size,
            timeout=timeout_s,
            command_timeout=timeout_s,
            reset=_reset,
            server_settings={"search_path": schema, "application_name": f"tidings-{schema}", "timezone": "UTC"},
        )

    driver = await retry.until("postgres", attempt, timeout_s=30, errors=UNREACHABLE)
    try:
        await _migrate(driver, schema, migrations)
        yield Pool(driver)
    finally:
        driver.terminate()


async def _reset(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """When a connection is given back. Nothing here sets anything for a session, so there is nothing to put back, and
    one round trip a statement to spare; a transaction that was left open is another matter."""
    if connection.is_in_transaction():
        await connection.reset()


async def ping(pool: Pool) -> None:
    """Raises when the database does not answer."""
    await pool.fetchval("SELECT 1")


async def _migrate(pool: "_Driver", schema: str, folder: Path) -> None:
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
