"""Without a network: what can be seen and chosen all the same, and what becomes of it when the network is back."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, expect
from tests.support.browser import Visitor, Wire, eventually, row
from tests.support.people import Person
from tests.support.running import System


@pytest.fixture(scope="module")
def ada(browser: Browser, system: System, ben: Person, wire: Wire) -> Iterator[Visitor]:
    """In two groups of Ben's, behind a network that can be cut."""
    found = Visitor(browser, wire.url, "Ada", system.base_url)
    [synced] = ben.ask("POST", "/users/contacts/sync", {"phoneNumbers": [found.phone]})["items"]
    for name in ("Choir", "Hikers"):
        body = {"type": "group", "name": name, "participantIds": [synced["user"]["id"]]}
        chat = ben.ask("POST", "/chats", body, gives=201)["id"]
        ben.say(chat, {"kind": "text", "text": f"Welcome to {name}"})
        row(found.page, name).wait_for()
        found.open(name)
        found.sees(f"Welcome to {name}")
    arrive(found)
    expect(found.page.locator(".badge")).to_have_count(0)
    found.page.evaluate("async () => { await navigator.serviceWorker.ready; }")
    yield found
    assert found.errors == []
    found.context.close()


@pytest.fixture
def away(ada: Visitor, wire: Wire) -> Iterator[Page]:
    """Ada's page while nothing gets through."""
    wire.cut()
    strip(ada.page).wait_for()
    yield ada.page
    wire.mend()
    back(ada.page)


def strip(page: Page) -> Locator:
    return page.locator(".side .strip")


def arrive(visitor: Visitor) -> None:
    """At the list, and connected: a page whose network is cut before loses the answer that renews its session, and with
    it the session (a refresh token is good for once)."""
    ready: list[str | bytes] = []
    visitor.page.once("websocket", lambda opened: opened.on("framereceived", lambda frame: ready.append(frame)))
    visitor.page.goto(visitor.url)
    eventually(lambda: bool(ready), visitor.page, 30)


def back(page: Page) -> None:
    """The person does not wait for the next try, unless that is what just happens."""
    page.evaluate("document.querySelector('.side .strip button')?.click()")
    expect(strip(page)).to_have_count(0, timeout=30_000)


def choose(page: Page, title: str, item: str) -> None:
    row(page, title).click(button="right")
    page.get_by_role("menuitem", name=item, exact=True).click()


def test_what_is_chosen_for_a_chat_waits_and_is_told_later(
    ada: Visitor, away: Page, wire: Wire, system: System
) -> None:
    chat = (row(away, "Choir").locator("a").get_attribute("href") or "").rpartition("/")[2]
    choose(away, "Choir", "Pin chat")
    choose(away, "Choir", "Mark as unread")
    choose(away, "Hikers", "Archive")
    expect(row(away, "Choir").locator(".badge")).to_be_visible()
    expect(row(away, "Hikers")).to_have_count(0)
    expect(strip(away)).to_contain_text("2 waiting")
    away.reload()
    row(away, "Choir").wait_for()
    expect(away.locator(".chat-name").first).to_have_text("Choir")
    expect(row(away, "Choir").locator(".badge")).to_be_visible()
    expect(row(away, "Hikers")).to_have_count(0)
    strip(away).wait_for()
    choose(away, "Choir", "Unpin chat")  # thought better of it
    wire.mend()
    back(away)
    phone = Person(system.base_url, ada.phone)
    eventually(lambda: phone.chat(chat)["settings"]["markedUnread"], away)
    assert phone.chat(chat)["settings"]["pinned"] is False
    eventually(lambda: [c["name"] for c in archived(phone)] == ["Hikers"], away)
    expect(row(away, "Hikers")).to_have_count(0)
    away.get_by_role("button", name="Archived").click()
    choose(away, "Hikers", "Unarchive")
    away.get_by_role("button", name="All", exact=True).click()
    choose(away, "Choir", "Mark as read")
    eventually(lambda: not archived(phone), away)


def archived(person: Person) -> list[dict[str, object]]:
    chats: list[dict[str, object]] = [c for c in person.ask("GET", "/chats")["items"] if c["settings"]["archived"]]
    return chats


