"""A thread of the web client: the composer, what can be done with messages, finding one's way among many."""

import re

import pytest
from playwright.sync_api import Route, expect
from tests.support.browser import Visitor, eventually
from tests.support.people import Person
from tests.support.samples import picture


@pytest.fixture(scope="module")
def group(ada: Visitor, ben: Person) -> str:
    """Of Ada, Ben and Kim; open before Ada."""
    kim = Person(ben.base_url)
    kim.ask("PATCH", "/users/me", {"name": "Kim"})
    [synced] = ben.ask("POST", "/users/contacts/sync", {"phoneNumbers": [ada.phone]})["items"]
    body = {"type": "group", "name": "Choir", "participantIds": [synced["user"]["id"], kim.id]}
    chat_id: str = ben.ask("POST", "/chats", body, gives=201)["id"]
    return chat_id


@pytest.fixture(autouse=True)
def opened(ada: Visitor, group: str) -> None:
    ada.page.goto(f"{ada.url}/chat/{group}")
    ada.writer().wait_for()


def test_enter_sends_and_shift_enter_begins_a_line(ada: Visitor) -> None:
    ada.writer().fill("first")
    ada.writer().press("Shift+Enter")
    ada.writer().press_sequentially("second")
    expect(ada.writer()).to_have_value("first\nsecond")
    ada.writer().press("Enter")
    expect(ada.bubble("first").last.locator(".text")).to_have_text("first\nsecond", use_inner_text=True)
    ada.page.goto(f"{ada.url}/settings/looks")
    ada.page.get_by_label("Enter sends").uncheck()
    ada.page.go_back()
    ada.writer().fill("third")
    ada.writer().press("Enter")
    expect(ada.writer()).to_have_value("third\n")
    ada.writer().fill("")
    ada.page.goto(f"{ada.url}/settings/looks")
    ada.page.get_by_label("Enter sends").check()


def test_text_is_formatted(ada: Visitor) -> None:
    ada.write("*bold* _slanted_ ~gone~ `code` https://example.org")
    bubble = ada.bubble("slanted").last
    for tag, text in (("strong", "bold"), ("em", "slanted"), ("s, del", "gone"), ("code", "code")):
        expect(bubble.locator(".text").locator(tag)).to_have_text(text)
    expect(bubble.locator("a[href='https://example.org']")).to_have_attribute("rel", re.compile("noopener"))


def test_somebody_is_mentioned_from_a_list(ada: Visitor, ben: Person, group: str) -> None:
    ada.writer().press_sequentially("look @be")
    expect(ada.page.get_by_role("option", name="Ben")).to_be_visible()
    ada.page.keyboard.press("Enter")
    expect(ada.writer()).to_have_value("look @Ben ")
    ada.writer().press("Enter")
    expect(ada.bubble("look @Ben").last.get_by_role("img", name=re.compile("Sent|Delivered|Read"))).to_be_visible()
    newest = ben.ask("GET", f"/chats/{group}/messages", limit=1)["items"][0]
    assert newest["mentions"] == [ben.id]


def test_members_that_come_after_the_at_sign_are_offered(ada: Visitor, group: str) -> None:
    held: list[Route] = []
    ada.page.route(f"**/chats/{group}/members*", lambda route: held.append(route))
    ada.page.goto(f"{ada.url}/settings/looks")
    forget = "(id) => new Promise((done) => { const open = indexedDB.open('tidings'); open.onsuccess = () => {"
    forget += "const tx = open.result.transaction('members', 'readwrite'); tx.objectStore('members').delete(id);"
    forget += "tx.oncomplete = () => { open.result.close(); done(); }; }; })"
    ada.page.evaluate(forget, group)
    ada.page.goto(f"{ada.url}/chat/{group}")
    ada.writer().press_sequentially("hi @be")
    eventually(lambda: bool(held), ada.page)
    expect(ada.page.get_by_role("option", name="Ben")).to_have_count(0)
    for route in held:
        route.continue_()
    expect(ada.page.get_by_role("option", name="Ben")).to_be_visible()
    ada.page.unroute(f"**/chats/{group}/members*")
    ada.writer().fill("")


