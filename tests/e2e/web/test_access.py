"""The web client for those who do not see it or use no mouse: axe finds nothing, the keyboard reaches everything."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.support.browser import ROOT, Visitor
from tests.support.running import System

AXE = ROOT / "web" / "node_modules" / "axe-core" / "axe.min.js"


@pytest.fixture(scope="module")
def fay(browser: Browser, system: System) -> Iterator[Visitor]:
    """In a chat with somebody; the page lets in a script of ours."""
    other = Visitor(browser, system.base_url, "Gus")
    found = Visitor(browser, system.base_url, "Fay", bypass_csp=True, reduced_motion="reduce")
    found.begin(other)
    found.write("Hello *there*, see https://example.org")
    other.open("Fay")
    other.write("Hello yourself")
    found.sees("Hello yourself")
    yield found
    found.context.close()
    other.context.close()


# What fades in has not its colours yet.
SETTLED = """() => document.getAnimations().every((one) =>
    one.playState !== 'running' || one.effect.getComputedTiming().iterations === Infinity)"""


def faults(page: Page) -> list[str]:
    """What axe complains of, with where."""
    page.wait_for_timeout(400)
    page.wait_for_function(SETTLED)
    page.evaluate(AXE.read_text())
    found: dict[str, Any] = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [f"{one['id']}: {node['html'][:160]}" for one in found["violations"] for node in one["nodes"]]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    "place",
    ["/", "chat", "info", "/settings", "/settings/profile", "/settings/looks", "/settings/privacy",
     "/settings/notifications", "/settings/devices", "/settings/blocked", "/new", "/new/group", "/starred"],
)  # fmt: skip
def test_axe_finds_nothing(fay: Visitor, place: str, scheme: Any) -> None:
    fay.page.emulate_media(color_scheme=scheme)
    fay.page.goto(fay.url)
    fay.page.locator(".chat-row").first.wait_for()
    if place in ("chat", "info"):
        fay.open("Gus")
        if place == "info":
            fay.page.locator(".thread-head .who").click()
    else:
        fay.page.goto(fay.url + place)
    assert faults(fay.page) == []


def attach(fay: Visitor, item: str) -> None:
    fay.page.get_by_role("button", name="Attach", exact=True).click()
    fay.page.get_by_role("menuitem", name=item, exact=True).click()


def forward(fay: Visitor) -> None:
    fay.menu("Hello yourself", "Forward")
    fay.page.locator("dialog").wait_for()


def look_up(fay: Visitor) -> None:
    fay.page.goto(fay.url)
    fay.page.get_by_placeholder("Search chats and messages").fill("yourself")
    fay.page.locator("mark").first.wait_for()


LAYERS: dict[str, Callable[[Visitor], object]] = {
    "menu of a message": lambda fay: fay.bubble("Hello yourself").last.locator(".bubble").click(button="right"),
    "menu of the attachments": lambda fay: fay.page.get_by_role("button", name="Attach", exact=True).click(),
    "menu of the chat": lambda fay: fay.page.locator(".thread-head button").last.click(),
    "emoji": lambda fay: fay.page.get_by_role("button", name="Emoji", exact=True).click(),
    "poll": lambda fay: attach(fay, "Poll"),
    "contact": lambda fay: attach(fay, "Contact"),
    "forward": forward,
    "delete": lambda fay: fay.menu("Hello yourself", "Delete"),
    "selection": lambda fay: fay.menu("Hello yourself", "Select"),
    "reply": lambda fay: fay.menu("Hello yourself", "Reply"),
    "palette": lambda fay: fay.page.keyboard.press("Control+k"),
    "results": look_up,
}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("layer", LAYERS)
def test_axe_finds_nothing_in_what_opens_above(fay: Visitor, layer: str, scheme: Any) -> None:
    fay.page.emulate_media(color_scheme=scheme)
    fay.page.goto(fay.url)
    fay.open("Gus")
    fay.sees("Hello yourself")
    LAYERS[layer](fay)
    assert faults(fay.page) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_in_the_question_for_notifications(fay: Visitor, scheme: Any) -> None:
    fay.page.emulate_media(color_scheme=scheme)
    fay.page.goto(fay.url)
    fay.open("Gus")
    fay.page.evaluate("() => void Object.defineProperty(Notification, 'permission', { get: () => 'default' })")
    fay.write("Will you answer?")
    expect(fay.page.get_by_role("region", name="Notifications")).to_be_visible()
    assert faults(fay.page) == []


def test_axe_finds_nothing_before_signing_in(browser: Browser, system: System) -> None:
    context = browser.new_context(bypass_csp=True, locale="en-GB")
    page = context.new_page()
    page.goto(system.base_url)
    page.get_by_label("Phone number").wait_for()
    assert faults(page) == []
    page.goto(f"{system.base_url}/invite/abc")
    page.get_by_role("button", name="Sign in to join").wait_for()
    assert faults(page) == []
    context.close()


def test_the_keyboard_alone_opens_a_chat_writes_and_leaves(fay: Visitor) -> None:
    page = fay.page
    page.goto(fay.url)
    page.locator(".chat-row").first.wait_for()
    page.keyboard.press("Control+k")
    expect(page.get_by_role("combobox", name="Search")).to_be_focused()
    page.keyboard.type("gus")
    page.keyboard.press("Enter")
    fay.writer().wait_for()
    expect(fay.writer()).to_be_focused()
    page.keyboard.type("by keyboard")
    page.keyboard.press("Enter")
    fay.sees("by keyboard")
    page.keyboard.press("Escape")
    expect(fay.writer()).to_have_count(0)


def test_it_is_usable_on_a_screen_of_320_pixels(fay: Visitor) -> None:
    fay.page.set_viewport_size({"width": 320, "height": 640})
    for place in ("/", "/settings", "/new"):
        fay.page.goto(fay.url + place)
        fay.page.wait_for_timeout(300)
        assert fay.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), place
    fay.page.goto(fay.url)
    fay.open("Gus")
    assert fay.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    fay.page.set_viewport_size({"width": 1200, "height": 820})
