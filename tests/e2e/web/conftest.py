"""The web client's tests drive a browser, whose loop is running: they are not asynchronous."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser
from tests.support.browser import Visitor, Wire, visiting
from tests.support.locks import SECRET, Chat, text
from tests.support.people import Person
from tests.support.running import System


@pytest.fixture(autouse=True)
def _closed() -> None:
    """In place of the asynchronous one of the other tests through the gateway."""


@pytest.fixture(scope="module")
def ben(system: System) -> Person:
    """Somebody to write to, by REST."""
    found = Person(system.base_url)
    found.ask("PATCH", "/users/me", {"name": "Ben"})
    return found


@pytest.fixture(scope="module")
def ada(browser: Browser, system: System) -> Iterator[Visitor]:
    """At a browser. Modules whose Ada has more have their own."""
    yield from visiting(browser, system.base_url, "Ada")


@pytest.fixture(scope="module")
def wire(system: System) -> Iterator[Wire]:
    """A network between browser and system that can be cut."""
    found = Wire(urlsplit(system.base_url).port or 80)
    yield found
    found.close()


@pytest.fixture
def secret_chat(browser: Browser, system: System, ben: Person) -> Iterator[Chat]:
    """Ada in a chat with Ben, where words are said that are to be kept secret."""
    for ada in visiting(browser, system.base_url, "Ada"):
        ada.page.goto(f"{ada.url}/new")
        ada.page.get_by_label("Name or phone number").fill(ben.phone)
        ada.page.get_by_role("button", name="Find this number").click()
        ada.writer().wait_for()
        chat_id = ada.page.url.rsplit("/", 1)[1]
        ben.say(chat_id, text(f"{SECRET} one"))
        ada.sees(f"{SECRET} one")
        yield ada, chat_id
