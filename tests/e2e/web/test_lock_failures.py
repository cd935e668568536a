"""The lock of what is kept on this device, when something breaks: no more is lost than what was damaged."""

from playwright.sync_api import Browser, expect
from tests.support.browser import LEFT, visiting
from tests.support.locks import RAW, SECRET, Chat, fill_lock, is_locked, is_set, set_and_unlock, set_lock, text, unlock
from tests.support.people import Person
from tests.support.running import System

SPOIL = """() => new Promise((done) => {
    const ask = indexedDB.open('tidings');
    ask.onsuccess = () => {
        const tx = ask.result.transaction(['messages', 'people'], 'readwrite');
        for (const name of ['messages', 'people'])  // the first of each
            tx.objectStore(name).openCursor().onsuccess = ({ target: { result: cursor } }) => {
                if (!cursor) return;
                cursor.value.sealed[30] ^= 1;
                cursor.update(cursor.value);
            };
        tx.oncomplete = () => { ask.result.close(); done(); };
    };
})"""


def test_a_record_that_was_changed_is_told_of_and_the_rest_shows(secret_chat: Chat, ben: Person) -> None:
    ada, chat_id = secret_chat
    page = ada.page
    ben.say(chat_id, text(f"{SECRET} two"))
    ada.sees(f"{SECRET} two")
    set_lock(page, ada.url)
    page.evaluate(SPOIL)
    page.goto(f"{ada.url}/chat/{chat_id}")
    unlock(page)
    ada.sees(f"{SECRET} two")
    expect(page.get_by_role("status").get_by_text("damaged")).to_be_visible()
    ada.write("it goes on")
    ada.sees("it goes on")
    assert len(ada.errors) == 0


MANY = """(words) => new Promise((done) => {
    const ask = indexedDB.open('tidings');
    ask.onsuccess = () => {
        const tx = ask.result.transaction('messages', 'readwrite');
        const store = tx.objectStore('messages');
        store.getAll(null, 1).onsuccess = ({ target: { result: [row] } }) => {
            for (let n = 1; n <= 5000; n++)
                store.put({ ...row, id: `many${n}`, chatId: 'many', place: n, words: [words, 'number', String(n)] });
        };
        tx.oncomplete = () => { ask.result.close(); done(); };
    };
})"""


def test_a_page_that_dies_while_it_seals_is_gone_on_with(secret_chat: Chat) -> None:
    ada, chat_id = secret_chat
    page = ada.page
    page.evaluate(MANY, SECRET)
    page.goto(f"{ada.url}/settings/lock")
    fill_lock(page)
    expect(page.get_by_role("progressbar", name="Encrypting what is kept here")).to_be_visible()
    page.reload()
    is_locked(page)
    assert SECRET in page.evaluate(RAW)  # some of it stands there in either form
    unlock(page)
    is_set(page)
    assert SECRET not in page.evaluate(RAW)
    page.goto(f"{ada.url}/chat/{chat_id}")
    unlock(page)
    ada.sees(f"{SECRET} one")
    ada.writer().fill(f"{SECRET} half")
    assert page.evaluate(LEFT) is None


BREAK = """() => {
    const { getAll } = IDBObjectStore.prototype;
    IDBObjectStore.prototype.getAll = function (...args) {
        if (this.name === 'drafts') throw new Error('not now');
        return getAll.apply(this, args);
    };
    window.mend = () => { IDBObjectStore.prototype.getAll = getAll; };
}"""


def test_opening_that_failed_half_way_can_be_tried_again(secret_chat: Chat) -> None:
    ada, chat_id = secret_chat
    page = ada.page
    set_lock(page, ada.url)
    page.goto(f"{ada.url}/chat/{chat_id}")
    is_locked(page)
    page.evaluate(BREAK)
    unlock(page)
    expect(page.get_by_role("alert")).to_contain_text("Something went wrong")
    is_locked(page)
    page.evaluate("() => window.mend()")
    unlock(page)
    ada.sees(f"{SECRET} one")


def test_what_opens_the_lock_can_not_be_loaded(browser: Browser, system: System, ben: Person) -> None:
    for ada in visiting(browser, system.base_url, "Ada", service_workers="block"):
        page = ada.page
        set_lock(page, ada.url)
        ada.context.route("**/assets/lock-*.js", lambda route: route.abort())
        page.reload()
        again = page.get_by_role("button", name="Try again")
        expect(again).to_be_visible()
        ada.context.unroute("**/assets/lock-*.js")
        again.click()
        is_locked(page)
        unlock(page)
        page.get_by_role("button", name="Lock now").wait_for()


SPOIL_FILES = """() => new Promise((done) => {
    const ask = indexedDB.open('tidings');
    ask.onsuccess = () => {
        const tx = ask.result.transaction('uploads', 'readwrite');
        tx.objectStore('uploads').openCursor().onsuccess = ({ target: { result: cursor } }) =>
            cursor.update({ ...cursor.value, file: new Blob(['none'], { type: cursor.value.file.type }) });
        tx.oncomplete = () => { ask.result.close(); done(); };
    };
})"""


def test_a_file_that_does_not_open_is_not_sent_and_can_be_discarded(secret_chat: Chat, ben: Person) -> None:
    ada, chat_id = secret_chat
    page = ada.page
    set_and_unlock(ada, chat_id)
    ada.context.set_offline(True)
    ada.attach(f"{SECRET}.txt", "text/plain", b"inside")
    ada.bubble(f"{SECRET}.txt").wait_for()
    page.evaluate(SPOIL_FILES)
    page.reload()
    ada.context.set_offline(False)
    unlock(page)
    bubble = ada.bubble(f"{SECRET}.txt")
    expect(bubble.get_by_text("can't be read any more")).to_be_visible()
    bubble.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("status").get_by_text("can't be read any more")).to_be_visible()
    expect(bubble.get_by_text("can't be read any more")).to_be_visible()
    ada.menu(f"{SECRET}.txt", "Discard")
    expect(bubble).to_have_count(0)
    assert ".txt" not in str(ben.ask("GET", f"/chats/{chat_id}/messages"))
