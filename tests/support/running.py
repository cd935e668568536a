"""Real systems for tests: started by the command people use, on free ports, in a temporary directory."""

import asyncio
import contextlib
import json
import os
import random
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import httpx
from tests.support.waiting import wait_until

from tidings.devstack.ports import is_free
from tidings.devstack.process import die_with_parent
from tidings.devstack.state import SystemState, load_state
from tidings.platform.secrets import secret

START_TIMEOUT_S = 90.0


@dataclass(frozen=True)
class Stores:
    """The five stores. `environ` is what a service is given to reach them."""

    data_dir: Path
    environ: dict[str, str]

    @property
    def mongo_url(self) -> str:
        return self.environ["TIDINGS_MONGO_URL"]

    @property
    def redis_url(self) -> str:
        return self.environ["TIDINGS_REDIS_URL"]

    @property
    def nats_url(self) -> str:
        return self.environ["TIDINGS_NATS_URL"]

    @property
    def s3_url(self) -> str:
        return self.environ["TIDINGS_S3_URL"]

    @property
    def s3_bucket(self) -> str:
        return self.environ["TIDINGS_S3_BUCKET"]

    def postgres_url(self, owner: str) -> str:
        """The database of `auth`, `user` or `chat`, shared by all tests: see `fresh_database`."""
        return self.environ[f"TIDINGS_{owner.upper()}_POSTGRES_URL"]

    async def fresh_database(self, owner: str) -> str:
        """The URL of an empty database that belongs to the role of `owner`."""
        role, password, place = _parts(self.postgres_url(owner))
        name = f"test_{secrets.token_hex(6)}"
        host, _, port = place.partition(":")
        connection = await asyncpg.connect(
            host=host, port=int(port), user="postgres", password=secret(self.data_dir, "postgres_superuser"),
            database="postgres",
        )  # fmt: skip
        try:
            await connection.execute(f"CREATE DATABASE {name} OWNER {role}")
        finally:
            await connection.close()
        return f"postgresql://{role}:{password}@{place}/{name}"


@dataclass(frozen=True)
class System:
    """A whole running system, reached through its outer port."""

    base_url: str
    data_dir: Path

    def state(self) -> SystemState:
        state: SystemState = json_status(self.data_dir)
        return state

    def pid(self, name: str) -> int:
        """The pid of a process now. Waits while it is being restarted."""
        return int(wait_until(lambda: self._find(name), f"{name} has a pid"))

    def _find(self, name: str) -> int | None:
        return next((process.pid for process in self.state().processes if process.name == name), None)

    def kill(self, name: str, number: int = signal.SIGKILL) -> int:
        """Send a signal to a process (`message-1`, `mongo`, `envoy`). Answers the pid it had."""
        pid = self.pid(name)
        os.kill(pid, number)
        return pid

    def wait_ready(self, timeout_s: float = 30.0) -> None:
        """Until every process is ready and the gateway says that all services are."""
        wait_until(lambda: self.state().ready, "every process is ready", timeout_s)
        wait_until(self._answers_ready, "GET /ready answers 200", timeout_s)

    def wait_replaced(self, name: str, old_pid: int, timeout_s: float = 30.0) -> None:
        """Until `name` runs again, as another process."""

        def replaced() -> bool:
            found = next(process for process in self.state().processes if process.name == name)
            return found.pid not in (None, old_pid) and found.state == "ready"

        wait_until(replaced, f"{name} runs again", timeout_s)

    def _answers_ready(self) -> bool:
        with contextlib.suppress(httpx.HTTPError):
            return httpx.get(f"{self.base_url}/ready", timeout=5).status_code == 200
        return False


def json_status(data_dir: Path) -> SystemState:
    from tidings.devstack import control

    async def ask() -> Any:
        return await control.ask(data_dir, {"do": "status"}, SystemState)

    answer: SystemState = _in_new_loop(ask)
    return answer


def _in_new_loop(work: Any) -> Any:
    """Run a coroutine function to its end, also from inside a running loop (in a thread of its own then)."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work())
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(lambda: asyncio.run(work())).result()


def free_port() -> int:
    """One below those that connections are given: of those one may be taken a moment later."""
    return next(port for port in random.SystemRandom().sample(range(20_000, 30_000), 100) if is_free(port))


@contextlib.contextmanager
def tidings_up(
    data_dir: Path, *options: str, env: dict[str, str] | None = None, through: Sequence[str] = ()
) -> Iterator["subprocess.Popen[str]"]:
    """`tidings up` as a child of the test run: it dies with it. Ready when the body runs; stopped after it. `through`
    is a command that becomes the one that follows it."""
    data_dir.mkdir(parents=True, exist_ok=True)
    clean = {name: value for name, value in os.environ.items() if not name.startswith("TIDINGS_")}
    said = data_dir.parent / f"{data_dir.name}.up.log"
    with said.open("w") as output:
        child = subprocess.Popen(
            [*through, sys.executable, "-m", "tidings.cli.main", "up", "--data-dir", str(data_dir), *options],
            env=clean | (env or {}), stdin=subprocess.DEVNULL, stdout=output, stderr=output, text=True,
            start_new_session=True, preexec_fn=die_with_parent(),
        )  # fmt: skip
    try:

        def up() -> bool:
            if child.poll() is not None:
                raise AssertionError(f"`tidings up` ended with {child.returncode}:\n{said.read_text()}")
            return "\n  Stop      " in said.read_text()

        wait_until(up, f"`tidings up` is ready, see {said}", START_TIMEOUT_S)
        yield child
    finally:
        if child.poll() is None:
            child.terminate()
            try:
                child.wait(45)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


@contextlib.contextmanager
def running_stores(data_dir: Path, through: Sequence[str] = ()) -> Iterator[Stores]:
    """The five stores: those of TIDINGS_TEST_STORES (a state.json) if given, else started here."""
    given = os.environ.get("TIDINGS_TEST_STORES")
    if given and not through:
        found = json.loads(Path(given).read_text())
        yield Stores(Path(found["dataDir"]), found["environ"])
        return
    with tidings_up(data_dir, "--only", "stores", through=through):
        state = load_state(data_dir)
        assert state is not None
        yield Stores(data_dir, state.environ)


@contextlib.contextmanager
def running_system(data_dir: Path, *options: str, env: dict[str, str] | None = None) -> Iterator[System]:
    """A whole system on a free port."""
    given = os.environ.get("TIDINGS_TEST_SYSTEM")  # the data directory of one that runs already: quick while writing
    if given and not options and env is None:
        state = load_state(Path(given))
        assert state is not None
        yield System(state.url.replace("localhost", "127.0.0.1"), Path(given))
        return
    port = free_port()
    with tidings_up(data_dir, "--port", str(port), *options, env=env):
        yield System(f"http://127.0.0.1:{port}", data_dir)


def _parts(url: str) -> tuple[str, str, str]:
    """Role, password and host:port of a PostgreSQL URL."""
    login, _, place = url.removeprefix("postgresql://").partition("@")
    role, _, password = login.partition(":")
    return role, password, place.partition("/")[0]
