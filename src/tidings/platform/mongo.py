"""MongoDB: a client whose writes are acknowledged by a majority and on disk, and whose reads see only such."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from pymongo import AsyncMongoClient
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import PyMongoError
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from tidings.platform import retry

Document = dict[str, Any]
Database = AsyncDatabase[Document]


@asynccontextmanager
async def connect(url: str, database: str, *, timeout_s: float = 3.0) -> AsyncIterator[Database]:
    """The database `database`. Weaker guarantees cannot be had by a URL: they are set here."""
    client: AsyncMongoClient[Document] = AsyncMongoClient(
        url,
        serverSelectionTimeoutMS=int(timeout_s * 1000),
        connectTimeoutMS=int(timeout_s * 1000),
        socketTimeoutMS=int(timeout_s * 2000),
        waitQueueTimeoutMS=int(timeout_s * 1000),
        maxPoolSize=32,
        retryWrites=True,
        retryReads=True,
        appname=database,
    )
    found = client.get_database(
        database,
        write_concern=WriteConcern("majority", j=True),
        read_concern=ReadConcern("majority"),
    )
    try:
        await retry.until("mongo", lambda: ping(found), timeout_s=30, errors=(PyMongoError,))
        yield found
    finally:
        await client.close()


async def ping(database: Database) -> None:
    """Raises PyMongoError when no primary answers."""
    await database.command("ping")
