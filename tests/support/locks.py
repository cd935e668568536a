"""What tests of the lock do again and again."""

from playwright.sync_api import Page, expect
from tests.support.browser import Visitor

SECRET = "marmalade"
PASS = "correct horse"

RAW = """async () => {
    const texts = [];
    const walk = async (value) => {
        if (value instanceof Blob) texts.push(await value.text());
        else if (value instanceof Uint8Array) texts.push(new TextDecoder('latin1').decode(value));
        else if (value && typeof value === 'object') for (const one of Object.entries(value)) await walk(one[1]);
        else texts.push(String(value));
    };
    const db = await new Promise((done) => {
        const ask = indexedDB.open('tidings');
        ask.onsuccess = () => done(ask.result);
    });
    for (const name of db.objectStoreNames) {
        const all = await new Promise((done) => {
            const ask = db.transaction(name).objectStore(name).getAll();
            ask.onsuccess = () => done(ask.result);
        });
        await walk(all);
    }
    db.close();
    for (const name of (await caches.keys()).filter((name) => /push|shared/.test(name)))
        for (const request of await (await caches.open(name)).keys())
            texts.push(request.url, await (await (await caches.open(name)).match(request)).text());
    texts.push(JSON.stringify(localStorage));
    return texts.join('\\n');
}"""
"""All that is kept on the device, as it lies there."""

Chat = tuple[Visitor, str]


def text(words: str) -> dict[str, str]:
    return {"kind": "text", "text": words}


def fill_lock(page: Page) -> None:
    page.get_by_label("Passphrase", exact=True).fill(PASS)
    page.get_by_label("Repeat passphrase").fill(PASS)
    page.get_by_role("button", name="Set lock").click()


def set_lock(page: Page, url: str) -> None:
    page.goto(f"{url}/settings/lock")
    fill_lock(page)
    is_set(page)


def is_set(page: Page) -> None:
    """And all is sealed."""
    page.get_by_role("button", name="Lock now").wait_for(timeout=60_000)
    expect(page.get_by_role("progressbar", name="Encrypting what is kept here")).to_have_count(0)
    expect(page.get_by_text("Not everything is encrypted")).to_have_count(0)


def type_new_passphrase(page: Page) -> None:
    page.get_by_role("button", name="Change passphrase").click()
    page.get_by_label("Current passphrase").fill(PASS)
    page.get_by_label("New passphrase").fill("battery staple")
    page.get_by_label("Repeat passphrase").fill("battery staple")


def unlock(page: Page, passphrase: str = PASS) -> None:
    page.get_by_label("Passphrase").fill(passphrase)
    page.get_by_role("button", name="Unlock").click()


def set_and_unlock(ada: Visitor, chat_id: str) -> None:
    """A lock is set, and what is behind it shows."""
    set_lock(ada.page, ada.url)
    ada.page.goto(f"{ada.url}/chat/{chat_id}")
    unlock(ada.page)
    ada.sees(f"{SECRET} one")


def is_locked(page: Page) -> None:
    expect(page.get_by_role("heading", name="Tidings is locked")).to_be_visible()
