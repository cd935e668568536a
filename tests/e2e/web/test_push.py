"""Pushes from a message to the notification and back into the chat, in a real browser: a running system sends to a push
service of ours, which opens what it gets, and the browser's service worker shows it.

Two things only a person or the browser's maker can do are stood in for: allowing notifications when asked, and making a
subscription (tests/support/pushed.py). Builds of Chromium for servers deny notifications whatever one says; there the
tests end where something should appear, after everything before was checked.
"""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, expect
from tests.support.browser import Visitor
from tests.support.locks import set_lock
from tests.support.people import Person
from tests.support.push_service import PushService, running_push_service
from tests.support.pushed import Pushed
from tests.support.running import System, running_system

SUBSCRIBE_MS = 15_000  # how long the page waits for the browser's push service
OTHER = "01990000-0000-7000-8000-00000000000f"


@pytest.fixture(scope="module")
def push_service() -> Iterator[PushService]:
    with running_push_service() as found:
        yield found


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory, push_service: PushService) -> Iterator[System]:
    """A system of its own: it may push to our push service."""
    settings = {"TIDINGS_INNER_PUSH_ORIGINS": push_service.origin}
    with running_system(tmp_path_factory.mktemp("pushing"), env=settings) as found:
        found.wait_ready()
        yield found


class Scene:
    """Ada at a browser with pushes, in a chat with Ben, who writes by REST."""

    def __init__(self, browser: Browser, system: System, push_service: PushService, ben: Person, mode: str) -> None:
        config = httpx.get(f"{system.base_url}/api/v1/config").json()
        self.ada = Visitor(browser, system.base_url, "Ada")
        self.subscriber = push_service.subscribe(server_key=config["vapidPublicKey"])
        self.pushed = Pushed(self.ada, self.subscriber, mode)
        self.ben = ben
        self.others = 0
        self.last: list[dict[str, Any]] = []
        self.ada.page.goto(f"{self.ada.url}/new")
        self.ada.page.get_by_label("Name or phone number").fill(ben.phone)
        self.ada.page.get_by_role("button", name="Find this number").click()
        self.ada.writer().wait_for()
        self.chat_id = self.ada.page.url.rpartition("/")[2]

    @property
    def banner(self) -> Any:
        return self.ada.page.get_by_role("region", name="Notifications")

    def turn_on(self) -> None:
        """In the chat list, when asked after the first message."""
        self.ada.write("Hello Ben")
        self.banner.get_by_role("button", name="Turn on").click()
        expect(self.banner).to_have_count(0)
        self.pushed.until(lambda: self.devices() == ["webpush"], "the server knows where to push to")

    def devices(self) -> list[str]:
        """The kinds of Ada's push targets, as her own page asks."""
        found: list[str] = self.ada.page.evaluate(
            """async () => {
                const { accessToken } = await (await fetch("/api/v1/auth/refresh", { method: "POST", body: "{}",
                    headers: { "content-type": "application/json" } })).json();
                const headers = { authorization: `Bearer ${accessToken}` };
                const found = await (await fetch("/api/v1/users/me/devices", { headers })).json();
                return found.items.map((item) => item.kind);
            }"""
        )
        return found

    def comes(self, count: int) -> dict[str, Any]:
        """The newest of so many pushes that the push service took and opened."""
        self.pushed.until(lambda: len(self.subscriber.taken) >= count or self.subscriber.refused, f"push {count}", 15)
        assert self.subscriber.refused == []
        found: dict[str, Any] = self.subscriber.taken[count - 1]
        return found

    def shown(self, *titles: str) -> list[dict[str, Any]]:
        """What is on screen, when it is this, in the order of titles."""
        if not self.pushed.allowed:
            pytest.skip("this build of Chromium denies notifications: nothing can be shown")

        def found() -> list[dict[str, Any]] | None:
            self.last = sorted(self.pushed.notifications(), key=lambda one: str(one["title"]))
            return self.last if [one["title"] for one in self.last] == list(titles) else None

        try:
            self.pushed.until(lambda: found() is not None, "")
        except AssertionError:
            raise AssertionError(f"on screen is {self.last}, not {titles}") from None
        return self.last

    def settled(self, *titles: str) -> None:
        """What is on screen once all pushes so far were worked on: one for another chat, after them, has appeared."""
        self.others += 1
        self.pushed.deliver(self.push(chat_id=OTHER, seq=self.others))
        self.shown(*sorted([*titles, "Other"]))
        self.pushed.deliver({"type": "read", "chatId": OTHER, "seq": self.others, "badge": 0})
        self.shown(*titles)

    def push(self, *, chat_id: str = "", seq: int = 1000, text: str = "made up") -> dict[str, Any]:
        name = "Other" if chat_id else "Ben"
        return {
            "type": "message", "messageId": "m", "chatId": chat_id or self.chat_id, "seq": seq, "senderName": name,
            "chatName": name, "text": text, "badge": 1,
        }  # fmt: skip


