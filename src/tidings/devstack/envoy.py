"""Envoy, the only thing a client reaches: configuration written and validated before each start."""

import asyncio
import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tidings.devstack import binaries
from tidings.devstack.envoy_config import bootstrap
from tidings.devstack.envoy_parts import Site
from tidings.devstack.process import Group, Process
from tidings.devstack.stores import private_folder, write_private
from tidings.devstack.stores.wire import http_status

VALIDATE_TIMEOUT_S = 20.0


class EnvoyRefusedError(Exception):
    """Envoy does not accept the configuration; the text is its own."""


def process(data_dir: Path, site: Site, concurrency: int, after: Sequence[str] = ()) -> Process:
    folder = data_dir / "envoy"
    config = folder / "envoy.json"

    async def prepare() -> None:
        private_folder(folder)
        draft = write_private(folder / "envoy.new.json", json.dumps(bootstrap(site), indent=2))
        await validate(draft)
        draft.replace(config)

    async def probe() -> bool:
        return await http_status(site.admin_port, "/ready") == 200

    return Process(
        name="envoy",
        group=Group.EDGE,
        argv=[
            str(binaries.find("envoy")),
            *("-c", str(config), "--concurrency", str(concurrency)),
            *("--disable-hot-restart", "--log-level", "warning"),
        ],
        cwd=data_dir,
        after=after,
        ports={"envoy": site.port, "envoy-admin": site.admin_port},
        prepare=prepare,
        probe=probe,
        start_timeout_s=30,
        stop_timeout_s=5,
    )


async def validate(config: Path) -> None:
    """Let Envoy check the file. Raises EnvoyRefusedError with what it says."""
    running = await asyncio.create_subprocess_exec(
        str(binaries.find("envoy")), "--mode", "validate", "-c", str(config), "--log-level", "error",
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await asyncio.wait_for(running.communicate(), VALIDATE_TIMEOUT_S)
    if running.returncode != 0:
        raise EnvoyRefusedError(said.decode(errors="replace").strip())
