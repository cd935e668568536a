"""What lies on a page of the web client: Back closes it, and focus is where it was."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.support.browser import Visitor, row
from tests.support.people import Person
from tests.support.running import System


@pytest.fixture(scope="module")
def ada(browser: Browser, system: System, ben: Person) -> Iterator[Visitor]:
    """In a chat with Ben and in a group of his."""
    found = Visitor(browser, system.base_url, "Ada")
    [synced] = ben.ask("POST", "/users/contacts/sync", {"phoneNumbers": [found.phone]})["items"]
    for body in (
        {"type": "direct", "userId": synced["user"]["id"]},
        {"type": "group", "name": "Choir", "participantIds": [synced["user"]["id"]]},
    ):
        chat = ben.ask("POST", "/chats", body, gives=201)["id"]
        ben.say(chat, {"kind": "text", "text": "Hello Ada"})
    row(found.page, "Choir").wait_for()
    yield found
    assert found.errors == []
    found.context.close()


@pytest.fixture
def page(ada: Visitor) -> Page:
    """The list, reached without a page before it."""
    ada.page.goto(ada.url)
    row(ada.page, "Ben").wait_for()
    return ada.page


def enter(page: Page, title: str) -> str:
    row(page, title).locator("a").click()
    page.locator(".composer textarea").wait_for()
    return page.url


def test_back_closes_a_menu_and_then_leaves_the_page(page: Page, ada: Visitor) -> None:
    chat = enter(page, "Ben")
    menu = page.get_by_role("menu")
    page.locator(".thread-head").get_by_role("button", name="Menu").click()
    expect(menu).to_be_visible()
    page.go_back()
    expect(menu).to_have_count(0)
    assert page.url == chat
    # One that was closed otherwise leaves nothing to go back over.
    page.locator(".thread-head").get_by_role("button", name="Menu").click()
    page.get_by_role("menu").wait_for()
    page.keyboard.press("Escape")
    expect(menu).to_have_count(0)
    page.go_back()
    expect(page).to_have_url(f"{ada.url}/")


@pytest.mark.parametrize("what", ["palette", "search", "selection", "emoji", "question"])
def test_back_closes_what_lies_on_a_chat(page: Page, what: str) -> None:
    chat = enter(page, "Ben")
    if what == "palette":
        page.keyboard.press("Control+k")
        layer = page.get_by_role("dialog", name="Go to chat")
    elif what == "search":
        page.locator(".thread-head").get_by_role("button", name="Search in chat").click()
        layer = page.locator(".find")
    elif what == "emoji":
        page.get_by_role("button", name="Emoji").click()
        layer = page.locator(".emoji-panel")
    else:
        page.locator(".bubble", has_text="Hello Ada").click(button="right")
        page.get_by_role("menuitem", name="Select" if what == "selection" else "Delete").click()
        layer = page.locator(".selecting") if what == "selection" else page.get_by_role("dialog")
    expect(layer).to_be_visible()
    page.go_back()
    expect(layer).to_have_count(0)
    assert page.url == chat


def test_the_head_of_a_chat_leads_back_whatever_lies_on_it(page: Page, ada: Visitor) -> None:
    enter(page, "Ben")
    page.get_by_role("button", name="Emoji").click()
    page.locator(".emoji-panel").wait_for()
    page.set_viewport_size({"width": 390, "height": 800})
    try:
        page.locator(".thread-head").get_by_role("button", name="Back").click()
        expect(page).to_have_url(f"{ada.url}/")
    finally:
        page.set_viewport_size({"width": 1200, "height": 820})


def test_a_page_that_was_opened_by_its_address_is_left_for_the_list(page: Page, ada: Visitor) -> None:
    enter(page, "Ben")
    page.reload()
    page.goto(page.url + "/info")
    page.locator(".aside").wait_for()
    page.locator(".thread-head").get_by_role("button", name="Menu").click()
    page.get_by_role("menu").wait_for()
    page.keyboard.press("Escape")
    page.locator(".aside").get_by_role("button", name="Back").click()
    expect(page.locator(".aside")).to_have_count(0)
    expect(page.locator(".composer textarea")).to_be_visible()


def test_focus_is_where_it_was_before_something_opened(page: Page) -> None:
    link = row(page, "Ben").locator("a")
    link.focus()
    page.keyboard.press("Control+k")
    expect(page.get_by_role("combobox", name="Search")).to_be_focused()
    page.keyboard.press("Escape")
    expect(link).to_be_focused()

    page.get_by_role("button", name="Settings").first.click()
    page.get_by_role("button", name="Sign out").focus()
    page.keyboard.press("Enter")
    page.get_by_role("dialog").wait_for()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Sign out")).to_be_focused()
    page.go_back()
    expect(page.locator(".list-head .me")).to_be_focused()


def test_a_question_that_a_menu_asked_gives_focus_back_to_its_button(page: Page) -> None:
    enter(page, "Ben")
    message = page.locator(".message", has_text="Hello Ada")
    message.hover()
    button = message.get_by_role("button", name="Message options")
    button.focus()
    page.keyboard.press("Enter")
    page.get_by_role("menuitem", name="Delete").click()
    page.get_by_role("dialog").wait_for()
    page.keyboard.press("Escape")
    expect(button).to_be_focused()


def test_who_leaves_a_chat_is_at_its_row(page: Page) -> None:
    enter(page, "Ben")
    page.keyboard.press("Escape")
    expect(row(page, "Ben").locator("a")).to_be_focused()
    page.keyboard.press("Control+k")
    page.get_by_role("combobox", name="Search").fill("choir")
    page.keyboard.press("Enter")
    expect(page.locator(".thread-head")).to_contain_text("Choir")
    page.locator(".composer textarea").focus()
    page.keyboard.press("Escape")
    expect(row(page, "Choir").locator("a")).to_be_focused()


def test_a_panel_that_opens_has_focus(page: Page) -> None:
    page.get_by_role("button", name="Settings").first.click()
    expect(page.locator(".panel-head").get_by_role("button", name="Back")).to_be_focused()
    page.get_by_role("button", name="Privacy").click()
    expect(page.get_by_role("heading", name="Privacy")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("heading", name="Settings")).to_be_visible()


def test_when_a_row_goes_the_next_one_has_focus(page: Page) -> None:
    first = page.locator(".chat-row").first
    name = first.locator(".chat-name").inner_text()
    first.get_by_role("button").focus()
    page.keyboard.press("Enter")
    page.get_by_role("menuitem", name="Archive").focus()
    page.keyboard.press("Enter")
    expect(row(page, name)).to_have_count(0)
    expect(page.locator(".chat-row a").first).to_be_focused()
    page.get_by_role("button", name="Archived").click()
    row(page, name).click(button="right")
    page.get_by_role("menuitem", name="Unarchive").click()
    page.get_by_role("button", name="All", exact=True).click()
    row(page, name).wait_for()


def test_ctrl_k_takes_the_place_of_a_menu(page: Page) -> None:
    row(page, "Ben").click(button="right")
    page.get_by_role("menu").wait_for()
    page.keyboard.press("Control+k")
    expect(page.get_by_role("combobox", name="Search")).to_be_focused()
    expect(page.get_by_role("menu")).to_have_count(0)
    page.keyboard.press("Escape")


def test_emoji_by_keyboard(page: Page) -> None:
    chat = enter(page, "Ben")
    page.get_by_role("button", name="Emoji").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("searchbox", name="Search emoji")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator(".emoji-panel")).to_have_count(0)
    expect(page.locator(".composer textarea")).to_be_focused()
    assert page.url == chat


def test_home_and_end_go_through_the_list(page: Page) -> None:
    page.locator(".chat-row a").first.focus()
    page.keyboard.press("End")
    expect(page.locator(".chat-row a").last).to_be_focused()
    page.keyboard.press("Home")
    expect(page.locator(".chat-row a").first).to_be_focused()


def test_a_touch_at_the_end_of_a_row_opens_the_chat_and_one_that_is_held_its_menu(
    browser: Browser, system: System, ben: Person
) -> None:
    eve = Visitor(
        browser, system.base_url, "Eve", viewport={"width": 390, "height": 800}, has_touch=True, is_mobile=True
    )
    [synced] = ben.ask("POST", "/users/contacts/sync", {"phoneNumbers": [eve.phone]})["items"]
    chat = ben.ask("POST", "/chats", {"type": "direct", "userId": synced["user"]["id"]}, gives=201)["id"]
    ben.say(chat, {"kind": "text", "text": "Hello"})
    box = row(eve.page, "Ben").bounding_box()
    assert box
    x, y = box["x"] + box["width"] - 24, box["y"] + box["height"] - 20
    eve.page.touchscreen.tap(x, y)
    expect(eve.page).to_have_url(f"{eve.url}/chat/{chat}")
    eve.page.go_back()
    row(eve.page, "Ben").wait_for()
    hand = eve.context.new_cdp_session(eve.page)
    hand.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]})
    expect(eve.page.get_by_role("menu")).to_be_visible()
    hand.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    eve.page.get_by_role("menuitem", name="Pin chat").click()
    expect(row(eve.page, "Ben").locator(".chat-bottom > .icon")).to_be_visible()
    assert eve.page.url == f"{eve.url}/"
    assert eve.errors == []
    eve.context.close()


@pytest.mark.parametrize("size", [(1200, 820), (390, 800)])
def test_a_link_to_a_chat_of_others_says_so_and_leads_away(
    page: Page, ada: Visitor, ben: Person, size: tuple[int, int]
) -> None:
    page.set_viewport_size({"width": size[0], "height": size[1]})
    try:
        theirs = ben.ask("POST", "/chats", {"type": "group", "name": "Theirs", "participantIds": []}, gives=201)["id"]
        page.goto(f"{ada.url}/chat/{theirs}")
        thread = page.locator(".thread")
        expect(thread).to_contain_text("That does not exist any more.")
        thread.get_by_role("button", name="Chats").click()
        expect(page).to_have_url(f"{ada.url}/")
        row(page, "Ben").wait_for()
    finally:
        page.set_viewport_size({"width": 1200, "height": 820})