@pytest.fixture
def scene(browser: Browser, system: System, push_service: PushService, ben: Person) -> Iterator[Scene]:
    found = Scene(browser, system, push_service, ben, "works")
    yield found
    assert found.ada.errors == []
    found.ada.context.close()


def test_it_is_asked_for_when_something_was_written_and_never_on_load(scene: Scene) -> None:
    page = scene.ada.page
    expect(scene.banner).to_have_count(0)
    scene.ada.write("Hello Ben")
    expect(scene.banner).to_contain_text("Hear of new messages when Tidings is closed?")
    assert scene.pushed.stub("asked") is None
    scene.banner.get_by_role("button", name="Not now").click()
    expect(scene.banner).to_have_count(0)
    page.reload()
    scene.ada.write("Are you there?")
    scene.ada.sees("Are you there?")
    expect(scene.banner).to_have_count(0)
    assert scene.pushed.stub("asked") is None


def test_a_message_comes_with_all_tabs_closed_and_a_click_opens_the_very_chat(scene: Scene) -> None:
    scene.turn_on()
    assert scene.pushed.stub("asked") == "1"
    scene.pushed.close_all()
    scene.ben.say(scene.chat_id, "Are you *there*?")
    payload = scene.comes(1)
    assert (payload["chatId"], payload["chatName"], payload["badge"]) == (scene.chat_id, "Ben", 1)
    scene.pushed.deliver(payload)
    assert scene.shown("Ben")[0]["body"] == payload["text"]

    for line in ("Hello?", "Well."):
        scene.ben.say(scene.chat_id, line)
    newest = scene.comes(2)
    if newest["text"] == "Hello?":
        newest = scene.comes(3)
    scene.pushed.deliver(newest)
    scene.pushed.until(
        lambda: [one["body"] for one in scene.pushed.notifications()] == ["3 new messages\nWell."], "one, that counts"
    )
    scene.pushed.deliver(payload)  # comes late
    scene.settled("Ben")
    assert scene.shown("Ben")[0]["body"] == "3 new messages\nWell."

    assert scene.pushed.click() == [f"/chat/{scene.chat_id}"]
    assert scene.pushed.notifications() == []
    page = scene.ada.tab(f"/chat/{scene.chat_id}")
    for line in ("Are you there?", "Hello?", "Well."):
        scene.ada.sees(line, page)


def test_the_app_opens_with_the_message_without_a_network(scene: Scene) -> None:
    scene.turn_on()
    scene.pushed.close_all()
    scene.ben.say(scene.chat_id, "Read me on the train")
    scene.pushed.deliver(scene.comes(1))
    scene.shown("Ben")
    kept = "() => caches.match('/push/message/CHAT').then(Boolean)".replace("CHAT", scene.chat_id)
    scene.pushed.until(lambda: scene.pushed.worker.evaluate(kept), "the worker fetched it")
    scene.ada.context.set_offline(True)
    page = scene.ada.tab(f"/chat/{scene.chat_id}")
    scene.ada.sees("Read me on the train", page)
    scene.ada.context.set_offline(False)


def test_a_click_leads_an_open_window_to_the_chat(scene: Scene) -> None:
    scene.turn_on()
    page = scene.ada.page
    page.goto(f"{scene.ada.url}/settings/looks")
    page.get_by_role("heading", name="Looks and typing").wait_for()
    scene.pushed.deliver(scene.push())
    scene.shown("Ben")
    assert scene.pushed.click() == []
    scene.ada.writer().wait_for()
    assert page.url.endswith(f"/chat/{scene.chat_id}")


