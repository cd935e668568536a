"""Fixtures for all tests: real stores and a real system, each started once a run, when a test first asks."""

import contextlib
import secrets
from collections.abc import AsyncIterator, Iterator
from typing import Any

import nats
import pytest
from nats.js.errors import NotFoundError
from tests.support.running import Stores, System, running_stores, running_system
from xdist.scheduler import LoadScopeScheduling

from tidings.contracts.events import STREAMS


class Parts(LoadScopeScheduling):
    """Two processes run tests: a file stays in one, and so does all that breaks things while a clock runs. With three,
    tests fail that a machine of two cores makes wait too long."""

    def _split_scope(self, nodeid: str) -> str:
        return "chaos" if nodeid.startswith("tests/chaos/") else nodeid.partition("::")[0]


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Parts:
    return Parts(config, log)


@pytest.fixture(scope="session")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stores]:
    """PostgreSQL, MongoDB, Valkey, NATS and S3, as `tidings up --only stores` starts them."""
    with running_stores(tmp_path_factory.mktemp("stores")) as found:
        yield found


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """All eight services behind Envoy, as `tidings up` starts them."""
    with running_system(tmp_path_factory.mktemp("system")) as found:
        found.wait_ready()
        yield found


@pytest.fixture
async def namespace(stores: Stores) -> AsyncIterator[str]:
    """A prefix for databases, streams, keys and buckets that no other test has. Its streams go with the test: they
    reserve disk."""
    name = f"t{secrets.token_hex(6)}"
    yield name
    client = await nats.connect(stores.nats_url)
    for stream in STREAMS:
        with contextlib.suppress(NotFoundError):
            await client.jetstream().delete_stream(f"{name}_{stream}")
    await client.close()
