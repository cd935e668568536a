"""The lock of what is kept on this device, with several tabs: it is of all of them, or of none."""

import contextlib
import re
import socket
import threading
import time
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Error, expect
from tests.support.browser import Visitor, Wire, eventually
from tests.support.locks import (
    RAW,
    SECRET,
    Chat,
    fill_lock,
    is_locked,
    is_set,
    set_lock,
    text,
    type_new_passphrase,
    unlock,
)
from tests.support.people import Person
from tests.support.running import System


def test_tabs_are_locked_and_opened_together(secret_chat: Chat, ben: Person) -> None:
    ada, chat_id = secret_chat
    other = ada.tab(f"/chat/{chat_id}")
    ada.sees(f"{SECRET} one", other)
    set_lock(ada.page, ada.url)
    ada.sees(f"{SECRET} one", other)  # it began anew, with the key of the first
    ada.write(f"{SECRET} from the other", other)
    eventually(lambda: "from the other" in str(ben.ask("GET", f"/chats/{chat_id}/messages")), other)
    assert SECRET not in other.evaluate(RAW)
    ada.page.get_by_role("button", name="Lock now").click()
    is_locked(ada.page)
    is_locked(other)
    unlock(other)
    ada.sees(f"{SECRET} from the other", other)
    expect(ada.page.get_by_role("button", name="Lock now")).to_be_visible()
    third = ada.tab(f"/chat/{chat_id}")
    ada.sees(f"{SECRET} one", third)


FORMS = """() => new Promise((done) => {
    const ask = indexedDB.open('tidings');
    ask.onsuccess = () => {
        const names = ['chats', 'messages', 'outbox', 'wishes', 'drafts', 'people', 'members', 'uploads'];
        const tx = ask.result.transaction(names);
        let plain = 0;
        for (const name of names)
            tx.objectStore(name).getAll().onsuccess = ({ target }) => {
                plain += target.result.filter((one) => !one.sealed).length;
            };
        tx.oncomplete = () => { ask.result.close(); done(plain); };
    };
})"""
"""How many records stand there unsealed."""


TYPE = """(words) => {
    const writer = document.querySelector('.composer textarea');
    if (!writer) return false;
    writer.value = words;
    writer.dispatchEvent(new Event('input', { bubbles: true }));
    writer.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', bubbles: true, cancelable: true }));
    return true;
}"""


class SlowWire(Wire):
    """Pages come after a second."""

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if re.match(rb"GET /(chat|settings| )", data):
                    time.sleep(1)
                sink.sendall(data)
        for one in (source, sink):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            self._open.discard(one)


def test_a_lock_is_set_while_the_other_tab_writes_and_nothing_is_lost(
    browser: Browser, system: System, ben: Person
) -> None:
    wire = SlowWire(urlsplit(system.base_url).port or 80)
    ada = Visitor(browser, wire.url, "Ada", system.base_url)
    owner = ada.page
    owner.goto(f"{ada.url}/new")
    owner.get_by_label("Name or phone number").fill(ben.phone)
    owner.get_by_role("button", name="Find this number").click()
    ada.writer().wait_for()
    chat_id = owner.url.rsplit("/", 1)[1]
    setter = ada.tab("/settings/lock")
    stop = threading.Event()
    said: list[str] = []
    written: list[str] = []

    def flood() -> None:
        while not stop.is_set():
            ben.say(chat_id, text(f"{SECRET} flood {len(said)}"))
            said.append(f"flood {len(said)}")

    talking = threading.Thread(target=flood)
    talking.start()
    try:
        fill_lock(setter)
        for n in range(40):
            with contextlib.suppress(Error):  # the page is just going
                if owner.evaluate(TYPE, f"{SECRET} own {n}"):
                    written.append(f"own {n}")
            owner.wait_for_timeout(60)
        setter.get_by_role("button", name="Lock now").wait_for()
    finally:
        stop.set()
        talking.join()
    assert len(said) > 5
    assert len(written) > 5
    ada.sees(said[-1], owner)

    def texts() -> list[str]:
        found: list[str] = []
        before = ""
        while True:
            page = ben.ask("GET", f"/chats/{chat_id}/messages?limit=100{before}")
            items = page["items"]
            words = [(one.get("content") or {}).get("text", "") for one in items]
            found += [one.removeprefix(f"{SECRET} ") for one in words if one]
            if len(items) < 100:
                return found
            before = f"&before={min(one['seq'] for one in items)}"

    eventually(lambda: set(written) <= set(texts()), owner)
    assert len(texts()) == len(set(texts()))
    eventually(lambda: setter.evaluate(FORMS) == 0, setter)
    assert SECRET not in setter.evaluate(RAW)
    expect(setter.get_by_text("damaged")).to_have_count(0)
    expect(owner.get_by_text("damaged")).to_have_count(0)
    assert ada.errors == []
    ada.context.close()
    wire.close()