def test_a_chat_in_sight_needs_no_notification(scene: Scene) -> None:
    scene.turn_on()
    scene.ada.page.bring_to_front()
    scene.pushed.deliver(scene.push(seq=1001))
    scene.settled()
    scene.ada.page.goto(f"{scene.ada.url}/settings/looks")
    scene.pushed.deliver(scene.push(seq=1001))
    scene.settled()  # it was seen
    scene.pushed.deliver(scene.push(seq=1002))
    scene.settled("Ben")


def test_what_a_page_has_told_by_its_socket_is_not_told_again(scene: Scene) -> None:
    scene.turn_on()
    scene.pushed.close_all()
    scene.pushed.worker.evaluate(
        "(push) => { self.dispatchEvent(new ExtendableMessageEvent('message', { data: { show: push } })) }",
        scene.push(seq=1001, text="by socket"),
    )
    scene.shown("Ben")
    scene.pushed.deliver(scene.push(seq=1001, text="by push"))
    scene.settled("Ben")
    assert scene.shown("Ben")[0]["body"] == "by socket"


def test_reading_elsewhere_takes_it_away(scene: Scene) -> None:
    scene.turn_on()
    scene.pushed.close_all()
    scene.pushed.worker.evaluate(
        """() => {
            self.badges = [];
            navigator.setAppBadge = async (count) => void self.badges.push(count);
            navigator.clearAppBadge = async () => void self.badges.push(0);
        }"""
    )
    scene.pushed.deliver(scene.push(seq=7) | {"badge": 4})
    scene.pushed.deliver({"type": "read", "chatId": scene.chat_id, "seq": 6, "badge": 3})
    scene.settled("Ben")
    scene.pushed.deliver({"type": "read", "chatId": scene.chat_id, "seq": 7, "badge": 0})
    scene.settled()
    assert scene.pushed.worker.evaluate("self.badges") == [4, 3, 1, 0, 0, 1, 0]  # with those of `settled`
    scene.pushed.deliver(scene.push(seq=7))  # comes after it was read
    scene.settled()


def test_reading_here_takes_it_away(scene: Scene) -> None:
    scene.turn_on()
    scene.pushed.close_all()
    scene.ben.say(scene.chat_id, "Look at me")
    scene.pushed.deliver(scene.comes(1))
    scene.shown("Ben")
    page = scene.ada.tab(f"/chat/{scene.chat_id}")
    scene.ada.sees("Look at me", page)
    scene.shown()


def test_the_worker_and_the_pages_take_turns_at_the_screen(scene: Scene) -> None:
    """Chromium, asked for notifications while one is being shown, forgets that one: it could not be taken away."""
    scene.turn_on()
    waiting = "() => navigator.locks.query().then(({ pending }) => pending.map(({ name }) => name))"
    worker = scene.pushed.worker
    worker.evaluate(
        """() => new Promise((taken) => void navigator.locks.request("tidings-screen",
            () => new Promise((release) => { self.release = release; taken(); })))"""
    )
    scene.pushed.deliver(scene.push(chat_id=OTHER, seq=1))
    scene.pushed.until(lambda: worker.evaluate(waiting).count("tidings-screen") == 1, "the push waits")
    scene.ben.say(scene.chat_id, "Hello Ada")
    scene.ada.sees("Hello Ada")
    scene.pushed.until(lambda: worker.evaluate(waiting).count("tidings-screen") > 1, "the page that read waits")
    worker.evaluate("() => self.release()")
    scene.shown("Other")


