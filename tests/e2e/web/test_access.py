"""The web client for those who do not see it or use no mouse: axe finds nothing, the keyboard reaches everything."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.support.browser import ROOT, Visitor
from tests.support.people import Person, new_phone
from tests.support.running import System
from tests.support.samples import picture

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


@pytest.fixture(scope="module")
def crowd(fay: Visitor, system: System) -> str:
    """A group with Fay in which everything was said that can be, each an answer to the one before. Its title."""
    hal, ivy = (Person(system.base_url) for _ in range(2))
    for person, name in ((hal, "Hal"), (ivy, "Ivy")):
        person.ask("PATCH", "/users/me", {"name": name})
    [synced] = hal.ask("POST", "/users/contacts/sync", {"phoneNumbers": [fay.phone]})["items"]
    body = {"type": "group", "name": "Everything", "participantIds": [synced["user"]["id"], ivy.id]}
    chat: str = hal.ask("POST", "/chats", body, gives=201)["id"]
    wave = b"RIFF" + (36).to_bytes(4, "little") + b"WAVEfmt " + bytes(32)

    def uploaded(person: Person, data: bytes) -> str:
        media_id: str = person.upload(data).raise_for_status().json()["id"]
        return media_id

    def contents(person: Person) -> list[dict[str, Any]]:
        photo = uploaded(person, picture(size=(320, 200)))
        options = [{"id": "1", "text": "Now"}, {"id": "2", "text": "Later"}]
        return [
            {"kind": "text", "text": "*bold* _italic_ `code` https://example.org"},
            {"kind": "image", "mediaId": photo, "width": 320, "height": 200, "caption": "From above"},
            {"kind": "document", "mediaId": uploaded(person, b"text"), "fileName": "notes.txt", "size": 4},
            {"kind": "voice", "mediaId": uploaded(person, wave), "durationMs": 4200, "waveform": list(range(64))},
            {"kind": "audio", "mediaId": uploaded(person, wave), "durationMs": 4200},
            {"kind": "sticker", "mediaId": uploaded(person, picture("WEBP"))},
            {"kind": "location", "lat": 52.5, "lon": 13.4, "name": "Berlin"},
            {"kind": "contact", "name": "Jo", "phones": ["+4915112345678"]},
            {"kind": "poll", "question": "When?", "options": options},
        ]

    before: dict[str, Any] = {}
    for ours, theirs in zip(contents(hal), contents(ivy), strict=True):
        for person, content in ((hal, ours), (ivy, theirs)):
            before = person.say(chat, content, **({"replyTo": before["messageId"]} if before else {}))
    ivy.ask("PUT", f"/messages/{before['messageId']}/reaction", {"emoji": "👍"})
    gone = ivy.say(chat, "a mistake")
    ivy.ask("DELETE", f"/messages/{gone['messageId']}", gives=204, **{"for": "everyone"})
    return "Everything"


# What fades in has not its colours yet.
SETTLED = """() => document.getAnimations().every((one) =>
    one.playState !== 'running' || one.effect.getComputedTiming().iterations === Infinity)"""


TINTS = 12
TINTED = """(n) => {
    for (const one of document.querySelectorAll('[class*=tint-]'))
        one.className = one.className.replace(/tint-\\d+/, `tint-${n}`);
}"""


def faults(page: Page, *rules: str) -> list[str]:
    """What axe complains of by these rules, or all, with where."""
    if not rules:
        page.wait_for_timeout(400)
    page.wait_for_function(SETTLED)
    page.evaluate(AXE.read_text())
    options = {"resultTypes": ["violations"]} | ({"runOnly": rules} if rules else {})
    found: dict[str, Any] = page.evaluate("(options) => axe.run(document, options)", options)
    return [f"{one['id']}: {node['html'][:160]}" for one in found["violations"] for node in one["nodes"]]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    "place",
    ["/", "chat", "info", "/settings", "/settings/profile", "/settings/looks", "/settings/privacy",
     "/settings/notifications", "/settings/devices", "/settings/lock", "/settings/blocked", "/new", "/new/group",
     "/starred"],
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
def test_axe_finds_nothing_in_any_kind_of_message_in_any_tint(fay: Visitor, crowd: str, scheme: Any) -> None:
    fay.page.emulate_media(color_scheme=scheme)
    fay.page.goto(fay.url)
    fay.open(crowd)
    fay.page.locator(".quote").last.wait_for()
    expect(fay.page.locator(".message")).to_have_count(19)
    assert faults(fay.page) == []
    for number in range(TINTS):
        fay.page.evaluate(TINTED, number)
        assert faults(fay.page, "color-contrast") == [], f"tint {number}"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_under_a_lock(browser: Browser, system: System, scheme: Any) -> None:
    hal = Visitor(browser, system.base_url, "Hal", bypass_csp=True, reduced_motion="reduce", color_scheme=scheme)
    page = hal.page
    page.goto(f"{hal.url}/settings/lock")
    page.get_by_label("Passphrase", exact=True).fill("correct horse")
    page.get_by_label("Repeat passphrase").fill("another horse")
    page.get_by_role("button", name="Set lock").click()
    expect(page.get_by_role("alert")).to_contain_text("differ")
    assert faults(page) == []
    page.get_by_label("Repeat passphrase").fill("correct horse")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Lock now").wait_for()
    assert faults(page) == []
    page.get_by_role("button", name="Change passphrase").click()
    page.locator("dialog").wait_for()
    assert faults(page) == []
    page.reload()
    expect(page.get_by_label("Passphrase")).to_be_focused()
    page.keyboard.type("wrong horse")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("not the passphrase")
    assert faults(page) == []
    page.get_by_role("button", name="Forgot it?").click()
    page.locator("dialog").wait_for()
    assert faults(page) == []
    hal.context.close()


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


@pytest.mark.parametrize("delivery", ["shown", "sms"])
def test_the_sign_in_page_says_where_the_code_is(browser: Browser, system: System, delivery: str) -> None:
    context = browser.new_context(bypass_csp=True, locale="en-GB", viewport={"width": 320, "height": 640})
    page = context.new_page()
    if delivery == "sms":
        told = {"expiresIn": 300, "resendAfter": 60, "delivery": "sms"}
        page.route("**/auth/request-otp", lambda route: route.fulfill(status=202, json=told))
    page.goto(system.base_url)
    expect(page.get_by_text("text message")).to_have_count(0)  # it is not known yet
    phone = new_phone()
    page.get_by_label("Phone number").fill(f"{phone[:6]} {phone[6:]}")
    page.get_by_role("button", name="Continue").click()
    page.get_by_label("Code").wait_for()
    if delivery == "sms":
        expect(page.get_by_text("We sent a code by text message")).to_be_visible()
        expect(page.locator("code")).to_have_count(0)
    else:
        expect(page.get_by_text("This server sends no text messages")).to_be_visible()
        expect(page.locator("code")).to_have_text(f"tidings code {phone}")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
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
