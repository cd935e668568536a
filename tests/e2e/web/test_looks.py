"""How the web client looks: its main views beside stored pictures, in light, dark and Arabic, on a phone and a desktop.

`LOOKS_RENEW=1 make test ARGS=tests/e2e/web/test_looks.py` takes the pictures anew; look at them before they are kept.
Text is as wide as the fonts of the machine make it: where they are others than the pictures were taken with, nothing
can be compared, and the tests say so.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.support import looks
from tests.support.browser import Visitor
from tests.support.people import Person
from tests.support.running import System
from tests.support.samples import picture
from tests.support.waiting import wait_until

FONTS = looks.IMAGES / "fonts.json"
LOOKS = {
    "light": {"theme": "light", "locale": "en"},
    "dark": {"theme": "dark", "locale": "en"},
    "arabic": {"theme": "light", "locale": "ar"},
}
SIZES = {"phone": (390, 844), "desktop": (1440, 900)}
VIEWS = ["list", "chat", "info", "settings"]

UNDER_WAY = ".strip, .bar, .toast, .spinner, progress"
# Colours go by ids, which are new at each run.
STEADY = """
  *, *::before, *::after { --tint: #2a6fd6 !important; }
  ::-webkit-scrollbar { display: none; }
"""
# So do times and numbers of phones.
SAME_WORDS = r"""() => {
  const texts = document.createTreeWalker(document, NodeFilter.SHOW_TEXT);
  for (let node = texts.nextNode(); node; node = texts.nextNode())
    node.data = node.data
      .replace(/\p{Nd}{1,2}:\p{Nd}{2}([\s\u202f]*([AP]M|[صم](?!\p{L})))?/gu, '12:34')
      .replace(/\+49[\d\s]{8,}/g, '+49 151 00000000');
}"""
WIDTHS = """() => {
  const pen = document.createElement('canvas').getContext('2d');
  pen.font = '64px ' + getComputedStyle(document.body).fontFamily;
  return ['Hamburgefonstiv 0123', 'مرحبا بالعالم', '👍🎉'].map((text) => Math.round(pen.measureText(text).width));
}"""


def named(system: System, name: str) -> Person:
    found = Person(system.base_url)
    found.ask("PATCH", "/users/me", {"name": name})
    return found


def text(words: str) -> dict[str, str]:
    return {"kind": "text", "text": words}


@pytest.fixture(scope="module")
def ada(browser: Browser, system: System) -> Iterator[Visitor]:
    """With four chats, the last of them a group in which much was said."""
    found = Visitor(browser, system.base_url, "Ada", bypass_csp=True, reduced_motion="reduce")
    ben, layla, joan = (named(system, name) for name in ("Ben Okafor", "ليلى حداد", "Joan"))
    [synced] = ben.ask("POST", "/users/contacts/sync", {"phoneNumbers": [found.phone]})["items"]
    me: str = synced["user"]["id"]
    for person, words in ((joan, "See you *tomorrow*"), (layla, "صباح الخير، كيف حالك؟"), (ben, "Are you coming?")):
        chat = person.ask("POST", "/chats", {"type": "direct", "userId": me}, gives=201)["id"]
        person.say(chat, text(words))
    body = {"type": "group", "name": "Choir", "participantIds": [me, layla.id, joan.id]}
    choir = ben.ask("POST", "/chats", body, gives=201)["id"]
    first = ben.say(choir, text("Shall we sing *on Friday*?"))
    layla.say(choir, text("نعم، في الساعة السابعة"))
    joan.say(choir, text("Fine with me 🎉"), replyTo=first["messageId"])
    found.open("Choir")
    found.write("I bring the notes, _all_ of them")
    found.sees("I bring the notes")
    found.attach("cover.png", "image/png", picture(size=(480, 300)))
    found.page.locator(".message .media-box img, .message img").last.wait_for()
    wait_until(lambda: ben.chat(choir)["lastMessage"]["content"]["kind"] == "image", "the picture is sent")
    ben.say(choir, text("Thank you"))
    found.sees("Thank you")
    yield found
    assert found.errors == []
    found.context.close()


@pytest.fixture(scope="module", autouse=True)
def fonts(ada: Visitor) -> None:
    widths = ada.page.evaluate(WIDTHS)
    if looks.RENEW:
        FONTS.write_text(json.dumps(widths) + "\n")
    if json.loads(FONTS.read_text()) != widths:
        pytest.skip("other fonts than the pictures were taken with; LOOKS_RENEW=1 takes them anew")


def dress(page: Page, look: str, size: str) -> None:
    width, height = SIZES[size]
    page.set_viewport_size({"width": width, "height": height})
    page.evaluate("(look) => localStorage.setItem('tidings.look', look)", json.dumps(LOOKS[look]))


def show(ada: Visitor, view: str) -> None:
    """The view, with everything it holds loaded."""
    page = ada.page
    page.goto(ada.url if view == "list" else f"{ada.url}/settings" if view == "settings" else page.url)
    if view in ("list", "settings"):
        page.locator(".chat-row" if view == "list" else ".side .row").first.wait_for()
    else:
        page.goto(ada.url)
        ada.open("Choir")
        page.locator(".message", has_text="Thank you").wait_for()
        if view == "info":
            page.locator(".thread-head .who").click()
            page.locator(".aside").get_by_text("Joan").wait_for()


def shot(page: Page) -> bytes:
    page.mouse.move(0, 0)
    expect(page.locator(UNDER_WAY)).to_have_count(0)
    page.wait_for_function("() => document.fonts.status === 'loaded'")
    page.wait_for_function("() => [...document.images].every((one) => one.complete && one.naturalWidth)")
    page.evaluate(SAME_WORDS)
    return page.screenshot(style=STEADY, animations="disabled", caret="hide")


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("view", VIEWS)
def test_it_looks_as_it_did(ada: Visitor, view: str, look: str, size: str) -> None:
    dress(ada.page, look, size)
    show(ada, view)
    assert looks.differs(f"{view}-{look}-{size}", shot(ada.page)) == ""


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("look", LOOKS)
def test_the_way_in_looks_as_it_did(browser: Browser, system: System, look: str, size: str) -> None:
    context = browser.new_context(bypass_csp=True, locale="en-GB", reduced_motion="reduce")
    page = context.new_page()
    page.goto(system.base_url)
    dress(page, look, size)
    page.reload()
    page.locator("input[type=tel]").wait_for()
    assert looks.differs(f"signin-{look}-{size}", shot(page)) == ""
    context.close()


@pytest.mark.skipif(looks.RENEW, reason="the pictures are being taken")
@pytest.mark.parametrize(
    ("view", "look", "change"),
    [
        ("list", "light", ":root { --accent: #b3267a !important; }"),
        ("chat", "light", ".main { translate: 12px 0; }"),
        ("list", "dark", ".side .chats { translate: 0 12px; }"),
        ("list", "arabic", ".side { direction: ltr; }"),
    ],
)
def test_a_fault_in_looks_is_found(
    ada: Visitor, view: str, look: str, change: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setattr(looks, "FAILED", tmp_path)
    dress(ada.page, look, "desktop")
    show(ada, view)
    ada.page.add_style_tag(content=change)
    assert re.search("differs by", looks.differs(f"{view}-{look}-desktop", shot(ada.page)))
    assert {one.suffix for one in tmp_path.iterdir()} == {".png"}