def test_emoji_are_searched_and_the_last_ones_remembered(ada: Visitor) -> None:
    ada.page.get_by_role("button", name="Emoji", exact=True).click()
    ada.page.get_by_label("Search emoji").fill("octop")
    ada.page.locator(".emoji-grid button", has_text="🐙").click()
    expect(ada.writer()).to_have_value("🐙")
    ada.writer().press("Enter")
    expect(ada.bubble("🐙").last.locator(".jumbo")).to_be_visible()
    ada.page.reload()
    ada.page.get_by_role("button", name="Emoji", exact=True).click()
    expect(ada.page.locator(".emoji-grid button").first).to_have_text("🐙")


PASTE = """([box, bytes]) => {
    const data = new DataTransfer();
    data.items.add(new File([new Uint8Array(bytes)], 'pasted.png', { type: 'image/png' }));
    box.dispatchEvent(new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true }));
}"""


def test_a_pasted_picture_goes_and_zooms_and_is_on_the_shelf(ada: Visitor) -> None:
    ada.page.evaluate(PASTE, [ada.writer().element_handle(), list(picture())])
    ada.page.get_by_label("Add a caption").fill("From the clipboard")
    ada.page.keyboard.press("Enter")
    ada.bubble("From the clipboard").locator(".picture img").wait_for()
    box = ada.bubble("From the clipboard").locator(".picture").bounding_box()
    assert box
    assert box["height"] > 20
    expect(ada.bubble("From the clipboard").get_by_role("img", name=re.compile("Sent|Delivered|Read"))).to_be_visible()
    ada.bubble("From the clipboard").locator(".picture").click()
    shown = ada.page.locator(".viewer .stage img")
    shown.dblclick()
    expect(shown).to_have_attribute("style", re.compile(r"scale\(2\.5\)"))
    ada.page.keyboard.press("Escape")
    expect(ada.page.locator(".viewer")).to_have_count(0)
    ada.page.locator(".thread-head .who").click()
    ada.page.get_by_role("button", name="Media, links and documents").click()
    ada.page.locator(".aside .tiles button", has=ada.page.locator("img")).first.click()
    expect(ada.page.locator(".viewer")).to_contain_text("From the clipboard")
    ada.page.keyboard.press("Escape")


def test_days_are_told_apart_and_the_way_down_counts(ada: Visitor, ben: Person, group: str) -> None:
    for n in range(60):
        ben.say(group, f"line {n}")
    ada.page.reload()
    ada.sees("line 59")
    scroller = ada.page.locator(".scroller")
    expect(ada.page.locator(".message .text").last).to_have_text("line 59")
    scroller.evaluate("box => { box.scrollTop = box.scrollHeight }")
    expect(ada.page.locator(".to-end")).to_have_count(0)
    expect(ada.page.locator(".chat-row.unread", has_text="Choir")).to_have_count(0)  # the end was seen
    scroller.evaluate("box => { box.scrollTop = 200 }")
    expect(ada.page.locator(".to-end")).to_be_visible()
    date = ada.page.locator(".date").last.bounding_box()
    top = scroller.bounding_box()
    assert date
    assert top
    assert 0 <= date["y"] - top["y"] < 40, "the date stays at the top"
    expect(ada.page.locator(".date").last).to_have_text("Today")
    ben.say(group, "below")
    expect(ada.page.locator(".to-end .badge")).to_have_text("1")
    ada.page.get_by_role("button", name="To the newest message").click()
    expect(ada.bubble("below").last).to_be_in_viewport()
    expect(ada.page.locator(".to-end")).to_have_count(0)


def test_search_in_a_chat_goes_from_hit_to_hit(ada: Visitor, ben: Person, group: str) -> None:
    for text in ("the heron one", "the heron two", "the heron three"):
        ben.say(group, text)
    ada.sees("the heron three")
    ada.page.get_by_role("button", name="Search in chat").click()
    ada.page.get_by_label("Search in chat").fill("heron")
    count = ada.page.locator(".find .count")
    expect(count).to_have_text("1 of 3")
    expect(ada.bubble("heron three")).to_have_class(re.compile("flash"))
    ada.page.keyboard.press("Enter")
    expect(count).to_have_text("2 of 3")
    expect(ada.bubble("heron two")).to_have_class(re.compile("flash"))
    ada.page.get_by_role("button", name="Newer").click()
    expect(count).to_have_text("1 of 3")
    ada.page.get_by_role("button", name="Newer").click()
    expect(count).to_have_text("3 of 3")
    ada.page.keyboard.press("Escape")
    expect(ada.page.locator(".find")).to_have_count(0)
    expect(ada.writer()).to_be_visible()