def test_no_lock_is_set_while_a_tab_does_not_answer(secret_chat: Chat) -> None:
    ada, chat_id = secret_chat
    frozen = ada.context.new_page()
    frozen.goto(f"{ada.url}/icons/icon-192.png")
    frozen.evaluate(
        "() => { navigator.locks.request('tidings-plain', { mode: 'shared' }, () => new Promise(() => {})); }"
    )
    page = ada.page
    page.goto(f"{ada.url}/settings/lock")
    fill_lock(page)
    expect(page.get_by_role("alert")).to_contain_text("does not answer", timeout=20_000)
    assert SECRET in page.evaluate(RAW)
    assert "/push/lock" not in page.evaluate(RAW)
    other = ada.tab(f"/chat/{chat_id}")
    ada.write("it goes on", other)
    ada.sees("it goes on", other)
    frozen.close()
    page.get_by_role("button", name="Set lock").click()
    is_set(page)
    assert SECRET not in page.evaluate(RAW)
    ada.sees("it goes on", other)


LATER = """(ms) => {
    const now = Date.now.bind(Date);
    Date.now = () => now() + ms;
    document.dispatchEvent(new Event('visibilitychange'));
}"""
"""As if this tab had slept for so long."""


def test_a_tab_that_slept_locks_nobody_else_and_is_opened_by_who_is_awake(secret_chat: Chat) -> None:
    ada, chat_id = secret_chat
    page = ada.page
    set_lock(page, ada.url)
    page.get_by_label("Lock when not used for").select_option("5 minutes")
    sleeper = ada.tab(f"/chat/{chat_id}")
    ada.sees(f"{SECRET} one", sleeper)
    with sleeper.expect_navigation():
        sleeper.evaluate(LATER, 600_000)
    ada.sees(f"{SECRET} one", sleeper)
    expect(page.get_by_role("button", name="Lock now")).to_be_visible()
    # One that did not hear that all were locked finds out, and hands its key to nobody.
    page.evaluate("() => localStorage.setItem('tidings-locked', 'meanwhile')")
    late = ada.tab(f"/chat/{chat_id}")
    is_locked(late)
    is_locked(page)
    is_locked(sleeper)
    unlock(late)
    ada.sees(f"{SECRET} one", late)
    ada.sees(f"{SECRET} one", sleeper)
    for tab in (sleeper, late):
        tab.close()
    expect(page.get_by_role("button", name="Lock now")).to_be_visible()
    page.evaluate(LATER, -30_000)  # put right
    expect(page.get_by_role("button", name="Lock now")).to_be_visible()
    page.evaluate(LATER, -120_000)
    is_locked(page)


def test_a_page_out_of_the_browser_s_cache_begins_anew(secret_chat: Chat) -> None:
    ada, _ = secret_chat
    page = ada.page
    with page.expect_navigation():
        page.evaluate("() => { dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true })); }")
    ada.sees(f"{SECRET} one")


ANOTHER = """() => {
    const { encrypt } = SubtleCrypto.prototype;
    SubtleCrypto.prototype.encrypt = async function (...args) {
        SubtleCrypto.prototype.encrypt = encrypt;
        await new Promise((done) => {
            const ask = indexedDB.open('tidings');
            ask.onsuccess = () => {
                const tx = ask.result.transaction('facts', 'readwrite');
                const facts = tx.objectStore('facts');
                facts.get('lock').onsuccess = ({ target }) => facts.put({ ...target.result, id: 'another' }, 'lock');
                tx.oncomplete = () => { ask.result.close(); done(); };
            };
        });
        return await encrypt.apply(this, args);
    };
}"""
"""A moment before the passphrase is changed, another lock is set."""


def test_a_new_passphrase_is_not_given_to_another_lock(secret_chat: Chat) -> None:
    ada, _ = secret_chat
    page = ada.page
    set_lock(page, ada.url)
    type_new_passphrase(page)
    page.evaluate(ANOTHER)
    page.get_by_role("button", name="Save").click()
    expect(page.locator("dialog").get_by_role("alert")).to_contain_text("Something went wrong")
    page.reload()
    unlock(page)
    page.get_by_role("button", name="Lock now").wait_for()