def test_notifications_speak_the_language_of_the_app(scene: Scene) -> None:
    scene.turn_on()
    scene.ada.page.goto(f"{scene.ada.url}/settings/looks")
    scene.ada.page.locator("select").nth(2).select_option("de")
    expect(scene.ada.page.locator(".panel-head h1")).to_contain_text("Aussehen")
    words = "() => caches.match('/push/words').then((found) => found.json()).then((found) => found.locale)"
    scene.pushed.until(lambda: scene.pushed.worker.evaluate(words) == "de", "the worker has the words")
    scene.pushed.close_all()
    scene.pushed.deliver(scene.push(seq=1001) | {"text": None})
    assert scene.shown("Ben")[0]["body"] == "Neue Nachricht"
    scene.pushed.deliver(scene.push(seq=1002, text="Location: Ulm") | {"kind": "location"})
    scene.pushed.until(
        lambda: [one["body"] for one in scene.pushed.notifications()] == ["2 neue Nachrichten\nStandort: Ulm"],
        "counted",
    )


def test_under_a_lock_it_says_nothing_of_whom_or_what(scene: Scene) -> None:
    scene.turn_on()
    page = scene.ada.page
    set_lock(page, scene.ada.url)
    scene.pushed.close_all()
    scene.ben.say(scene.chat_id, "Between us")
    scene.pushed.deliver(scene.comes(1))
    [notice] = scene.shown("Tidings")
    assert notice["body"] == "New message"
    kept = """async () => {
        const cache = await caches.open("tidings-push");
        return (await Promise.all((await cache.keys()).map(async (one) => (await cache.match(one)).text()))).join();
    }"""
    page = scene.ada.tab()
    page.get_by_label("Passphrase").wait_for()
    assert "Between us" not in page.evaluate(kept)
    page.get_by_label("Passphrase").fill("correct horse")
    page.get_by_role("button", name="Unlock").click()
    scene.ada.open("Ben", page)
    scene.ada.sees("Between us", page)


def test_turned_off_and_signed_out_there_is_no_target(scene: Scene) -> None:
    scene.turn_on()
    page = scene.ada.page
    page.goto(f"{scene.ada.url}/settings/notifications")
    page.get_by_role("switch", name="Show notifications").uncheck()
    scene.pushed.until(lambda: scene.devices() == [], "the target is gone")
    assert scene.pushed.stub("ended") == "yes"
    page.get_by_role("switch", name="Show notifications").check()
    scene.pushed.until(lambda: scene.devices() == ["webpush"], "it is back")
    page.evaluate("localStorage.removeItem('stub-ended')")
    page.goto(f"{scene.ada.url}/settings")
    page.get_by_role("button", name="Sign out").click()
    page.locator("dialog").get_by_role("button", name="Sign out").click()
    page.get_by_label("Phone number").wait_for()
    scene.pushed.until(lambda: scene.pushed.stub("ended") == "yes", "the browser is unsubscribed")


@pytest.mark.parametrize("mode", ["refuses", "silent"])
def test_without_a_push_service_open_pages_still_notify_and_say_so(
    browser: Browser, system: System, push_service: PushService, ben: Person, mode: str
) -> None:
    scene = Scene(browser, system, push_service, ben, mode)
    page = scene.ada.page
    page.clock.install()
    page.goto(f"{scene.ada.url}/settings/notifications")
    page.get_by_role("switch", name="Show notifications").check()
    if mode == "silent":
        scene.pushed.until(lambda: scene.pushed.stub("subscribing"), "the browser is asked")
        page.clock.fast_forward(SUBSCRIBE_MS)
    expect(page.get_by_text("Only while Tidings is open")).to_be_visible()
    expect(page.get_by_role("switch", name="Show notifications")).to_be_checked()
    assert scene.devices() == []
    scene.ada.context.close()


def test_a_changed_subscription_is_told_to_the_server(scene: Scene) -> None:
    scene.turn_on()
    scene.pushed.close_all()
    scene.pushed.worker.evaluate(
        """async (given) => {
            const waits = [];
            const event = new Event("pushsubscriptionchange");
            event.newSubscription = { toJSON: () => given };
            event.waitUntil = (work) => waits.push(work);
            self.dispatchEvent(event);
            await Promise.all(waits);
        }""",
        {**scene.subscriber.subscription, "endpoint": scene.subscriber.subscription["endpoint"] + "-new"},
    )
    scene.ada.page = scene.ada.tab("/")
    scene.ada.page.get_by_role("heading", name="Chats", exact=True).wait_for()
    assert scene.devices() == ["webpush", "webpush"]
