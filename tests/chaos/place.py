"""What there is to break: two supervisors (stores on small disks, services), the links between them, and clocks."""

import functools
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from tests.chaos import small_disks
from tests.chaos.link import Link
from tests.support.running import Stores, System

from tidings.devstack.state import load_state
from tidings.devstack.stores.seaweed import ACCESS_KEY, SECRET_KEY
from tidings.platform.secrets import secret

STORES: Final = ("mongo", "valkey", "nats", "postgres", "seaweed")
INSIDE: Final = Path(__file__).parent / "inside"
OWNERS: Final = ("AUTH", "USER", "CHAT")
CALLED: Final = {"auth": 1, "user": 1, "chat": 1, "message": 2}  # in a run by other services, and how many there are
CALLEES: Final = tuple(f"{name}-{number + 1}" for name, count in CALLED.items() for number in range(count))


class Place(NamedTuple):
    """A running system, and where to get hold of it."""

    stores: System
    services: System
    links: dict[str, Link]  # by the store or instance they lead to; `edge` is the one that people come by
    redis_url: str
    folder: Path

    def system_of(self, process: str) -> System:
        """The supervisor of a process."""
        return self.stores if process in STORES else self.services

    def disk_of(self, store: str) -> Path:
        """The folder of a store on its small disk, as it is seen from here."""
        return Path(f"/proc/{self.stores.state().pid}/root{self.stores.data_dir.absolute()}") / store


def small_disks_for(folder: Path, seconds: float) -> list[str]:
    """What `tidings up` is started through, so that each store has a small disk of its own."""
    unshare = shutil.which("unshare")
    assert unshare is not None, "`unshare` (util-linux) is missing"
    return [unshare, "-Urm", sys.executable, small_disks.__file__, str(folder.absolute()), str(seconds)]


async def links_to(stores: Stores) -> tuple[dict[str, Link], dict[str, str]]:
    """A link to each store, and the environment that makes services use them."""
    env = {
        "TIDINGS_POSTGRES_URL": "postgresql://unused/unused"
    }  # given, so that none is started; each owner has its own
    links: dict[str, Link] = {}

    async def through(name: str, key: str) -> None:
        url = stores.environ[key]
        place = urlsplit(url)
        if name not in links:
            links[name] = Link(place.hostname or "", place.port or 0)
            await links[name].start()
        env[key] = url.replace(f":{place.port}", f":{links[name].port}")

    await through("mongo", "TIDINGS_MONGO_URL")
    # A replica set would tell the driver its own address, past the link.
    env["TIDINGS_MONGO_URL"] = env["TIDINGS_MONGO_URL"].replace("replicaSet=tidings", "directConnection=true")
    await through("valkey", "TIDINGS_REDIS_URL")
    await through("nats", "TIDINGS_NATS_URL")
    await through("seaweed", "TIDINGS_S3_URL")
    for owner in OWNERS:
        await through("postgres", f"TIDINGS_{owner}_POSTGRES_URL")
    env |= {key: stores.environ[key] for key in ("TIDINGS_S3_BUCKET", "TIDINGS_S3_REGION")}
    for name in (ACCESS_KEY, SECRET_KEY):
        env[f"TIDINGS_SECRET_{name}".upper()] = secret(stores.data_dir, name)
    return links, env


async def links_between(data_dir: Path) -> dict[str, Link]:
    """A link to each instance that other services call by gRPC; its port is known once the system wrote it down."""

    def port_of(instance: str) -> int:
        state = load_state(data_dir)
        if state is None or f"{instance}-grpc" not in state.ports:
            raise ConnectionRefusedError
        return state.ports[f"{instance}-grpc"]

    links = {instance: Link("127.0.0.1", functools.partial(port_of, instance)) for instance in CALLEES}
    for link in links.values():
        await link.start()
    return links


def hooks(folder: Path, links: dict[str, Link], bugs: str = "") -> dict[str, str]:
    """The environment that puts what is in `inside/` into the services: links to each other, clocks that can be set,
    and bugs by name."""
    ports = {name: [links[f"{name}-{n + 1}"].port for n in range(count)] for name, count in CALLED.items()}
    (folder / "clocks").mkdir(parents=True, exist_ok=True)
    return {
        "PYTHONPATH": os.pathsep.join(filter(None, [str(INSIDE), os.environ.get("PYTHONPATH")])),
        "TIDINGS_TEST_CLOCKS": str((folder / "clocks").absolute()),
        "TIDINGS_TEST_LINKS": json.dumps(ports),
        "TIDINGS_TEST_BUGS": bugs,
    }
