"""Synapse as a child process on PostgreSQL, and people on it (Matrix client-server API, v3).

As its documentation advises for speed: PostgreSQL in the C locale, larger caches, no presence, no federation listener,
no URL previews; its rate limits are lifted. One process, as it is installed; workers need Redis and a proxy.
"""

import asyncio
import hashlib
import hmac
import itertools
import json
import os
import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from bench.peers.child import UnavailableError, running
from bench.peers.party import TEXT, Received
from bench.peers.postgres import Database, database
from tidings.devstack.ports import Ports

PYTHON = Path(".cache/synapse/bin/python")
START_S = 90.0
AT_ONCE = 4
TRIES = 3
FREE = {"per_second": 1_000_000, "burst_count": 1_000_000}
RATES = ("rc_message", "rc_registration", "rc_joins_per_room", "rc_presence", "rc_room_creation")
FILTER = json.dumps({"presence": {"types": []}, "account_data": {"types": []}, "room": {"timeline": {"limit": 100}}})


@contextmanager
def party(folder: Path) -> Iterator["Matrix"]:
    """A running server. Raises UnavailableError."""
    if not PYTHON.exists():
        raise UnavailableError("matrix-synapse is not installed: `make bench-peers` puts it into .cache/synapse")
    python = PYTHON.absolute()
    folder.mkdir(parents=True)
    ports = Ports(None)
    port = ports.pick("synapse")
    ports.release()
    shared, config = secrets.token_hex(16), folder / "homeserver.yaml"
    with database(folder / "data", "synapse") as stored:
        (folder / "log.yaml").write_text(json.dumps({"version": 1, "root": {"level": "ERROR"}}))
        config.write_text(json.dumps(configuration(folder, port, stored, shared), indent=1))  # JSON is YAML
        start = [str(python), "-m", "synapse.app.homeserver", "--config-path", str(config)]
        env = {name: value for name, value in os.environ.items() if not name.startswith(("TIDINGS_", "PYTHON"))}
        subprocess.run([*start, "--generate-keys"], env=env, cwd=folder, capture_output=True, timeout=60, check=False)
        with running(start, env, folder / "said.log", lambda: _answers(port), START_S) as child:
            label = f"Synapse {_version(python)}, PostgreSQL"
            yield Matrix(label, port, shared, {"synapse": child.pid, "postgres": stored.pid})


def configuration(folder: Path, port: int, stored: Database, shared: str) -> dict[str, Any]:
    """homeserver.yaml."""
    free: dict[str, Any] = dict.fromkeys(RATES, FREE)
    free |= {"rc_login": dict.fromkeys(("address", "account", "failed_attempts"), FREE)}
    free |= {"rc_joins": {"local": FREE, "remote": FREE}}
    free |= {"rc_invites": dict.fromkeys(("per_room", "per_user", "per_issuer"), FREE)}
    return {
        "server_name": "localhost",
        "pid_file": str(folder / "synapse.pid"),
        "listeners": [
            {
                "port": port,
                "type": "http",
                "bind_addresses": ["127.0.0.1"],
                "resources": [{"names": ["client"], "compress": False}],
            }
        ],
        "database": {
            "name": "psycopg2",
            "args": {
                "host": stored.host,
                "port": stored.port,
                "user": stored.user,
                "password": stored.password,
                "dbname": stored.name,
                "cp_min": 5,
                "cp_max": 10,
            },
        },
        "log_config": str(folder / "log.yaml"),
        "media_store_path": str(folder / "media"),
        "signing_key_path": str(folder / "signing.key"),
        "registration_shared_secret": shared,
        "report_stats": False,
        "trusted_key_servers": [],
        "federation_domain_whitelist": [],
        "presence": {"enabled": False},
        "url_preview_enabled": False,
        "bcrypt_rounds": 4,
        "event_cache_size": "50K",
        "caches": {"global_factor": 5.0},
        **free,
    }


