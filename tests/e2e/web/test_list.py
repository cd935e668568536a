"""The chat list of the web client, and the app around it: what each row tells, what can be done with it, ways about."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, Route, expect
from tests.support.browser import Visitor, eventually
from tests.support.browser import row as row_of
from tests.support.people import Person
from tests.support.running import System


@pytest.fixture(scope="module")
def ada(browser: Browser, system: System, ben: Person) -> Iterator[Visitor]:
    """With Ben in a direct chat and two groups."""
    found = Visitor(browser, system.base_url, "Ada")
    [synced] = ben.ask("POST", "/users/contacts/sync", {"phoneNumbers": [found.phone]})["items"]
    found.page.goto(f"{found.url}/new")
    found.page.get_by_label("Name or phone number").fill(ben.phone)
    found.page.get_by_role("button", name="Find this number").click()
    found.write("Hello Ben")
    found.sees("Hello Ben")
    for name in ("Choir", "Hikers"):
        ben.ask("POST", "/chats", {"type": "group", "name": name, "participantIds": [synced["user"]["id"]]}, gives=201)
        row(found, name).wait_for()
    yield found
    assert found.errors == []
    found.context.close()


def row(visitor: Visitor, title: str) -> Locator:
    return row_of(visitor.page, title)


def chat_of(ada: Visitor, title: str) -> str:
    return (row(ada, title).locator("a").get_attribute("href") or "").rpartition("/")[2]


def enter(ada: Visitor, title: str) -> None:
    row(ada, title).locator("a").click()
    ada.writer().wait_for()


def choose(ada: Visitor, title: str, item: str) -> None:
    row(ada, title).click(button="right")
    ada.page.get_by_role("menuitem", name=item, exact=True).click()


def titles(ada: Visitor) -> list[str]:
    return ada.page.locator(".chat-name").all_inner_texts()


@pytest.fixture(autouse=True)
def at_home(ada: Visitor) -> None:
    ada.page.goto(ada.url)
    row(ada, "Ben").wait_for()


def test_the_newest_is_first_and_what_is_pinned_before_it(ada: Visitor, ben: Person) -> None:
    ben.say(chat_of(ada, "Choir"), "sing")
    eventually(lambda: titles(ada)[0] == "Choir", ada.page)
    choose(ada, "Ben", "Pin chat")
    eventually(lambda: titles(ada)[:2] == ["Ben", "Choir"], ada.page)
    ada.page.reload()
    eventually(lambda: titles(ada)[:2] == ["Ben", "Choir"], ada.page)
    choose(ada, "Ben", "Unpin chat")
    eventually(lambda: titles(ada)[0] == "Choir", ada.page)


def test_a_muted_chat_has_a_grey_badge_and_is_not_counted_in_the_title(ada: Visitor, ben: Person) -> None:
    choose(ada, "Choir", "Mark as read")
    choose(ada, "Choir", "Mute always")
    ben.say(chat_of(ada, "Choir"), "again")
    expect(row(ada, "Choir").locator(".badge.grey")).to_have_text("1")
    expect(row(ada, "Choir")).to_contain_text("Ben: again")
    expect(ada.page).to_have_title("Tidings")
    choose(ada, "Choir", "Unmute")
    expect(row(ada, "Choir").locator(".badge.grey")).to_have_count(0)
    expect(ada.page).to_have_title("(1) Tidings")
    choose(ada, "Choir", "Mark as read")
    expect(row(ada, "Choir").locator(".badge")).to_have_count(0)


def test_an_archived_chat_goes_out_of_sight_until_asked_for(ada: Visitor) -> None:
    choose(ada, "Hikers", "Archive")
    expect(row(ada, "Hikers")).to_have_count(0)
    ada.page.get_by_role("button", name="Archived", exact=True).click()
    assert titles(ada) == ["Hikers"]
    choose(ada, "Hikers", "Unarchive")
    ada.page.get_by_role("button", name="All", exact=True).click()
    expect(row(ada, "Hikers")).to_be_visible()


def test_marked_unread_shows_until_it_is_opened_also_after_a_reload(ada: Visitor) -> None:
    choose(ada, "Ben", "Mark as unread")
    expect(row(ada, "Ben").locator(".badge")).to_be_visible()
    ada.page.reload()
    expect(row(ada, "Ben").locator(".badge")).to_be_visible()
    enter(ada, "Ben")
    expect(row(ada, "Ben").locator(".badge")).to_have_count(0)


def test_filters_show_what_they_say(ada: Visitor, ben: Person) -> None:
    ada.page.get_by_role("button", name="Groups", exact=True).click()
    assert sorted(titles(ada)) == ["Choir", "Hikers"]
    ben.say(chat_of(ada, "Hikers"), "up we go")
    ada.page.get_by_role("button", name="Unread", exact=True).click()
    eventually(lambda: titles(ada) == ["Hikers"], ada.page)
    choose(ada, "Hikers", "Mark as read")
    expect(ada.page.get_by_role("heading", name="Nothing here")).to_be_visible()
    ada.page.get_by_role("button", name="All", exact=True).click()


def test_the_row_tells_of_a_draft_and_of_typing(ada: Visitor, browser: Browser, system: System) -> None:
    enter(ada, "Ben")
    ada.writer().fill("half a thought")
    ada.page.get_by_role("heading", name="Chats", exact=True).click()
    enter(ada, "Choir")
    expect(row(ada, "Ben")).to_contain_text("Draft: half a thought")
    enter(ada, "Ben")
    ada.writer().fill("")
    enter(ada, "Choir")
    expect(row(ada, "Ben")).not_to_contain_text("Draft")
    carl = Visitor(browser, system.base_url, "Carl")
    carl.begin(ada)
    carl.write("Hello Ada")
    row(ada, "Carl").wait_for()
    carl.writer().press_sequentially("and")
    expect(row(ada, "Carl")).to_contain_text("typing")
    expect(row(ada, "Carl")).to_contain_text("Hello Ada", timeout=10_000)
    assert carl.errors == []
    carl.context.close()


def test_ctrl_k_goes_anywhere_and_a_link_opens_the_very_chat(ada: Visitor) -> None:
    ada.page.keyboard.press("Control+k")
    ada.page.get_by_role("combobox", name="Search").fill("hik")
    ada.page.keyboard.press("Enter")
    expect(ada.page.locator(".thread-head")).to_contain_text("Hikers")
    link = ada.page.url
    other = ada.tab("/settings")
    other.goto(link)
    expect(other.locator(".thread-head")).to_contain_text("Hikers")
    other.close()


def test_back_closes_one_layer_after_the_other(ada: Visitor) -> None:
    enter(ada, "Ben")
    chat = ada.page.url
    ada.page.locator(".thread-head .who").click()
    expect(ada.page.locator(".aside")).to_be_visible()
    ada.page.get_by_role("button", name="Media, links and documents").click()
    for shelf in ("Documents", "Links", "Voice", "Media"):
        ada.page.locator(".aside").get_by_role("button", name=shelf, exact=True).click()
        expect(ada.page.locator(".aside").get_by_role("heading", name="Nothing here")).to_be_visible()
    while ada.page.url != chat:
        ada.page.go_back()
    expect(ada.page.locator(".aside")).to_have_count(0)
    ada.page.go_back()
    expect(ada.writer()).to_have_count(0)


def test_text_grows_with_the_setting_and_the_theme_holds(ada: Visitor) -> None:
    ada.page.goto(f"{ada.url}/settings/looks")
    size = "parseFloat(getComputedStyle(document.querySelector('h1')).fontSize)"
    ada.page.get_by_role("heading", name="Looks and typing").wait_for()
    before = ada.page.evaluate(size)
    ada.page.get_by_label("Text size").select_option("130")
    assert ada.page.evaluate(size) == pytest.approx(before * 1.3, rel=0.02)
    assert ada.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    ada.page.get_by_label("Theme").select_option("dark")
    ada.page.reload()
    expect(ada.page.locator("html")).to_have_attribute("data-theme", "dark")
    ada.page.get_by_role("heading", name="Looks and typing").wait_for()
    assert ada.page.evaluate(size) == pytest.approx(before * 1.3, rel=0.02)
    ada.page.get_by_label("Text size").select_option("100")
    ada.page.get_by_label("Theme").select_option("system")


def test_the_row_of_a_group_names_who_spoke_last_though_it_was_never_opened(ada: Visitor, system: System) -> None:
    founder, speaker = Person(system.base_url), Person(system.base_url)
    speaker.ask("PATCH", "/users/me", {"name": "Ottilie Unknown"})
    [synced] = founder.ask("POST", "/users/contacts/sync", {"phoneNumbers": [ada.phone]})["items"]
    body = {"type": "group", "name": "Strangers", "participantIds": [synced["user"]["id"], speaker.id]}
    chat = founder.ask("POST", "/chats", body, gives=201)["id"]
    speaker.say(chat, "nobody here knows me")
    ada.page.goto(ada.url)
    expect(row(ada, "Strangers")).to_contain_text("Ottilie: nobody here knows me")


def test_the_line_of_presence_keeps_to_privacy(ada: Visitor, browser: Browser, system: System) -> None:
    dora = Visitor(browser, system.base_url, "Dora", service_workers="block")  # what it fetches cannot be held up
    dora.begin(ada)
    dora.write("Hello from Dora")
    row(ada, "Dora").wait_for()
    enter(ada, "Dora")
    expect(ada.page.locator(".thread-head small")).to_have_text("online")
    dora.page.goto(f"{dora.url}/settings/privacy")
    held: list[Route] = []
    asked: list[str] = []

    def hold_the_first(route: Route) -> None:
        if route.request.method == "PUT" and not held:
            held.append(route)
        else:
            route.continue_()

    dora.page.route("**/users/me/privacy", hold_the_first)
    dora.page.on("request", lambda it: asked.append(it.url) if it.method == "PUT" else None)
    selects = [dora.page.locator("label.setting", has_text=it).locator("select") for it in ("Online", "Last seen")]
    for select in selects:  # what was chosen first is said last, if both go at once
        select.select_option(label="Nobody")
    eventually(lambda: len(held) == 1, dora.page)
    dora.page.evaluate("fetch('/health').then((answer) => answer.text())")  # later than what goes at once
    assert len(asked) == 1
    held[0].continue_()
    eventually(lambda: len(asked) == 2, dora.page)
    expect(ada.page.locator(".thread-head .who")).to_have_text(re.compile("Dora"))
    expect(ada.page.locator(".thread-head small")).to_have_count(0)
    dora.page.reload()
    for select in selects:
        expect(select).to_have_value("nobody")
    assert dora.errors == []
    dora.context.close()


OFFER = """() => {
    const offer = new Event("beforeinstallprompt", { cancelable: true });
    offer.prompt = async () => { document.documentElement.dataset.installing = "yes"; };
    dispatchEvent(offer);
    return offer.defaultPrevented;
}"""


def test_installing_is_offered_to_who_wrote_and_asked_about_once(ada: Visitor) -> None:
    """The browser's offer is made by the test: Chromium makes none without a window."""
    question = ada.page.get_by_role("region", name="Install Tidings")
    ada.page.evaluate("localStorage.setItem('tidings.look', JSON.stringify({ askedNotify: true }))")
    ada.page.reload()
    row(ada, "Ben").wait_for()
    assert ada.page.evaluate(OFFER), "the browser would ask by itself, at once"
    enter(ada, "Ben")
    expect(question).to_have_count(0)
    ada.write("Here I am")
    expect(question).to_contain_text("Install Tidings as an app?")
    question.get_by_role("button", name="Not now").click()
    ada.page.reload()
    ada.write("Here I am again")
    ada.sees("Here I am again")
    ada.page.evaluate(OFFER)
    expect(question).to_have_count(0)
    ada.page.goto(f"{ada.url}/settings")
    ada.page.get_by_role("heading", name="Settings").wait_for()
    ada.page.evaluate(OFFER)
    ada.page.get_by_role("button", name="Install Tidings").click()
    expect(ada.page.locator("html")).to_have_attribute("data-installing", "yes")
    expect(ada.page.get_by_role("button", name="Install Tidings")).to_have_count(0)
    ada.page.evaluate("localStorage.setItem('tidings.look', JSON.stringify({ askedNotify: true }))")
    ada.page.goto(ada.url)
    enter(ada, "Ben")
    ada.write("Once more")
    ada.page.evaluate(OFFER)
    question.get_by_role("button", name="Install Tidings").click()
    ada.page.evaluate(OFFER)  # the person thought better of it, and the browser offers again
    expect(question).to_have_count(0)


