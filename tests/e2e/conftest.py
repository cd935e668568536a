"""People that a module's tests share: sign-ins cost more than anything else these tests do."""

import pytest
from tests.support.people import Person
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


@pytest.fixture
def fresh(system: System) -> Person:
    """Somebody who is nobody else's."""
    return Person(system.base_url)
