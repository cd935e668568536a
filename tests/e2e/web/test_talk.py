"""The web client in a real browser, through the gateway of a whole system."""

import re
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, Response, Route, expect
from tests.support.browser import KEPT, Visitor, Wire, answering, eventually, visiting
from tests.support.running import System


@pytest.fixture(scope="module")
def ada(browser: Browser, wire: Wire, system: System) -> Iterator[Visitor]:
    """Her network can be cut."""
    yield from visiting(browser, wire.url, "Ada", system.base_url)


@pytest.fixture(scope="module")
def ben(browser: Browser, system: System, ada: Visitor) -> Iterator[Visitor]:
    yield from answering(browser, system.base_url, "Ben", ada)


@pytest.fixture(autouse=True)
def _connected(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "wire" in request.fixturenames:
        request.getfixturevalue("wire").mend()


def picture(edge: int = 320) -> bytes:
    """A PNG of one colour."""
    rows = b"".join(b"\0" + bytes([20, 140, 130]) * edge for _ in range(edge))

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", edge, edge, 8, 2, 0, 0, 0)
    packed = zlib.compress(rows)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def has_read_all(visitor: Visitor) -> None:
    expect(visitor.page.locator(".chat-row", has_text="Ben").locator(".badge")).to_have_count(0)


def test_two_people_chat_and_ticks_tell_how_far_it_went(ada: Visitor, ben: Visitor) -> None:
    ben.page.bring_to_front()
    ada.write("Shall we *meet*?")
    ben.sees("Shall we meet?")
    expect(ben.bubble("Shall we").locator("strong")).to_have_text("meet")
    ben.write("At noon")
    ada.sees("At noon")
    expect(ada.bubble("Shall we").get_by_role("img", name="Read")).to_be_visible(timeout=10_000)
    expect(ada.page.locator(".chat-row", has_text="Ben")).to_contain_text("At noon")


def test_presence_is_told_after_a_reload(ada: Visitor, ben: Visitor) -> None:
    for visitor in (ada, ben):
        visitor.page.reload()
        expect(visitor.page.locator(".thread-head small")).to_have_text("online")


def test_typing_is_told(ada: Visitor, ben: Visitor) -> None:
    ben.writer().press_sequentially("thinking")
    expect(ada.page.locator(".thread-head")).to_contain_text("typing")
    ben.writer().fill("")


def test_edits_reactions_and_deletions_show_for_the_other(ada: Visitor, ben: Visitor) -> None:
    ada.write("At eleven")
    expect(ada.bubble("At eleven").get_by_role("img", name=re.compile("Sent|Delivered|Read"))).to_be_visible()
    ada.menu("At eleven", "Edit")
    ada.write("At twelve")
    ben.sees("At twelve")
    expect(ben.bubble("At twelve")).to_contain_text("edited")
    ben.bubble("At twelve").locator(".bubble").click(button="right")
    ben.page.get_by_role("menuitemcheckbox", name="React with 👍").click()
    expect(ada.bubble("At twelve").locator(".reactions")).to_contain_text("👍")
    ada.menu("At twelve", "Delete")
    ada.page.get_by_role("button", name="Delete for everyone").click()
    expect(ben.bubble("At twelve")).to_have_count(0)
    expect(ben.bubble("This message was deleted").first).to_be_visible()


def test_an_answer_leads_to_what_it_answers(ada: Visitor, ben: Visitor) -> None:
    ben.write("Which train?")
    ada.sees("Which train?")
    ada.menu("Which train?", "Reply")
    ada.write("The 8:30")
    ben.sees("The 8:30")
    expect(ben.bubble("The 8:30").locator(".quote")).to_contain_text("Which train?")


def test_a_draft_outlives_a_reload_and_a_page_closed_while_it_is_typed(ada: Visitor, ben: Visitor) -> None:
    for text in ("not", "not finished"):
        ada.writer().fill(text)
        ada.page.reload()
        expect(ada.writer()).to_have_value(text)
    tab = ada.tab(urlsplit(ada.page.url).path)
    ada.writer(tab).fill("not finished either")
    tab.close(run_before_unload=True)
    ada.page.reload()
    expect(ada.writer()).to_have_value("not finished either")
    ada.writer().fill("")
    ada.page.reload()
    expect(ada.writer()).to_have_value("")


def test_reloading_in_a_hurry_does_not_sign_out(ada: Visitor, ben: Visitor) -> None:
    for n in range(12):
        ada.page.reload(wait_until="commit")
        ada.page.wait_for_timeout(n * 25)
    ada.page.wait_for_timeout(1_500)
    ada.write("still here")
    ben.sees("still here")
    expect(ada.bubble("still here").get_by_role("img", name=re.compile("Sent|Delivered|Read"))).to_be_visible()


def test_what_is_written_without_network_goes_once_and_in_order(ada: Visitor, ben: Visitor, wire: Wire) -> None:
    wire.cut()
    for n in range(3):
        ada.write(f"cut off {n}")
    expect(ada.bubble("cut off 2").get_by_role("img", name="Waiting to be sent")).to_be_visible()
    expect(ada.page.locator(".side .strip")).to_contain_text("3 waiting to be sent")
    for n in range(30):
        ben.write(f"meanwhile {n}")
    ada.page.reload()  # the worker has the shell, the store the rest
    expect(ada.bubble("cut off 2")).to_be_visible()
    wire.mend()
    ben.sees("cut off 2", timeout_s=40)
    said = [text for text in ben.page.locator(".message .text").all_inner_texts() if text.startswith("cut off")]
    assert said == ["cut off 0", "cut off 1", "cut off 2"]
    ada.sees("meanwhile 29", timeout_s=20)
    expect(ada.page.locator(".strip")).to_have_count(0, timeout=20_000)


def test_new_messages_do_not_move_who_reads_above(ada: Visitor, ben: Visitor) -> None:
    scroller = ada.page.locator(".scroller")
    ada.page.bring_to_front()
    scroller.evaluate("box => { box.scrollTop = box.scrollHeight }")
    has_read_all(ada)
    scroller.evaluate("box => { box.scrollTop = 100 }")
    ada.page.wait_for_timeout(700)
    # What is in sight stays where it is, to the pixel.
    where = """box => {
        const top = box.getBoundingClientRect().top;
        const bubble = [...box.querySelectorAll('[data-key]')].find((b) => b.getBoundingClientRect().bottom > top);
        return [bubble.dataset.key, Math.round(bubble.getBoundingClientRect().top)];
    }"""
    ada.page.mouse.move(5, 5)
    before = scroller.evaluate(where)
    for n in range(5):
        ben.write(f"below {n}")
    expect(ada.page.locator(".to-end .badge")).to_have_text("5")
    assert scroller.evaluate(where) == before
    ada.page.get_by_role("button", name="To the newest message").click()
    ada.sees("below 4")
    expect(ada.page.locator(".to-end")).to_have_count(0)
    has_read_all(ada)


def test_a_chat_opens_at_the_first_unread(ada: Visitor, ben: Visitor) -> None:
    has_read_all(ada)
    ada.page.goto(ada.url)
    ada.page.get_by_role("heading", name="Tidings").wait_for()
    for n in range(40):
        ben.write(f"unread {n}")
    expect(ada.page.locator(".chat-row", has_text="Ben").locator(".badge")).to_have_text("40")
    assert ada.page.title().startswith("(40)")
    ada.open("Ben")
    expect(ada.page.locator(".divider")).to_contain_text("40 unread messages")
    expect(ada.page.locator(".divider")).to_be_in_viewport()
    expect(ada.bubble("unread 0").first).to_be_in_viewport()
    ada.page.get_by_role("button", name="To the newest message").click()
    expect(ada.bubble("unread 39").first).to_be_in_viewport()


def test_three_tabs_are_one_person(ada: Visitor, ben: Visitor) -> None:
    owner, path = ada.page, urlsplit(ada.page.url).path
    second, third = ada.tab(path), ada.tab(path)
    ada.write("from the second tab", second)
    ben.sees("from the second tab")
    for page in (owner, second, third):
        ada.sees("from the second tab", page)
    owner.close()  # whoever owned the socket is gone
    ada.page = second
    ada.write("from the one that is left", third)
    ben.sees("from the one that is left", timeout_s=20)
    ben.write("and back")
    ada.sees("and back", second, timeout_s=20)
    third.close()


def test_a_picture_goes_with_its_caption_and_opens(ada: Visitor, ben: Visitor) -> None:
    ben.page.locator(".composer input[type=file]").set_input_files(
        {"name": "sea.png", "mimeType": "image/png", "buffer": picture()}
    )
    ben.page.get_by_label("Add a caption").fill("The sea")
    ben.page.get_by_role("button", name="Send", exact=True).last.click()
    ada.sees("The sea", timeout_s=15)
    ada.bubble("The sea").locator(".picture img").wait_for()
    ada.bubble("The sea").locator(".picture").click()
    expect(ada.page.locator(".viewer .stage img")).to_be_visible()
    ada.page.keyboard.press("Escape")
    expect(ada.page.locator(".viewer")).to_have_count(0)


def test_a_large_file_goes_on_where_its_network_was_cut(ada: Visitor, ben: Visitor, wire: Wire, tmp_path: Path) -> None:
    done: list[str] = []
    held: list[Route] = []

    def answered(response: Response) -> None:
        if response.request.method == "PUT" and "partNumber=" in response.url and response.ok:
            done.append(response.url.partition("partNumber=")[2].partition("&")[0])

    def second(route: Route) -> None:
        """Cut before anything of it has left, so that nothing of it can arrive without an answer."""
        if held:
            route.continue_()
            return
        held.append(route)
        wire.cut()
        route.abort()

    ada.page.on("response", answered)
    ada.page.route(re.compile("partNumber=2"), second)
    atlas = tmp_path / "atlas.pdf"
    atlas.write_bytes(b"%PDF-1.4 " + bytes(17 * 1024 * 1024))
    ada.page.locator(".composer input[type=file]").set_input_files(atlas)
    ada.page.get_by_role("button", name="Send", exact=True).last.click()
    eventually(lambda: done == ["1"] and bool(held), ada.page, 30)
    expect(ada.page.locator(".side .strip")).to_contain_text("1 waiting to be sent")
    ada.page.reload()  # the file is in the store, and what arrived of it at the server
    wire.mend()
    ben.sees("atlas.pdf", timeout_s=60)
    assert sorted(done) == ["1", "2", "3"]


def test_a_voice_note_is_recorded_and_played(ada: Visitor, ben: Visitor) -> None:
    ben.page.get_by_role("button", name="Record a voice message").click()
    ben.page.wait_for_timeout(1_500)
    chat = ben.page.url
    ben.page.go_back()  # holds it, and loses nothing
    expect(ben.page.locator(".recorder .rec-dot.still")).to_be_visible()
    assert ben.page.url == chat
    ben.page.get_by_role("button", name="Go on").click()
    expect(ben.page.locator(".recorder .rec-dot.still")).to_have_count(0)
    ben.page.locator(".recorder .send").click()
    note = ada.page.locator(".message .voice").last
    expect(note).to_be_visible(timeout=15_000)
    note.get_by_role("button", name="Play").click()
    expect(ada.page.locator(".message .voice i.on").first).to_be_visible()


def test_polls_are_voted_in(ada: Visitor, ben: Visitor) -> None:
    ben.page.get_by_role("button", name="Attach").click()
    ben.page.get_by_role("menuitem", name="Poll").click()
    ben.page.get_by_label("Question").fill("Tea?")
    ben.page.get_by_label("Option 1").fill("Yes")
    ben.page.get_by_label("Option 2").fill("No")
    ben.page.get_by_role("button", name="Send", exact=True).last.click()
    poll = ada.page.locator(".poll", has_text="Tea?")
    poll.get_by_label("Yes").click()
    expect(poll).to_contain_text("1 vote")
    expect(ben.page.locator(".poll", has_text="Tea?")).to_contain_text("1 vote")


def test_messages_are_found_and_jumped_to(ada: Visitor, ben: Visitor) -> None:
    ada.page.get_by_label("Search chats and messages").fill("whi trai")
    ada.page.locator(".results .row", has_text="Which train?").first.click()
    expect(ada.bubble("Which train?").first).to_be_in_viewport()
    ada.page.keyboard.press("Control+k")
    ada.page.get_by_role("combobox", name="Search").fill("ben")
    ada.page.keyboard.press("Enter")
    expect(ada.page.locator("dialog")).to_have_count(0)


HOSTILE = [
    "<img src=x onerror=alert(1)>",
    "</span><script>alert(2)</script>",
    'javascript:alert(3) https://a.example/"onmouseover=alert(4)',
    "\u202eevil\u202c " + "W" * 400,
    "*_~`" * 200,
    "{{constructor.constructor('alert(5)')()}}",
    "e\u0301" * 50 + "\u0489" * 80,
]


def test_hostile_names_and_texts_run_nothing(browser: Browser, system: System, ada: Visitor, ben: Visitor) -> None:
    mallory = Visitor(browser, system.base_url, "<img src=x onerror=alert(9)>")
    mallory.begin(ben)
    for text in HOSTILE:
        mallory.write(text)
    expect(ben.page.locator(".chat-row", has_text="onerror=alert(9)")).to_be_visible()
    ben.open("onerror=alert(9)")
    ben.sees("alert(5)")
    for line in ("<img src=x", "alert(2)", "alert(3)"):
        ben.sees(line)
    assert ben.page.locator(".thread img[src=x], .thread script").count() == 0
    wide = ben.page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert wide <= 0
    box = ben.page.locator(".scroller").evaluate("box => box.scrollWidth - box.clientWidth")
    assert box <= 0
    assert mallory.errors == []
    assert ben.errors == []
    mallory.context.close()
    ben.open("Ada")


def test_a_group_is_made_and_joined_by_its_link(browser: Browser, system: System, ada: Visitor, ben: Visitor) -> None:
    ben.page.goto(f"{ben.url}/new/group")
    ben.page.locator("label.row", has_text="Ada").click()
    ben.page.get_by_role("button", name="Continue with 1 person").click()
    ben.page.get_by_label("Group name").fill("Hikers")
    ben.page.get_by_role("button", name="Create group").click()
    ben.writer().wait_for()
    ben.write("Welcome, all")
    ada.open("Hikers")
    ada.sees("Welcome, all")
    ben.page.locator(".thread-head .who").click()
    ben.page.get_by_role("button", name="Invite link").click()
    link = ben.page.locator(".invite-link").inner_text()
    ben.page.keyboard.press("Escape")
    guest = browser.new_context(locale="en-GB").new_page()
    guest.goto(link)
    expect(guest.get_by_role("heading", name="You are invited to a group")).to_be_visible()
    guest.context.close()
    carl = Visitor(browser, system.base_url, "Carl")
    carl.page.goto(link)
    carl.page.get_by_role("button", name="Join group").click()
    carl.write("Hello from Carl")
    ada.sees("Hello from Carl")
    expect(ada.page.locator(".thread-head")).to_contain_text("3 members", timeout=10_000)
    carl.context.close()
    ben.page.goto(ben.url)
    ben.open("Ada")
    ada.open("Ben")


def test_on_a_phone_there_is_one_pane_and_back_closes_it(browser: Browser, system: System, ben: Visitor) -> None:
    phone = Visitor(browser, system.base_url, "Dora", viewport={"width": 390, "height": 844}, has_touch=True)
    phone.begin(ben)
    phone.write("From my phone\nsecond line")
    expect(phone.page.locator(".side")).to_be_hidden()
    phone.page.get_by_role("button", name="Back").click()
    expect(phone.page.locator(".side")).to_be_visible()
    expect(phone.page.locator(".main")).to_be_hidden()
    assert phone.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert phone.errors == []
    phone.context.close()


def test_languages_change_at_once_and_arabic_runs_from_the_right(ben: Visitor) -> None:
    ben.page.goto(f"{ben.url}/settings/looks")
    for locale, direction, title in (("de", "ltr", "Aussehen"), ("es", "ltr", "Apariencia"), ("ar", "rtl", "المظهر")):
        ben.page.locator("select").nth(2).select_option(locale)
        expect(ben.page.locator("html")).to_have_attribute("dir", direction)
        expect(ben.page.locator(".panel-head h1")).to_contain_text(title)
    ben.page.locator("select").nth(2).select_option("en")
    expect(ben.page.get_by_role("heading", name="Looks and typing")).to_be_visible()
    ben.page.goto(ben.url)
    ben.open("Ada")


def test_signing_out_leaves_nothing_behind(browser: Browser, system: System, ben: Visitor) -> None:
    eve = Visitor(browser, system.base_url, "Eve")
    eve.begin(ben)
    eve.write("soon gone")
    eve.page.goto(f"{eve.url}/settings")
    eve.page.get_by_role("button", name="Sign out").click()
    eve.page.locator("dialog").get_by_role("button", name="Sign out").click()
    eve.page.get_by_label("Phone number").wait_for()
    eventually(lambda: eve.page.evaluate(KEPT) == 0, eve.page)
    assert eve.errors == []
    eve.context.close()


def test_files_are_served_as_a_browser_wants_them(system: System) -> None:
    with httpx.Client(base_url=system.base_url) as http:
        shell = http.get("/")
        assert shell.headers["content-type"] == "text/html; charset=utf-8"
        assert shell.headers["cache-control"] == "no-cache"
        policy = shell.headers["content-security-policy"]
        assert "unsafe" not in policy
        assert "require-trusted-types-for 'script'" in policy
        assert shell.headers["x-content-type-options"] == "nosniff"
        assert http.get("/", headers={"if-none-match": shell.headers["etag"]}).status_code == 304
        for page in ("/chat/x", "/settings/privacy", "/invite/abc", "/new"):
            assert http.get(page).text == shell.text, page
        for match in set(re.findall(r'(?:src|href)="(/[^"]+\.(?:js|css|webmanifest|svg))"', shell.text)):
            for encoding in ("br", "gzip", "identity"):
                found = http.get(match, headers={"accept-encoding": encoding})
                assert found.status_code == 200, match
                forever = "immutable" in found.headers["cache-control"]
                assert forever == match.startswith("/assets/"), match
        assert http.get("/sw.js").headers["cache-control"] == "no-cache"
        assert http.get("/sw.js").headers["content-type"].startswith("text/javascript")
        assert http.head("/").status_code == 200
        for nothing in ("/assets/nothing.js", "/assets/../index.html.br", "/icons/%2e%2e/index.html", "/nowhere"):
            assert http.get(nothing).status_code in (400, 404), nothing
        assert http.post("/").status_code in (401, 405)
