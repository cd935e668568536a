"""An auth-service and the user-service it makes people in, for one test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.support.running import Stores
from tests.support.services import World


@pytest.fixture
async def world(stores: Stores, namespace: str, tmp_path: Path) -> AsyncIterator[World]:
    async with World(stores, namespace, tmp_path) as world:
        await world.start("auth", "user")
        yield world
