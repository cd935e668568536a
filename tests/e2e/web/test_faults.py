"""The web client when things go wrong: services killed while people talk, days offline, a full disk, a wrong clock, a
session ended from elsewhere, files that would do harm."""

import datetime
import re
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from bench.web import COUNT, DELAYS, Friend, in_thread
from playwright.sync_api import Browser, Page, expect
from tests.support.browser import KEPT, LEFT, Visitor, Wire, answering, eventually
from tests.support.people import Person
from tests.support.running import System
from tests.support.samples import picture

DAY_H = 24
WRONG_CLOCK = """
(() => {
  const Right = Date;
  globalThis.Date = class extends Right {
    constructor(...given) { if (given.length) super(...given); else super(Right.now() + %d * 3_600_000); }
    static now() { return Right.now() + %d * 3_600_000; }
  };
})();
"""


@pytest.fixture(scope="module")
def ben(browser: Browser, system: System, ada: Visitor) -> Iterator[Visitor]:
    yield from answering(browser, system.base_url, "Ben", ada)


def test_nothing_is_lost_when_services_are_killed_while_two_talk(ada: Visitor, ben: Visitor, system: System) -> None:
    wanted = {"Ada": ["Hello Ben"], "Ben": []}
    for name in ("message-1", "websocket-1", "gateway-1", "envoy"):
        for n in range(2):
            pid = system.kill(name) if n == 1 else 0
            for who in (ada, ben):
                for part in "ab":
                    who.write(f"{who.name} {name} {n}{part}")
                    wanted[who.name].append(f"{who.name} {name} {n}{part}")
        system.wait_replaced(name, pid)
    system.wait_ready()
    count = sum(map(len, wanted.values()))
    eventually(lambda: len(ada.said()) >= count and ada.said() == ben.said(), ada.page, 60)
    for who in (ada, ben):
        for name, texts in wanted.items():
            found = [text for text in who.said() if text in texts]
            assert found == texts, f"{name} on the screen of {who.name}"
        assert len(who.said()) == count
        expect(who.page.get_by_role("img", name="Waiting to be sent")).to_have_count(0)


def test_a_page_that_opens_without_its_server_says_so(browser: Browser, system: System) -> None:
    wire = Wire(urlsplit(system.base_url).port or 80)
    eve = Visitor(browser, wire.url, "Eve", system.base_url)
    eve.page.evaluate("async () => { await navigator.serviceWorker.ready; }")
    wire.cut()
    eve.page.reload()
    told = eve.page.get_by_role("status").get_by_text("The server does not answer")
    expect(told).to_be_visible()
    wire.mend()
    expect(told).to_have_count(0, timeout=30_000)
    eve.context.close()
    wire.close()


def test_ten_thousand_entries_of_a_week_offline_are_all_there_and_typing_goes_on(
    browser: Browser, system: System
) -> None:
    """The figures are in bench.web."""
    wire = Wire(urlsplit(system.base_url).port or 80)
    ida = Visitor(browser, wire.url, "Ida", system.base_url)
    friend = Friend(system.base_url, ida)
    in_thread(friend.begin(8))
    expect(ida.page.locator(".chat-row")).to_have_count(8)
    ida.open("Chat 7")
    held = ida.page.evaluate(COUNT)
    wire.cut()
    in_thread(friend.say(dict.fromkeys(friend.chats[:7], 1_420) | {friend.chats[7]: 60}))
    ida.writer().fill("a draft")
    ida.page.evaluate("window.bench = {}")
    ida.page.evaluate(DELAYS)
    wire.mend()
    ida.page.evaluate("dispatchEvent(new Event('online'))")
    ida.writer().press_sequentially(" goes on", delay=40)
    eventually(lambda: ida.page.evaluate(COUNT) == held + 10_000, ida.page, 60)
    assert ida.page.evaluate("bench.longest") < 1_000, "the page did not get to its keys"
    expect(ida.writer()).to_have_value("a draft goes on")
    for title in ("Everything", *(f"Chat {n}" for n in range(1, 7))):
        row = ida.page.locator(".chat-row", has=ida.page.get_by_text(title, exact=True))
        expect(row.locator(".badge")).to_have_text("999+", timeout=15_000)
    expect(ida.page.locator(".strip")).to_have_count(0)
    eventually(lambda: ida.page.title().startswith("(999+)"), ida.page)
    assert ida.errors == []
    ida.context.close()
    wire.close()