class Matrix:
    """A party (see party.py). One room for each pair; the receiver reads it by long polls of `/sync`."""

    def __init__(self, label: str, port: int, shared: str, pids: dict[str, int]) -> None:
        self.label = label
        self._shared, self._pids = shared, pids
        limits = httpx.Limits(max_connections=1000, max_keepalive_connections=1000)
        self._client = httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=120, limits=limits)
        self._rooms: list[tuple[str, dict[str, str]]] = []  # room and the sender's headers
        self._tasks: set[asyncio.Task[None]] = set()
        self._numbers = itertools.count()

    def pids(self) -> dict[str, int]:
        return self._pids

    async def prepare(self, pairs: int, received: Received) -> None:
        gate = asyncio.Semaphore(AT_ONCE)

        async def one(pair: int) -> tuple[str, dict[str, str]]:
            async with gate:
                (_, a), (name, b) = await self._register(f"a{pair}"), await self._register(f"b{pair}")
                made = await self._ask("POST", "/_matrix/client/v3/createRoom", a, {"invite": [name]})
                room = str(made["room_id"])
                await self._ask("POST", f"/_matrix/client/v3/rooms/{room}/join", b, {})
                first = await self._ask("GET", "/_matrix/client/v3/sync", b, params={"filter": FILTER})
                self._spawn(self._read(pair, b, str(first["next_batch"]), received))
                return room, a

        self._rooms = list(await asyncio.gather(*(one(pair) for pair in range(pairs))))

    async def _register(self, name: str) -> tuple[str, dict[str, str]]:
        path = "/_synapse/admin/v1/register"
        nonce = str((await self._ask("GET", path, {}))["nonce"])
        words = b"\0".join([nonce.encode(), name.encode(), b"bench", b"notadmin"])
        mac = hmac.new(self._shared.encode(), words, hashlib.sha1).hexdigest()
        body = {"nonce": nonce, "username": name, "password": "bench", "admin": False, "mac": mac}
        made = await self._ask("POST", path, {}, body)
        return str(made["user_id"]), {"Authorization": f"Bearer {made['access_token']}"}

    async def _ask(
        self, method: str, path: str, headers: dict[str, str], body: object = None, params: dict[str, str] | None = None
    ) -> dict[str, Any]:
        for left in reversed(range(TRIES)):
            try:
                answer = await self._client.request(method, path, headers=headers, json=body, params=params)
                break
            except httpx.TransportError:  # Synapse cuts connections; what is asked here may be asked again
                if not left:
                    raise
        found: dict[str, Any] = answer.raise_for_status().json()
        return found

    async def _read(self, pair: int, headers: dict[str, str], since: str, received: Received) -> None:
        while True:
            params = {"since": since, "timeout": "30000", "filter": FILTER}
            told = await self._ask("GET", "/_matrix/client/v3/sync", headers, params=params)
            since = told["next_batch"]
            for room in told.get("rooms", {}).get("join", {}).values():
                for event in room["timeline"]["events"]:
                    if event["type"] == "m.room.message":
                        received(pair, event["content"]["key"])

    def send(self, pair: int, key: str) -> None:
        room, headers = self._rooms[pair]
        path = f"/_matrix/client/v3/rooms/{room}/send/m.room.message/{next(self._numbers)}"
        body = {"msgtype": "m.text", "body": TEXT, "key": key}
        self._spawn(self._put(path, headers, body))

    async def _put(self, path: str, headers: dict[str, str], body: object) -> None:
        await self._ask("PUT", path, headers, body)

    def _spawn(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._client.aclose()


def _version(python: Path) -> str:
    code = "import importlib.metadata as m; print(m.version('matrix-synapse'))"
    return subprocess.run([python, "-c", code], capture_output=True, text=True, timeout=30, check=False).stdout.strip()


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/_matrix/client/versions", timeout=2).is_success
    except httpx.HTTPError:
        return False