def test_what_is_refused_is_as_it_was(ada: Visitor) -> None:
    page = ada.page
    page.route("**/api/v1/chats/*/settings", lambda route: route.fulfill(status=403, json={"code": "forbidden"}))
    choose(page, "Choir", "Pin chat")
    expect(page.locator(".toast")).to_be_visible()
    expect(row(page, "Choir").locator(".chat-bottom > .icon")).to_have_count(0)
    page.unroute("**/api/v1/chats/*/settings")


def test_what_was_chosen_in_a_tab_that_is_gone_is_told_all_the_same(ada: Visitor, system: System) -> None:
    other = ada.tab()
    row(other, "Hikers").wait_for()
    other.route("**/api/v1/chats/*/settings", lambda route: route.abort())
    choose(other, "Hikers", "Pin chat")
    expect(row(other, "Hikers").locator(".chat-bottom > .icon")).to_be_visible()
    other.close()
    phone = Person(system.base_url, ada.phone)
    eventually(lambda: [c["name"] for c in phone.ask("GET", "/chats")["items"] if c["settings"]["pinned"]], ada.page)
    expect(row(ada.page, "Hikers").locator(".chat-bottom > .icon")).to_be_visible()
    choose(ada.page, "Hikers", "Unpin chat")


def test_what_was_starred_is_there(ada: Visitor, wire: Wire) -> None:
    ada.open("Choir")
    ada.menu("Welcome to Choir", "Star")
    expect(ada.page.locator(".toast")).to_be_visible()
    ada.page.goto(f"{ada.url}/starred")
    expect(ada.page.locator(".panel-body .row")).to_contain_text("Welcome to Choir")
    wire.cut()
    ada.page.goto(f"{ada.url}/starred")
    expect(ada.page.locator(".panel-body .row")).to_contain_text("Welcome to Choir")
    ada.page.goto(ada.url)
    ada.open("Choir")
    ada.menu("Welcome to Choir", "Delete")
    ada.page.get_by_role("dialog").get_by_role("button", name="Delete for me").click()
    expect(ada.bubble("Welcome to Choir")).to_have_count(0)
    ada.page.goto(f"{ada.url}/starred")
    expect(ada.page.get_by_role("heading", name="Nothing starred")).to_be_visible()
    wire.mend()
    arrive(ada)


def test_a_star_that_was_set_without_a_network_is_told_later(ada: Visitor, wire: Wire, system: System) -> None:
    phone = Person(system.base_url, ada.phone)

    def starred() -> list[str]:
        return [message["content"]["text"] for message in phone.ask("GET", "/messages/starred")["items"]]

    ada.open("Hikers")
    wire.cut()
    ada.menu("Welcome to Hikers", "Star")
    expect(ada.bubble("Welcome to Hikers").locator(".meta .icon").first).to_be_visible()
    ada.page.goto(f"{ada.url}/starred")
    expect(ada.page.locator(".panel-body .row")).to_contain_text("Welcome to Hikers")
    assert "Welcome to Hikers" not in starred()
    wire.mend()
    eventually(lambda: "Welcome to Hikers" in starred(), ada.page)
    arrive(ada)


@pytest.mark.parametrize("place", ["privacy", "devices", "blocked"])
def test_what_only_the_server_knows_says_so_and_comes_with_the_network(
    ada: Visitor, away: Page, wire: Wire, place: str
) -> None:
    away.goto(f"{ada.url}/settings/{place}")
    panel = away.locator(".panel-body")
    expect(panel).to_contain_text("No connection")
    wire.mend()
    expect(panel).not_to_contain_text("No connection", timeout=30_000)
    expect(panel.locator(".spinner")).to_have_count(0)
    away.goto(ada.url)


def test_a_chat_on_a_phone_says_that_there_is_no_network(ada: Visitor, away: Page) -> None:
    away.set_viewport_size({"width": 390, "height": 800})
    ada.open("Choir")
    ada.write("Can you hear me?")
    told = away.locator(".thread .strip")
    expect(told).to_contain_text("The server does not answer")
    expect(told).to_contain_text("1 waiting")
    away.set_viewport_size({"width": 1200, "height": 820})
    expect(told).to_be_hidden()