ROOM_BYTES = 8_000_000
FILL = """async () => {
    const ask = indexedDB.open('ballast', 1);
    ask.onupgradeneeded = () => ask.result.createObjectStore('it', { autoIncrement: true });
    const db = await new Promise((done) => { ask.onsuccess = () => done(ask.result); });
    const add = (size) => new Promise((done) => {
        const tx = db.transaction('it', 'readwrite');
        tx.objectStore('it').add(new Uint8Array(size).map(() => Math.random() * 256));
        tx.oncomplete = () => done(true);
        tx.onabort = () => done(false);
    });
    for (let size = 1 << 22; size >= 16; ) if (!(await add(size))) size >>= 1;
    db.close();
}"""
"""Until the browser takes not even 16 bytes more."""


def test_with_the_storage_full_nothing_written_is_lost(browser: Browser, system: System, ben: Visitor) -> None:
    sessions = []

    def little_room(page: Page, room: int | None = ROOM_BYTES) -> None:
        if not sessions:
            sessions.append(page.context.new_cdp_session(page))
        quota = {"quotaSize": room} if room else {}
        sessions[0].send("Storage.overrideQuotaForOrigin", {"origin": system.base_url, **quota})

    lou = Visitor(browser, system.base_url, "Lou", before=little_room)
    lou.begin(ben)
    lou.write("while there is room")
    ben.open("Lou")
    ben.sees("while there is room")
    lou.page.evaluate(FILL)
    little_room(lou.page, 1)  # what the browser frees by tidying up is no room either
    lou.writer().fill("no room for this")
    lou.writer().press("Enter")
    expect(lou.page.locator(".strip.warn")).to_contain_text("storage is full")
    expect(lou.page.locator(".toast")).to_contain_text("storage is full")
    expect(lou.writer()).to_have_value("no room for this")
    lou.writer().fill("")
    lou.page.get_by_role("button", name="Record a voice message").click()
    lou.page.wait_for_function("() => /0:0[1-9]/.test(document.querySelector('.recorder time')?.textContent)")
    lou.page.locator(".recorder").get_by_role("button", name="Send").click()
    expect(lou.page.locator(".toast")).to_contain_text("storage is full")
    ben.write("said meanwhile")
    little_room(lou.page, None)
    lou.sees("said meanwhile", timeout_s=20)
    lou.page.locator(".recorder").get_by_role("button", name="Send").click()  # it was kept
    expect(lou.page.locator(".recorder")).to_have_count(0)
    ben.page.locator(".message .voice").wait_for()
    lou.writer().fill("no room for this")
    lou.writer().press("Enter")
    ben.sees("no room for this")
    expect(lou.writer()).to_have_value("")
    expect(lou.page.locator(".strip.warn")).to_have_count(0)
    assert lou.said() == ben.said() == ["while there is room", "said meanwhile", "no room for this"]
    assert lou.errors == []
    lou.context.close()
    ben.open("Ada")


def test_a_part_that_does_not_load_can_be_asked_for_again(browser: Browser, system: System) -> None:
    ida = Visitor(browser, system.base_url, "Ida", service_workers="block")  # which would have it
    ida.page.route("**/assets/settings-*.js", lambda route: route.abort())
    ida.page.goto(f"{ida.url}/settings")
    again = ida.page.get_by_role("button", name="Try again")
    again.wait_for()
    ida.page.unroute_all()
    again.click()
    ida.page.get_by_role("heading", name="Settings", exact=True).wait_for()
    ida.context.close()


