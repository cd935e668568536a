"""The lock of what is kept on this device: what is on disk can't be read, and nothing shows until it is opened."""

from playwright.sync_api import Browser, expect
from tests.support.browser import KEPT, eventually, visiting
from tests.support.locks import (
    RAW,
    SECRET,
    Chat,
    fill_lock,
    is_locked,
    set_and_unlock,
    set_lock,
    text,
    type_new_passphrase,
    unlock,
)
from tests.support.people import Person
from tests.support.running import System
from tests.support.samples import picture


def test_what_is_kept_is_sealed_and_opens_by_the_passphrase_alone(secret_chat: Chat, ben: Person) -> None:
    ada, chat_id = secret_chat
    page = ada.page
    assert SECRET in page.evaluate(RAW)
    set_lock(page, ada.url)
    assert SECRET not in page.evaluate(RAW)
    assert ben.phone not in page.evaluate(RAW)
    page.goto(f"{ada.url}/chat/{chat_id}")
    is_locked(page)
    assert SECRET not in page.content()
    expect(page.get_by_label("Passphrase")).to_be_focused()
    ben.say(chat_id, text(f"{SECRET} meanwhile"))
    unlock(page, "wrong horse")
    expect(page.get_by_role("alert")).to_contain_text("not the passphrase")
    unlock(page)
    ada.sees(f"{SECRET} one")
    ada.sees(f"{SECRET} meanwhile")
    ada.write(f"{SECRET} answered")
    eventually(lambda: "answered" in str(ben.ask("GET", f"/chats/{chat_id}/messages")), page)
    ben.say(chat_id, text(f"{SECRET} live"))
    ada.sees(f"{SECRET} live")
    assert SECRET not in page.evaluate(RAW)
    page.goto(ada.url)
    unlock(page)
    page.get_by_placeholder("Search chats and messages").fill("marma")
    expect(page.locator("mark").first).to_be_visible()


def test_it_locks_itself_when_nobody_is_there(secret_chat: Chat) -> None:
    ada, _ = secret_chat
    page = ada.page
    page.clock.install()
    set_lock(page, ada.url)
    page.get_by_label("Lock when not used for").select_option("5 minutes")
    page.clock.fast_forward("04:00")
    page.mouse.move(50, 60)
    page.clock.fast_forward("04:00")
    expect(page.get_by_role("button", name="Lock now")).to_be_visible()
    page.clock.fast_forward("01:30")
    is_locked(page)


def test_the_passphrase_is_changed_and_the_lock_removed(secret_chat: Chat) -> None:
    ada, chat_id = secret_chat
    page = ada.page
    set_lock(page, ada.url)
    type_new_passphrase(page)
    page.get_by_role("button", name="Save").click()
    expect(page.locator("dialog")).to_have_count(0)
    page.reload()
    unlock(page, "battery staple")
    page.get_by_role("button", name="Remove lock").click()
    page.locator("dialog").get_by_label("Passphrase").fill("wrong horse")
    page.locator("dialog").get_by_role("button", name="Remove lock").click()
    expect(page.locator("dialog").get_by_role("alert")).to_contain_text("not the passphrase")
    page.locator("dialog").get_by_label("Passphrase").fill("battery staple")
    page.locator("dialog").get_by_role("button", name="Remove lock").click()
    expect(page.get_by_role("button", name="Set lock")).to_be_visible()
    assert SECRET in page.evaluate(RAW)
    page.goto(f"{ada.url}/chat/{chat_id}")
    ada.sees(f"{SECRET} one")


def test_who_forgot_it_signs_out_and_nothing_is_left(secret_chat: Chat) -> None:
    ada, chat_id = secret_chat
    page = ada.page
    set_lock(page, ada.url)
    page.get_by_role("button", name="Lock now").click()
    is_locked(page)
    page.get_by_role("button", name="Forgot it?").click()
    page.locator("dialog").get_by_role("button", name="Sign out and delete").click()
    page.get_by_label("Phone number").wait_for()
    eventually(lambda: page.evaluate(KEPT) == 0, page)
    page.reload()
    ada.sign_in(page, new=False)
    page.goto(f"{ada.url}/chat/{chat_id}")
    ada.sees(f"{SECRET} one")


