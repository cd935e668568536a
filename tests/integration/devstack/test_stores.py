"""The five embedded stores: each takes a write, survives the hard end of everything, and leaves nothing behind."""

import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

import asyncpg
import httpx
import nats
import psutil
import pytest
from pymongo import AsyncMongoClient
from redis.asyncio import Redis
from tests.support.running import Stores, System, tidings_up
from tests.support.waiting import wait_until

from tidings.devstack.state import is_owned, load_state


async def test_every_store_answers_to_its_url(stores: Stores) -> None:
    connection = await asyncpg.connect(await stores.fresh_database("chat"))
    await connection.execute("CREATE TABLE t (x int)")
    await connection.close()
    async with AsyncMongoClient(stores.mongo_url) as mongo:  # type: ignore[var-annotated]
        done = await mongo["trial"]["t"].insert_one({"x": 1})
        assert done.acknowledged
    async with Redis.from_url(stores.redis_url) as redis:
        assert await redis.ping()
    bus = await nats.connect(stores.nats_url)
    assert (await bus.jetstream().account_info()).limits is not None
    await bus.close()
    async with httpx.AsyncClient() as http:
        answer = await http.get(f"{stores.s3_url}/{stores.s3_bucket}")
    assert answer.status_code == 403, "nobody reads without a signature"


async def enter_mongo(place: str) -> None:
    async with AsyncMongoClient(f"mongodb://{place}/?directConnection=true") as mongo:  # type: ignore[var-annotated]
        await mongo["tidings"].list_collection_names()


async def enter_redis(place: str) -> None:
    async with Redis.from_url(f"redis://{place}/0") as redis:
        await redis.ping()


async def enter_nats(place: str) -> None:
    await nats.connect(f"nats://{place}", allow_reconnect=False, max_reconnect_attempts=0)


@pytest.mark.parametrize(("store", "enter"), [("MONGO", enter_mongo), ("REDIS", enter_redis), ("NATS", enter_nats)])
async def test_no_store_takes_strangers(stores: Stores, store: str, enter: Callable[[str], Awaitable[None]]) -> None:
    place = stores.environ[f"TIDINGS_{store}_URL"].rpartition("@")[2].partition("/")[0]
    with pytest.raises(Exception, match=r"(?i)auth"):
        await enter(place)


async def test_one_service_cannot_enter_anothers_database(stores: Stores) -> None:
    foreign = stores.postgres_url("chat").removesuffix("/tidings_chat") + "/tidings_auth"
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await asyncpg.connect(foreign)


def test_seaweed_leaves_no_sockets_outside_the_data_directory(tmp_path: Path) -> None:
    with tidings_up(tmp_path / "system", "--only", "stores"):
        state = load_state(tmp_path / "system")
        assert state is not None
        ports = {name.removeprefix("s3-"): port for name, port in state.ports.items() if name.endswith("-grpc")}
        sockets = [Path(f"/tmp/seaweedfs-{part}-{port}.sock") for part, port in ports.items()]
        assert all(path.exists() for path in sockets), "it makes them elsewhere now: nothing is to be removed"
    assert not [path for path in sockets if path.exists()]


def test_seaweed_that_hangs_on_its_way_out_is_started_again(tmp_path: Path) -> None:
    """Told to end, its filer waits for streams to itself, with all other parts gone: 15 s, or for ever."""
    data_dir = tmp_path / "system"
    with tidings_up(data_dir, "--only", "stores"):
        stores = System("", data_dir)
        old = stores.kill("seaweed", signal.SIGTERM)
        stores.wait_replaced("seaweed", old)
    assert "it lives and does not work" in (tmp_path / "system.up.log").read_text()


def test_secrets_and_state_are_for_the_owner_alone(stores: Stores) -> None:
    files = [*(stores.data_dir / "secrets").iterdir(), stores.data_dir / "state.json"]
    assert files
    assert all(file.stat().st_mode & 0o077 == 0 for file in files)


def test_all_listen_on_loopback_only(stores: Stores) -> None:
    state = load_state(stores.data_dir)
    assert state is not None
    ours = set(state.ports.values())
    listening = [c.laddr for c in psutil.net_connections("tcp") if c.status == psutil.CONN_LISTEN and c.laddr]
    assert {place.ip for place in listening if place.port in ours} == {"127.0.0.1"}


def test_kill_9_of_the_supervisor_leaves_no_process_and_data_survives_two_lives(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    with tidings_up(data_dir, "--only", "stores") as supervisor:
        family = psutil.Process(supervisor.pid).children(recursive=True)
        assert len(family) > 5, "the stores, and PostgreSQL's own children"
        os.kill(supervisor.pid, signal.SIGKILL)
        wait_until(lambda: not [p for p in family if _lives(p)], "every process is gone")
        assert not is_owned(data_dir)
    with tidings_up(data_dir, "--only", "stores") as supervisor:
        assert is_owned(data_dir)
    wait_until(lambda: not is_owned(data_dir), "it is stopped")


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
