"""A browser that gets pushes: its maker's push service is ours, and what arrives there is handed to the service worker
by the browser's own debugging protocol."""

import json
from typing import Any

from playwright.sync_api import CDPSession, Page, Worker
from tests.support.browser import Visitor
from tests.support.push_service import Subscriber

# `subscribe` asks the browser maker's service, and permission a person: both answered here. Everything else is real.
STUB = """
if (location.protocol.startsWith("http")) {
  const given = GIVEN, mode = "MODE", kept = localStorage;
  const made = (key) => ({
    endpoint: given.endpoint,
    options: { applicationServerKey: Uint8Array.from(key.split(",").map(Number)).buffer },
    toJSON: () => given,
    unsubscribe: async () => (kept.removeItem("stub-key"), kept.setItem("stub-ended", "yes"), true),
  });
  PushManager.prototype.subscribe = async ({ userVisibleOnly, applicationServerKey }) => {
    kept.setItem("stub-subscribing", "yes");
    if (mode === "silent") return new Promise(() => undefined);
    if (mode === "refuses") throw new DOMException("Registration failed", "AbortError");
    if (!userVisibleOnly) throw new Error("pushes that show nothing are not allowed");
    kept.setItem("stub-key", String(applicationServerKey));
    return made(kept.getItem("stub-key"));
  };
  PushManager.prototype.getSubscription = async () => {
    const key = kept.getItem("stub-key");
    return key ? made(key) : null;
  };
  Object.defineProperty(Notification, "permission", { get: () => kept.getItem("stub-permission") ?? "default" });
  Notification.requestPermission = async () => {
    kept.setItem("stub-asked", String(Number(kept.getItem("stub-asked") ?? 0) + 1));
    kept.setItem("stub-permission", "granted");
    return "granted";
  };
}
"""


class Pushed:
    """Somebody whose browser has this subscription. `mode`: `works`, `refuses`, `silent`."""

    def __init__(self, visitor: Visitor, subscriber: Subscriber, mode: str = "works") -> None:
        self.visitor, self.subscriber = visitor, subscriber
        script = STUB.replace("GIVEN", json.dumps(subscriber.subscription)).replace("MODE", mode)
        visitor.context.add_init_script(script)
        self.allowed = self._allow(visitor)
        visitor.page.reload()
        visitor.page.get_by_role("heading", name="Chats", exact=True).wait_for()
        self._debug = visitor.context.new_page()  # about:blank: no window of the app
        visitor.page.bring_to_front()  # one behind draws a frame a second, and each click waits for two
        self._session: CDPSession = visitor.context.new_cdp_session(self._debug)
        self._registrations: dict[str, str] = {}
        self._session.on("ServiceWorker.workerRegistrationUpdated", self._registered)
        self._session.send("ServiceWorker.enable")

    def _allow(self, visitor: Visitor) -> bool:
        """Whether this browser lets notifications be allowed at all: some builds for servers do not."""
        visitor.context.grant_permissions(["notifications"], origin=visitor.url)
        return bool(visitor.page.evaluate("Notification.permission") == "granted")

    def _registered(self, event: dict[str, Any]) -> None:
        for one in event["registrations"]:
            self._registrations[one["scopeURL"]] = one["registrationId"]

    def close_all(self) -> None:
        """No window of the app is left."""
        for page in self.visitor.context.pages:
            if page is not self._debug:
                page.close()

    def deliver(self, payload: Any) -> None:
        """As the browser does when a push arrives."""
        scope = f"{self.visitor.url}/"
        self.until(lambda: scope in self._registrations, "the worker is registered")
        self._session.send(
            "ServiceWorker.deliverPushMessage",
            {"origin": self.visitor.url, "registrationId": self._registrations[scope], "data": json.dumps(payload)},
        )

    def until(self, check: Any, what: str, timeout_s: float = 10) -> Any:
        """Wait with the browser's clock running."""
        seen = None
        for _ in range(int(timeout_s * 20)):
            seen = check()
            if seen:
                return seen
            self._debug.wait_for_timeout(50)
        raise AssertionError(f"not within {timeout_s:g} s: {what}; last seen: {seen!r}")

    @property
    def worker(self) -> Worker:
        return self.visitor.context.service_workers[0]

    def notifications(self) -> list[dict[str, Any]]:
        """What is on screen. In turn with whoever shows something: Chromium, asked meanwhile, loses it."""
        found: list[dict[str, Any]] = self.worker.evaluate(
            """() => navigator.locks.request("tidings-screen", async () => {
                const all = await self.registration.getNotifications();
                return all.map(({ title, body, tag, data, lang }) => ({ title, body, tag, data, lang }));
            })"""
        )
        return found

    def click(self) -> list[str]:
        """Click on what is on screen. Answers the addresses of windows that were opened: a browser lets that happen
        for a hand's click only."""
        found: list[str] = self.worker.evaluate(
            """async () => {
                const opened = [];
                const open = self.clients.openWindow;
                self.clients.openWindow = async (url) => (opened.push(url), null);
                const [notification] = await self.registration.getNotifications();
                const waits = [];
                const event = new NotificationEvent("notificationclick", { notification });
                event.waitUntil = (work) => waits.push(work);
                self.dispatchEvent(event);
                await Promise.all(waits);
                self.clients.openWindow = open;
                return opened;
            }"""
        )
        return found

    def stub(self, name: str, page: Page | None = None) -> str | None:
        """What the page asked of the browser."""
        found: str | None = (page or self.visitor.page).evaluate(f"localStorage.getItem('stub-{name}')")
        return found
