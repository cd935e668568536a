"""MongoDB: a client whose writes are acknowledged by a majority and on disk, and whose reads see only such."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from bson.codec_options import CodecOptions, TypeDecoder, TypeRegistry
from bson.int64 import Int64
from pymongo import AsyncMongoClient
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import PyMongoError
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from tidings.platform import retry

Document = dict[str, Any]
Database = AsyncDatabase[Document]


class _PlainInt(TypeDecoder):
    """Numbers above 2**31 come as `Int64`, a subclass of int that JSON encoders refuse: make them plain."""

    bson_type = Int64

    def transform_bson(self, value: Int64) -> int:
        return int(value)


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
        codec_options=CodecOptions(type_registry=TypeRegistry([_PlainInt()])),
    )
    try:
        await retry.until("mongo", lambda: ping(found), timeout_s=30, errors=(PyMongoError,))
        yield found
    finally:
        await client.close()


async def ping(database: Database) -> None:
    """Raises PyMongoError when no primary answers."""
    await database.command("ping")