def test_the_menu_of_a_chat_is_walked_by_keys(ada: Visitor, ben: Person) -> None:
    ada.page.goto(ada.url)
    row(ada, "Ben").locator("a").focus()
    row(ada, "Ben").get_by_role("button").focus()
    ada.page.keyboard.press("Enter")
    items = ada.page.get_by_role("menuitem")
    expect(items.first).to_be_focused()
    ada.page.keyboard.press("ArrowDown")
    expect(items.nth(1)).to_be_focused()
    ada.page.keyboard.press("End")
    expect(items.last).to_be_focused()
    ada.page.keyboard.press("Escape")
    expect(items).to_have_count(0)
    expect(row(ada, "Ben").get_by_role("button")).to_be_focused()


def test_a_long_list_is_drawn_as_far_as_it_is_looked_at(ada: Visitor, ben: Person) -> None:
    [synced] = ben.ask("POST", "/users/contacts/sync", {"phoneNumbers": [ada.phone]})["items"]
    for number in range(65):
        body = {"type": "group", "name": f"Club {number}", "participantIds": [synced["user"]["id"]]}
        ben.ask("POST", "/chats", body, gives=201)
    row(ada, "Club 64").wait_for()
    ada.page.reload()
    row(ada, "Club 64").wait_for()
    assert len(titles(ada)) == ada.page.evaluate("Math.ceil(2 * innerHeight / 64)"), "two screens"
    names = ada.page.locator(".chat-name")
    ada.page.locator(".chat-row a").first.focus()
    for _ in range(65 + 15):
        ada.page.keyboard.press("ArrowDown")
    eventually(lambda: {f"Club {number}" for number in range(65)} < set(names.all_text_contents()), ada.page)
    expect(ada.page.locator(".chat-row a").last).to_be_focused()