def test_files_are_sealed_and_shown(secret_chat: Chat) -> None:
    ada, chat_id = secret_chat
    page = ada.page
    set_lock(page, ada.url)
    page.goto(f"{ada.url}/chat/{chat_id}")
    unlock(page)
    ada.attach("card.png", "image/png", picture())
    expect(page.locator("dialog")).to_have_count(0)
    ada.attach(f"{SECRET}.txt", "text/plain", f"{SECRET} inside".encode())
    expect(page.locator(".message img").last).to_be_visible()
    expect(ada.bubble(f"{SECRET}.txt").get_by_role("img", name="Delivered").or_(
        ada.bubble(f"{SECRET}.txt").get_by_role("img", name="Sent"))).to_be_visible()  # fmt: skip
    kept = page.evaluate(RAW)
    assert SECRET not in kept
    assert "IHDR" not in kept
    assert "RIFF" not in kept
    page.reload()
    unlock(page)
    shown = page.locator(".message img").last
    expect(shown).to_be_visible()
    eventually(lambda: bool(shown.evaluate("(img) => img.complete && img.naturalWidth > 0")), page)


def test_what_was_not_sent_waits_behind_the_lock(secret_chat: Chat, ben: Person) -> None:
    ada, chat_id = secret_chat
    page = ada.page
    set_and_unlock(ada, chat_id)
    ada.context.set_offline(True)
    ada.write(f"{SECRET} later")
    ada.sees(f"{SECRET} later")
    assert SECRET not in page.evaluate(RAW)
    page.reload()
    is_locked(page)
    ada.context.set_offline(False)
    page.wait_for_timeout(1_500)
    assert "later" not in str(ben.ask("GET", f"/chats/{chat_id}/messages"))
    unlock(page)
    eventually(lambda: "later" in str(ben.ask("GET", f"/chats/{chat_id}/messages")), page)


HOLD = """() => new Promise((held) => {
    navigator.locks.request('tidings-sealed', () => {
        held();
        return new Promise((free) => { globalThis.free = free; });
    });
})"""


def test_a_lock_is_not_called_set_before_all_is_sealed(secret_chat: Chat) -> None:
    ada, _ = secret_chat
    holder = ada.context.new_page()
    holder.goto(f"{ada.url}/icons/icon-192.png")
    holder.evaluate(HOLD)
    page = ada.page
    page.goto(f"{ada.url}/settings/lock")
    fill_lock(page)
    expect(page.get_by_role("progressbar", name="Encrypting what is kept here")).to_be_visible()
    expect(page.get_by_role("button", name="Lock now")).to_have_count(0)
    assert SECRET in page.evaluate(RAW)
    holder.evaluate("() => globalThis.free()")
    page.get_by_role("button", name="Lock now").wait_for()
    assert SECRET not in page.evaluate(RAW)


def test_the_mark_of_a_lock_goes_with_it(secret_chat: Chat) -> None:
    ada, _ = secret_chat
    page = ada.page
    page.evaluate("async () => { await (await caches.open('tidings-push')).put('/push/lock', new Response('true')); }")
    page.reload()
    eventually(lambda: "/push/lock" not in page.evaluate(RAW), page)


def test_the_worker_is_heard_before_all_is_loaded(browser: Browser, system: System) -> None:
    for ada in visiting(browser, system.base_url, "Ada", service_workers="block"):
        page = ada.page
        ada.context.route("**/assets/notify-*.js", lambda route: route.abort())
        page.reload()
        page.get_by_role("heading", name="Chats", exact=True).wait_for()
        page.evaluate(
            "open => { navigator.serviceWorker.dispatchEvent(new MessageEvent('message', { data: { open } })); }",
            "/new",
        )
        expect(page.get_by_label("Name or phone number")).to_be_visible()