def test_a_pinned_message_is_a_bar_that_leads_there(ada: Visitor, ben: Person, group: str) -> None:
    pinned = ben.say(group, "Rehearsal at seven")
    for n in range(40):
        ben.say(group, f"chatter {n}")
    ben.ask("PUT", f"/messages/{pinned['messageId']}/pin")
    ada.sees("chatter 39")
    bar = ada.page.locator(".pinned-bar")
    expect(bar).to_contain_text("Rehearsal at seven")
    ada.page.reload()
    expect(bar).to_contain_text("Rehearsal at seven")
    bar.click()
    expect(ada.bubble("Rehearsal at seven")).to_be_in_viewport()
    ada.menu("Rehearsal at seven", "Unpin")
    expect(bar).to_have_count(0)


def test_several_messages_are_chosen_and_forwarded(ada: Visitor, ben: Person, group: str) -> None:
    direct = ben.direct(Known(ada, ben))  # type: ignore[arg-type]
    ben.say(direct, "just us")
    for text in ("pack one", "pack two"):
        ada.write(text)
    expect(ada.bubble("pack two").last.get_by_role("img", name=re.compile("Sent|Delivered|Read"))).to_be_visible()
    ada.menu("pack one", "Select")
    ada.bubble("pack two").last.locator(".bubble").click()
    expect(ada.page.locator(".selecting")).to_contain_text("2 selected")
    ada.page.get_by_role("button", name="Forward", exact=True).click()
    ada.page.locator("dialog label", has_text="Ben").click()
    ada.page.locator("dialog").get_by_role("button", name="Send").click()
    expect(ada.page.locator(".thread-head")).to_contain_text("Ben")
    ada.sees("pack two")
    expect(ada.page.locator(".forwarded")).to_have_count(2)
    assert [text for text in ada.said() if text.startswith("pack")] == ["pack one", "pack two"]


class Known:
    """The visitor as somebody a chat can be begun with."""

    def __init__(self, visitor: Visitor, by: Person) -> None:
        [found] = by.ask("POST", "/users/contacts/sync", {"phoneNumbers": [visitor.phone]})["items"]
        self.id: str = found["user"]["id"]


def test_who_has_read_is_told_by_name(ada: Visitor, ben: Person, group: str) -> None:
    ada.write("Who reads this?")
    expect(ada.bubble("Who reads this?").get_by_role("img", name=re.compile("Sent|Delivered"))).to_be_visible()
    newest = ben.ask("GET", f"/chats/{group}/messages", limit=1)["items"][0]
    assert newest["content"]["text"] == "Who reads this?"
    ben.ask("POST", "/messages/read", {"messageIds": [newest["messageId"]]})

    def told() -> bool:
        ada.menu("Who reads this?", "Message info")
        dialog = ada.page.locator("dialog")
        dialog.get_by_text("Kim").wait_for()
        found = dialog.inner_text()
        ada.page.keyboard.press("Escape")
        return re.search(r"Read by\s+(B\s+)?Ben.*Not yet delivered\s+(K\s+)?Kim", found, re.DOTALL) is not None

    eventually(told, ada.page)


SWIPE = """(bubble) => {
    const { x, y } = bubble.getBoundingClientRect();
    const send = (type, dx) => bubble.dispatchEvent(new PointerEvent(type, { pointerType: 'touch', pointerId: 1,
        clientX: x + 20 + dx, clientY: y + 8, bubbles: true }));
    send('pointerdown', 0);
    for (const dx of [15, 40, 70]) send('pointermove', dx);
    send('pointerup', 70);
}"""


def test_a_swipe_answers(ada: Visitor, ben: Person, group: str) -> None:
    ben.say(group, "Swipe me")
    ada.sees("Swipe me")
    ada.bubble("Swipe me").locator(".bubble").evaluate(SWIPE)
    expect(ada.page.locator(".composer .above")).to_contain_text("Swipe me")
    ada.write("swiped")
    expect(ada.bubble("swiped").last.locator(".quote")).to_contain_text("Swipe me")