@pytest.mark.parametrize("hours", [-DAY_H, DAY_H])
def test_a_clock_wrong_by_a_day_changes_nothing(browser: Browser, system: System, ben: Visitor, hours: int) -> None:
    zoe = Visitor(
        browser, system.base_url, f"Zoe {hours}", before=lambda page: page.add_init_script(WRONG_CLOCK % (hours, hours))
    )
    zoe.begin(ben)
    zoe.write("one")
    ben.open(zoe.name)
    ben.sees("one")
    ben.write("two")
    zoe.sees("two")
    zoe.write("three")
    ben.sees("three")
    assert zoe.said() == ben.said() == ["one", "two", "three"]
    expect(zoe.page.locator(".date")).to_have_text(["Today"])
    expect(zoe.page.locator(".chat-row time").first).to_have_text(re.compile(r"^\d+:\d\d$"))
    for stamp in zoe.page.locator(".message time").all():
        at = datetime.datetime.fromisoformat(stamp.get_attribute("datetime") or "")
        assert abs(datetime.datetime.now(datetime.UTC) - at) < datetime.timedelta(minutes=5)
    zoe.menu("three", "Edit")  # it was written this minute, whatever the device believes
    zoe.write("four")
    ben.sees("four")
    assert zoe.errors == []
    zoe.context.close()
    ben.open("Ada")


def test_a_session_ended_from_elsewhere_leaves_nothing_in_any_tab(
    browser: Browser, system: System, ben: Visitor
) -> None:
    eve = Visitor(browser, system.base_url, "Eve")
    eve.begin(ben)
    eve.write("a note")
    eve.sees("a note")
    eve.writer().fill("half a note")
    assert "half a note" in eve.page.evaluate(LEFT)
    other = eve.tab()
    other.get_by_role("heading", name="Chats", exact=True).wait_for()
    device = Person(system.base_url, eve.phone)
    [session] = [one for one in device.ask("GET", "/auth/sessions")["items"] if not one["current"]]
    device.ask("DELETE", f"/auth/sessions/{session['id']}", gives=204)
    for page in (eve.page, other):
        expect(page.get_by_label("Phone number")).to_be_visible()
    eventually(lambda: eve.page.evaluate(KEPT) == 0, eve.page)
    assert eve.page.evaluate("localStorage.getItem('tidings-typed')") is None
    other.reload()
    expect(other.get_by_label("Phone number")).to_be_visible()
    eve.sign_in(other, new=False)
    other.reload()
    other.get_by_role("heading", name="Chats", exact=True).wait_for()
    expect(other.locator(".chat-row", has_text="Ben")).to_be_visible()
    assert eve.errors == []
    eve.context.close()


SCRIPT = "<script>alert(1);parent.alert(2)</script>"
NASTY = "</b><img src=x onerror=alert(3)>\u202egnp." + "W" * 150


def test_hostile_files_run_nothing_and_break_no_layout(ada: Visitor, ben: Visitor) -> None:
    drawing = f'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(4)"><desc/>{SCRIPT}</svg>'.encode()
    ben.attach("drawing.svg", "image/svg+xml", drawing)
    ada.sees("drawing.svg", timeout_s=20)
    ben.attach("page.html", "text/html", f"<!doctype html>{SCRIPT}".encode())
    ada.sees("page.html", timeout_s=20)
    ben.attach(f"{NASTY}.pdf", "application/pdf", b"%PDF-1.4 nothing")
    ada.sees("onerror=alert(3)", timeout_s=20)
    before = ada.page.locator(".message .picture").count()
    ben.attach(f"{NASTY}.png", "image/png", picture())
    expect(ada.page.locator(".message .picture")).to_have_count(before + 1, timeout=20_000)
    for name in ("drawing.svg", "page.html"):
        with ada.page.expect_download() as caught:  # kept as a file, never opened here
            ada.bubble(name).locator("button.document").click()
        assert caught.value.suggested_filename == name
    assert len(ada.context.pages) == 1
    for who in (ada, ben):
        assert who.page.locator(".thread script, .thread svg[onload], .thread img[src=x], .thread iframe").count() == 0
        assert who.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert who.page.locator(".scroller").evaluate("box => box.scrollWidth <= box.clientWidth")
    assert ada.errors == ben.errors == []
