"""A browser for tests, people who use the web client in it, and a network between that can be cut."""

import contextlib
import itertools
import secrets
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect, sync_playwright

_numbers = itertools.count(secrets.randbelow(60_000_000))
ROOT = Path(__file__).parents[2]
FLAGS = [
    "--headless=new", "--no-sandbox", "--disable-dev-shm-usage",
    "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream",
]  # fmt: skip


def executable() -> str:
    """Debian's Chromium, else the one that `make browser` put into .cache."""
    found = shutil.which("chromium") or shutil.which("google-chrome")
    named = ROOT / ".cache" / "browser" / "path"
    if found is None and named.is_file():
        found = named.read_text().strip()
    assert found, "no browser: `make browser` installs one"
    return found


@contextlib.contextmanager
def running_browser() -> Iterator[Browser]:
    """Stopped before any asynchronous test runs: its loop and theirs do not go together."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable(), args=FLAGS)
        yield browser
        browser.close()


class Wire:
    """A TCP proxy in front of a port of this machine. `cut` ends what runs and refuses what comes."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._up = True
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def cut(self) -> None:
        self._up = False
        for one in list(self._open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        self._open.clear()

    def mend(self) -> None:
        self._up = True

    def close(self) -> None:
        self.cut()
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if not self._up:
                client.close()
                continue
            try:
                server = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                client.close()
                continue
            self._open |= {client, server}
            for source, sink in ((client, server), (server, client)):
                threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        for one in (source, sink):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            self._open.discard(one)


class Visitor:
    """Somebody at a browser, signed in by hand. `errors` is what the page complained of; `before` is
    given the first page before it goes anywhere."""

    def __init__(
        self,
        browser: Browser,
        url: str,
        name: str,
        sms: str = "",
        before: Callable[[Page], object] | None = None,
        **options: Any,
    ) -> None:
        self.url, self.name, self._sms = url, name, sms or url
        self.phone = f"+49152{next(_numbers):08d}"
        settings: dict[str, Any] = {"viewport": {"width": 1200, "height": 820}, "locale": "en-GB"} | options
        self.context: BrowserContext = browser.new_context(**settings)
        self.context.set_default_timeout(10_000)
        self.errors: list[str] = []
        self.page = self.tab("/", before)
        self.sign_in(self.page)

    def tab(self, path: str = "/", before: Callable[[Page], object] | None = None) -> Page:
        page = self.context.new_page()
        if before:
            before(page)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("dialog", lambda dialog: (self.errors.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.goto(self.url + path)
        return page

    def sign_in(self, page: Page, new: bool = True) -> None:
        page.get_by_label("Phone number").fill(self.phone)
        page.get_by_role("button", name="Continue").click()
        code_field = page.get_by_label("Code")
        code_field.wait_for()
        code = httpx.get(f"{self._sms}/api/v1/dev/sms", params={"phone": self.phone}).json()["code"]
        code_field.fill(code)
        if new:
            page.get_by_label("Name", exact=True).fill(self.name)
            page.get_by_role("button", name="Continue").click()
        page.get_by_role("heading", name="Chats", exact=True).wait_for()

    def begin(self, other: "Visitor") -> None:
        """Begin a chat by the other's number."""
        self.page.goto(f"{self.url}/new")
        self.page.get_by_label("Name or phone number").fill(other.phone)
        self.page.get_by_role("button", name="Find this number").click()
        self.writer().wait_for()

    def open(self, title: str, page: Page | None = None) -> None:
        at = page or self.page
        at.locator(".chat-row", has_text=title).locator("a").click()
        self.writer(at).wait_for()

    def writer(self, page: Page | None = None) -> Locator:
        return (page or self.page).locator(".composer textarea")

    def write(self, text: str, page: Page | None = None) -> None:
        self.writer(page).fill(text)
        self.writer(page).press("Enter")

    def bubble(self, text: str, page: Page | None = None) -> Locator:
        return (page or self.page).locator(".message", has_text=text)

    def sees(self, text: str, page: Page | None = None, timeout_s: float = 10) -> None:
        expect(self.bubble(text, page).last).to_be_visible(timeout=timeout_s * 1000)

    def said(self, page: Page | None = None) -> list[str]:
        """The texts in the open thread, from the top."""
        return (page or self.page).locator(".message .text").all_inner_texts()

    def attach(self, name: str, kind: str, data: bytes) -> None:
        """Choose a file and send it without a caption."""
        self.page.locator(".composer input[type=file]").set_input_files(
            {"name": name, "mimeType": kind, "buffer": data}
        )
        self.page.locator("dialog").get_by_role("button", name="Send", exact=True).click()

    def menu(self, text: str, item: str) -> None:
        self.bubble(text).last.locator(".bubble").click(button="right")
        self.page.get_by_role("menuitem", name=item, exact=True).click()


def row(page: Page, title: str) -> Locator:
    """The row of a chat in the list."""
    return page.locator(".chat-row", has=page.locator(".chat-name", has_text=title))


LEFT = """() => {
    dispatchEvent(new Event('pagehide'));
    return localStorage.getItem('tidings-typed');
}"""
"""What is left outside of the store of a text that is being typed when the page goes."""

KEPT = """() => new Promise((done) => {
    const ask = indexedDB.open('tidings');
    ask.onsuccess = () => {
        const names = [...ask.result.objectStoreNames];
        const tx = ask.result.transaction(names);
        let sum = 0;
        for (const name of names) tx.objectStore(name).count().onsuccess = (e) => { sum += e.target.result };
        tx.oncomplete = () => { ask.result.close(); done(sum); };
    };
})"""
"""How much is kept on the device, of everything."""


def eventually(check: Callable[[], bool], page: Page, timeout_s: float = 10) -> None:
    """Wait for a condition with the page's own clock running."""
    for _ in range(int(timeout_s * 20)):
        if check():
            return
        page.wait_for_timeout(50)
    raise AssertionError("it did not come to be")


def visiting(browser: Browser, url: str, name: str, sms: str = "", **options: Any) -> Iterator[Visitor]:
    """For a fixture: somebody at a browser, in whose console nothing went wrong at the end."""
    found = Visitor(browser, url, name, sms, **options)
    yield found
    assert found.errors == []
    found.context.close()


def answering(browser: Browser, url: str, name: str, other: Visitor) -> Iterator[Visitor]:
    """For a fixture: somebody whom the other has written to, both with that chat open."""
    for found in visiting(browser, url, name):
        other.begin(found)
        other.write(f"Hello {name}")
        found.open(other.name)
        found.sees(f"Hello {name}")
        yield found
