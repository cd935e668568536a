"""What an idle socket weighs in Envoy alone: `python -m bench.envoy`.

The configuration of the product, the same with all taken away that a socket can do without, and Envoy as a mere TCP
proxy, in front of a server that upgrades and says one frame. Nothing else runs.
"""

import argparse
import asyncio
import contextlib
import resource
import tempfile
from collections.abc import Callable
from pathlib import Path

import msgspec
import psutil
from tests.support.running import free_port
from tests.support.waiting import eventually

from bench.figures import show
from tidings.devstack import binaries
from tidings.devstack.envoy_config import bootstrap
from tidings.devstack.envoy_parts import Json, Site, network_filter, v3
from tidings.devstack.stores.wire import http_status

AT_ONCE = 50
FRAME = b"\x81\x7e\x01\x00" + b"x" * 256  # as long as `ready`
UPGRADED = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n"
)
REQUEST = (
    b"GET /ws?ticket=0123456789012345678901234567890123456789012 HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
NO_TIMER = {"idle_timeout": "0s"}
BESIDE = (
    "early_header_mutation_extensions",
    "local_reply_config",
    "merge_slashes",
    "normalize_path",
    "request_id_extension",
    "use_remote_address",
)


def configured(config: Json) -> None:
    """As it is, but that the policy is not asked: nobody is there who could answer."""
    socket = _socket(config)
    off = {"@type": v3("filters.http.ext_authz", "ExtAuthzPerRoute"), "disabled": True}
    socket["typed_per_filter_config"]["envoy.filters.http.ext_authz"] = off


def bare(config: Json) -> None:
    """No filter, log, timer, id, retry or header."""
    manager = _manager(config)
    manager["http_filters"] = manager["http_filters"][-1:]
    off = {"stream_idle_timeout": "0s", "request_headers_timeout": "0s", "common_http_protocol_options": NO_TIMER}
    manager |= off | {"access_log": [], "generate_request_id": False, "always_set_request_id_in_response": False}
    for name in BESIDE:
        del manager[name]
    del manager["route_config"]["response_headers_to_add"]
    socket = _socket(config)
    del socket["typed_per_filter_config"], socket["request_headers_to_add"]
    del socket["route"]["retry_policy"]
    socket["route"]["idle_timeout"] = "0s"


def tcp(config: Json) -> None:
    """Without HTTP."""
    proxy = {
        "@type": v3("filters.network.tcp_proxy", "TcpProxy"), "stat_prefix": "edge", "cluster": "websocket",
    }  # fmt: skip
    listener = config["static_resources"]["listeners"][0]
    listener["filter_chains"] = [{"filters": [network_filter("tcp_proxy", proxy)]}]


VARIANTS: dict[str, Callable[[Json], None]] = {"configured": configured, "bare": bare, "tcp": tcp}


def _manager(config: Json) -> Json:
    found: Json = config["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
    return found


def _socket(config: Json) -> Json:
    routes: list[Json] = _manager(config)["route_config"]["virtual_hosts"][0]["routes"]
    return next(route for route in routes if route["match"].get("path") == "/ws")


class _Server(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport, self._read = transport, b""

    def data_received(self, data: bytes) -> None:
        self._read += data
        if self._read.endswith(b"\r\n\r\n"):
            self._transport.write(UPGRADED + FRAME)


async def _open(port: int, held: list[asyncio.StreamWriter]) -> None:
    async with asyncio.timeout(30):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        held.append(writer)
        writer.write(REQUEST)
        await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(len(FRAME))


async def _is_ready(admin: int) -> bool:
    with contextlib.suppress(OSError):
        return await http_status(admin, "/ready") == 200
    return False


async def weigh(change: Callable[[Json], None], sockets: int, folder: Path) -> float:
    """KB of PSS for each of so many sockets."""
    server = await asyncio.get_running_loop().create_server(_Server, "127.0.0.1", 0, backlog=4096)
    upstream = server.sockets[0].getsockname()[1]
    port, admin = free_port(), free_port()
    upstreams = {"websocket": [upstream], "policy": [upstream]}
    config = bootstrap(Site("127.0.0.1", port, admin, upstreams, "http://127.0.0.1:9", "token", folder / "access.log"))
    change(config)
    path = folder / "envoy.json"
    path.write_bytes(msgspec.json.encode(config))
    options = ("--concurrency", "1", "--disable-hot-restart", "--log-level", "error")
    running = await asyncio.create_subprocess_exec(binaries.find("envoy"), "-c", path, *options)
    held: list[asyncio.StreamWriter] = []
    try:
        await eventually(lambda: _is_ready(admin), "Envoy is ready")
        await asyncio.gather(*(_open(port, held) for _ in range(AT_ONCE)))
        before = psutil.Process(running.pid).memory_full_info().pss
        for _ in range(sockets // AT_ONCE):
            await asyncio.gather(*(_open(port, held) for _ in range(AT_ONCE)))
        return round((psutil.Process(running.pid).memory_full_info().pss - before) / 1024 / (len(held) - AT_ONCE), 1)
    finally:
        running.kill()
        await running.wait()
        for writer in held:
            writer.close()
        server.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sockets", type=int, default=2000, help=f"a multiple of {AT_ONCE}")
    args = parser.parse_args()
    if args.sockets < AT_ONCE:
        parser.error(f"--sockets: at least {AT_ONCE}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    with tempfile.TemporaryDirectory() as folder:
        show("KB in Envoy for an idle socket", {
            name: asyncio.run(weigh(change, args.sockets, Path(folder))) for name, change in VARIANTS.items()
        })  # fmt: skip


if __name__ == "__main__":
    main()
