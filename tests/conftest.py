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

CHAOS, WAITING = "chaos", "waiting"


def _part(nodeid: str) -> str:
    path = nodeid.partition("::")[0]
    if path.startswith("tests/chaos/"):
        return CHAOS
    if path.startswith("tests/integration/") and not path.startswith("tests/integration/devstack/"):
        return WAITING
    return path


class Parts(LoadScopeScheduling):
    """How tests are dealt to processes. A file stays in one, and so does all that breaks things while a clock runs.
    Tests of single services mostly wait: a third process has them and nothing else, for with three that start systems
    and browsers tests fail that a machine of two cores makes wait too long."""

    def _split_scope(self, nodeid: str) -> str:
        return _part(nodeid)

    def _assign_work_unit(self, node: Any) -> None:
        loaded = [other for other, parts in self.assigned_work.items() if parts and WAITING not in parts]
        if next(iter(self.workqueue)) == WAITING or node in loaded or len(loaded) < 2:
            super()._assign_work_unit(node)
        else:
            node.shutdown()  # when it is through with what it has


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What is dealt first takes longest."""
    order = {CHAOS: 0, WAITING: 1}
    items.sort(key=lambda item: order.get(_part(item.nodeid), 2))


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
