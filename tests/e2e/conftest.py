"""People and browsers that a module's tests share: sign-ins cost more than anything else these tests do."""

from collections.abc import AsyncIterator, Iterator

import pytest
from playwright.sync_api import Browser
from tests.support.browser import running_browser
from tests.support.people import Person, drop_sockets
from tests.support.raw import close_wires
from tests.support.running import System


@pytest.fixture(scope="module")
def ann(system: System) -> Person:
    return Person(system.base_url)


@pytest.fixture(scope="module")
def ben(system: System) -> Person:
    return Person(system.base_url)


@pytest.fixture(scope="module")
def eve(system: System) -> Person:
    """Shares no chat with the others unless a test says so."""
    return Person(system.base_url)


@pytest.fixture(scope="module")
def chat(ann: Person, ben: Person) -> str:
    """The direct chat of Ann and Ben."""
    return ann.direct(ben)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, for as long as a module's tests last: its loop and that of asynchronous tests do not go together."""
    with running_browser() as found:
        yield found


@pytest.fixture
def fresh(system: System) -> Person:
    """Somebody who is nobody else's."""
    return Person(system.base_url)


@pytest.fixture(autouse=True)
async def _closed() -> AsyncIterator[None]:
    """Sockets end with their test."""
    yield
    drop_sockets()
    close_wires()
