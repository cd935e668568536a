"""The web client with much in its store: `python -m bench.web`, or `make bench-web`.

One person with 500 chats and 100,000 messages in a real Chromium, on a system of its own, through a network that can
be cut. Each figure is a 95th percentile in milliseconds, as the page itself counts from the event to the second frame
after what was waited for is there; once as fast as the machine is, once with the browser's CPU slowed down four times.
"""

import argparse
import asyncio
import json
import math
import sys
import tempfile
import time
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx
import uvloop
from playwright.sync_api import Browser, CDPSession, Page
from tests.support.browser import Visitor, Wire, running_browser
from tests.support.running import System, running_system

from bench import people
from bench.figures import Figures, save, show
from bench.machine import machine

T = TypeVar("T")
BIG = "Everything"  # the chat with half of the messages
AIMS = {  # free, slowed four times
    "cold_start_ms": (500, 1200),
    "chat_open_ms": (100, 250),
    "send_to_bubble_ms": (32, 80),
    "frame_to_paint_ms": (50, 120),
    "catch_up_s": (3, 10),
    "catch_up_input_delay_ms": (100, 100),
}
ROWS_AIM, DRIFT_AIM_PX, HEAP_AIM_MB = 120, 1, 80
IN_FLIGHT = 64
TURNS = 12  # chats that are opened in turns
LOOKS_MS = 700  # how long a person looks at a chat, at least
SETTLED_MS = 35_000  # until chats that are not new any more are not told again by each sync

# Runs before the page: notes when something is on the screen, counted from the page's own clock.
PROBES = """
(() => {
  const frame = () => new Promise((done) => requestAnimationFrame(done));
  const painted = async () => { await frame(); await frame(); return performance.now(); };
  const until = (found) => new Promise((done) => {
    if (found()) return done();
    const watch = new MutationObserver(() => { if (found()) { watch.disconnect(); done(); } });
    watch.observe(document, { childList: true, subtree: true, characterData: true });
  });
  const texts = () => [...document.querySelectorAll('.message .text')];
  // Whether messages that were not there before fill the thread from its head to its writer.
  const full = (old) => {
    const fresh = [...document.querySelectorAll('.message')].filter((one) => !old.has(one));
    const box = document.querySelector('.scroller');
    if (!fresh.length || !box) return false;
    const { top, bottom } = box.getBoundingClientRect();
    if (fresh[0].getBoundingClientRect().top > top && box.scrollTop > 0) return false;
    // The newest at the end, or what is unread in sight.
    const mark = document.querySelector('.divider')?.getBoundingClientRect();
    if (mark) return mark.top >= top && mark.bottom <= bottom;
    const end = fresh.at(-1).getBoundingClientRect().bottom;
    return end > bottom - 60 && end <= bottom + 1;
  };
  // Looked at in each frame: scrolling to its place changes nothing in the document.
  const filled = async (old) => {
    for (let frames = 0; frames < 1_000; frames++) {
      await frame();
      if (full(old)) { await frame(); return performance.now(); }
    }
    throw new Error('the chat did not open');
  };
  const has = (text) => () => texts().some((one) => one.textContent.includes(text));
  window.bench = { painted, until, filled, has, arrived: {} };
  window.bench.firstList = until(() => document.querySelector('.chat-row')).then(painted);
  const Native = window.WebSocket;
  window.WebSocket = class extends Native {
    constructor(...args) {
      super(...args);
      this.addEventListener('message', (event) => {
        const found = /frame-\\d+-mark/.exec(event.data);
        if (found) window.bench.arrived[found[0]] ??= performance.now();
      });
    }
  };
})();
"""


def in_thread(work: Coroutine[Any, Any, T]) -> T:
    """In a thread of its own: Playwright's loop is the one here."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(lambda: uvloop.run(work)).result()


class Friend:
    """The person on the other side of every chat: makes them and fills them, by socket."""

    def __init__(self, url: str, visitor: Visitor) -> None:
        self.url, self.phone = url, visitor.phone
        self.chats: list[str] = []
        self.big = ""
        self._count = 0

    async def begin(self, chats: int) -> None:
        async with httpx.AsyncClient(base_url=f"{self.url}/api/v1", timeout=30) as client:
            self.person = await people.sign_in(client)
            headers = self.person.headers
            found = await client.post("/users/contacts/sync", json={"phoneNumbers": [self.phone]}, headers=headers)
            other = found.json()["items"][0]["user"]["id"]
            for number in range(chats):
                body = {"type": "group", "name": BIG if not number else f"Chat {number}", "participantIds": [other]}
                made = await client.post("/chats", json=body, headers=headers)
                made.raise_for_status()
                self.chats.append(made.json()["id"])
        self.big = self.chats[0]

    async def say(self, counts: dict[str, int]) -> None:
        """So many messages in each of these chats."""
        room, errors = asyncio.Semaphore(IN_FLIGHT), []

        def answered(raw: bytes) -> None:
            if raw.startswith(b'{"type":"error"'):
                errors.append(raw[:200])
            if raw.startswith((b'{"type":"message.sent"', b'{"type":"error"')):
                room.release()

        sockets = [await people.connect(self.url, self.person, answered) for _ in range(8)]  # 500 frames/s each
        for chat, count in counts.items():
            for _ in range(count):
                await room.acquire()
                self._count += 1
                text = f"message {self._count} about trains, tea and the weather"
                socket = sockets[self._count % len(sockets)]
                socket.say(people.send_frame(chat, f"seed-{self._count}", text))
                if self._count % 450 == 0:
                    await asyncio.sleep(0.12)  # below the rate of a socket
        for _ in range(IN_FLIGHT):
            await room.acquire()
        for socket in sockets:
            if socket.transport is not None:
                socket.transport.disconnect()
        if errors:
            raise SystemExit(f"seeding was refused: {errors[0]!r}")


def p95(values: list[float]) -> float:
    """By nearest rank: of 20 values the 19th."""
    return round(sorted(values)[math.ceil(len(values) * 0.95) - 1], 1)


class Bench:
    """One browser, one person, one system."""

    def __init__(self, browser: Browser, system: System, chats: int, messages: int) -> None:
        self.wire = Wire(urlsplit(system.base_url).port or 80)
        self.visitor = Visitor(browser, self.wire.url, "Ida", system.base_url)
        self.visitor.context.add_init_script(PROBES)
        self.friend = Friend(system.base_url, self.visitor)
        self.chats, self.messages = chats, messages

    def seed(self) -> Figures:
        """Fill the server while nobody looks, then let the client take all of it."""
        page = self.visitor.page
        in_thread(self.friend.begin(self.chats))
        self.wire.cut()
        half = self.messages // 2
        each = half // (self.chats - 1)
        counts = dict.fromkeys(self.friend.chats[1:], each) | {self.friend.big: self.messages - half}
        began = time.perf_counter()
        in_thread(self.friend.say(counts))
        said = time.perf_counter() - began
        self.wire.mend()
        page.reload()
        took = self._held(page, sum(counts.values()), 600, time.perf_counter())
        page.reload()
        page.locator(".chat-row").nth(2 * TURNS - 1).wait_for()
        syncing = self._chat_open(page, TURNS, first=TURNS)
        page.wait_for_timeout(SETTLED_MS)
        return {"seeded_in_s": round(said, 1), "taken_in_s": round(took, 1), "chat_open_while_syncing_ms": syncing}

    def _held(self, page: Page, count: int, timeout_s: float, began: float) -> float:
        """Seconds since `began` until the client says that it holds so many messages; then they are counted."""
        while page.evaluate(POSITIONS) < count:
            if time.perf_counter() - began > timeout_s:
                raise SystemExit(f"the client holds less than {count} messages after {timeout_s:.0f} s")
            page.wait_for_timeout(100)
        took = time.perf_counter() - began
        found = page.evaluate(COUNT)
        if found < count:
            raise SystemExit(f"the client says that it holds {count} messages, and has {found}")
        return took

    def measure(self, slowdown: int, rounds: int, catch_up: int) -> Figures:
        page = self.visitor.page
        found: Figures = {"cold_start_ms": self._cold_start(slowdown, rounds)}
        page = self.visitor.page
        session = slowed(page, slowdown)
        found |= {
            "chat_open_ms": self._chat_open(page, rounds, pause_ms=LOOKS_MS),
            "chat_opens_in_a_row_ms": self._chat_open(page, rounds, first=TURNS),
            "two_frames_ms": self._two_frames(page, rounds),
            "send_to_bubble_ms": self._send(page, rounds),
            "frame_to_paint_ms": self._frame(page, rounds),
        }
        found |= self._scroll(page, session)
        found |= self._catch_up(page, catch_up)
        session.send("Emulation.setCPUThrottlingRate", {"rate": 1})
        return found

    def _cold_start(self, slowdown: int, rounds: int) -> float:
        """No network: a new page until the chat list is on the screen."""
        self.wire.cut()
        times = []
        for _ in range(rounds):
            self.visitor.page.close()
            page = self.visitor.page = self.visitor.context.new_page()
            slowed(page, slowdown)
            page.goto(self.visitor.url)
            times.append(page.evaluate("bench.firstList"))
        self.wire.mend()
        page.locator(".strip").wait_for(state="detached", timeout=60_000)
        self._settle(page)
        return p95(times)

    def _settle(self, page: Page) -> None:
        """Until what the syncs of a new connection tell is held."""
        seen = None
        while seen != (seen := page.evaluate(SINCE)):
            page.wait_for_timeout(1_500)

    def _chat_open(self, page: Page, rounds: int, first: int = 0, pause_ms: int = 0) -> float:
        """Each chat is left after a pause; without one, what was read in it is written while the next one opens."""
        times = []
        for number in range(rounds):
            page.locator(".chat-row a").nth(first + number % TURNS).evaluate("one => { window.bench.target = one; }")
            times.append(
                page.evaluate(
                    """async () => {
                        const old = new Set(document.querySelectorAll('.message'));
                        const began = performance.now();
                        bench.target.click();
                        return await bench.filled(old) - began;
                    }"""
                )
            )
            page.wait_for_timeout(pause_ms)
        return p95(times)

    def _open_big(self, page: Page) -> None:
        page.goto(f"{self.visitor.url}/chat/{self.friend.big}")
        self.visitor.writer(page).wait_for()
        page.locator(".message").nth(19).wait_for(state="attached")

    def _two_frames(self, page: Page, rounds: int) -> float:
        """What the screen has of the figures below: a key that does nothing, until the second frame after it."""
        times = []
        for _ in range(rounds):
            page.evaluate(
                """() => addEventListener('keydown', () => {
                    const began = performance.now();
                    bench.nothing = bench.painted().then((at) => at - began);
                }, { once: true, capture: true })"""
            )
            page.keyboard.press("Shift")
            times.append(page.evaluate("bench.nothing"))
        return p95(times)

    def _send(self, page: Page, rounds: int) -> float:
        self._open_big(page)
        times = []
        for number in range(rounds):
            text = f"sent {time.time():.0f}-{number}"
            self.visitor.writer(page).fill(text)
            page.evaluate(
                """(text) => {
                    const box = document.querySelector('.composer textarea');
                    box.addEventListener('keydown', () => {
                        const began = performance.now();
                        bench.sent = bench.until(bench.has(text)).then(bench.painted).then((at) => at - began);
                    }, { once: true, capture: true });
                }""",
                text,
            )
            self.visitor.writer(page).press("Enter")
            times.append(page.evaluate("bench.sent"))
        return p95(times)

    def _frame(self, page: Page, rounds: int) -> float:
        times = []
        for number in range(rounds):
            mark = f"frame-{int(time.time())}{number}-mark"
            page.evaluate("(mark) => { bench.shown = bench.until(bench.has(mark)).then(bench.painted); }", mark)
            in_thread(self._one(mark))
            times.append(page.evaluate("(mark) => bench.shown.then((at) => at - bench.arrived[mark])", mark))
        return p95(times)

    async def _one(self, text: str) -> None:
        sent = asyncio.Event()
        socket = await people.connect(
            self.friend.url, self.friend.person, lambda raw: sent.set() if b"message.sent" in raw else None
        )
        socket.say(people.send_frame(self.friend.big, text, text))
        await asyncio.wait_for(sent.wait(), 20)
        if socket.transport is not None:
            socket.transport.disconnect()

    def _scroll(self, page: Page, session: CDPSession, screens: int = 150) -> Figures:
        """Up through the big chat: rows in the document, how far the row in sight moves by itself, the heap."""
        self._open_big(page)
        found = page.evaluate(SCROLL, screens)
        session.send("HeapProfiler.collectGarbage")
        heap = session.send("Runtime.getHeapUsage")["usedSize"]
        return {
            "scroll_rows_most": found["rows"],
            "scroll_drift_px": round(found["drift"], 2),
            "scroll_seen": found["seen"],
            "scroll_frame_ms": p95(found["frames"]),
            "heap_mb": round(heap / 1e6, 1),
        }

    def _catch_up(self, page: Page, count: int) -> Figures:
        """Offline while `count` messages are written: from the network's return until all of them are held."""
        page.goto(self.visitor.url)
        page.locator(".chat-row").first.wait_for()
        before = page.evaluate(POSITIONS)
        self.wire.cut()
        each = count // 20
        in_thread(self.friend.say(dict.fromkeys(self.friend.chats[:20], each)))
        page.evaluate(DELAYS)
        self.wire.mend()
        began = time.perf_counter()
        page.evaluate("dispatchEvent(new Event('online'))")  # what a browser tells a page whose network is back
        took = self._held(page, before + each * 20, 120, began)
        return {"catch_up_s": round(took, 2), "catch_up_input_delay_ms": round(page.evaluate("bench.longest"), 1)}


def asked(store: str, request: str, answer: str) -> str:
    """A script that asks the client's store. `answer` makes something of the result `found`."""
    return f"""() => new Promise((done, fail) => {{
        const ask = indexedDB.open('tidings');
        ask.onerror = () => fail(ask.error);
        ask.onsuccess = () => {{
            const asked = ask.result.transaction('{store}').objectStore('{store}').{request};
            asked.onsuccess = () => {{ const found = asked.result; ask.result.close(); done({answer}); }};
        }};
    }})"""


COUNT = asked("messages", "count()", "found")
# What the client says that it holds, entries of all chats together: cheap to ask, where a count takes 100,000 records.
POSITIONS = asked("positions", "getAll()", "found.reduce((sum, one) => sum + one, 0)")
SINCE = asked("facts", "get('since')", "found")

# The longest time the page did not get to what a key would have asked of it.
DELAYS = """() => {
    bench.longest = 0;
    const channel = new MessageChannel();
    const press = () => {
        const due = performance.now() + 10;  // also what keeps the timer from it is a delay
        setTimeout(() => channel.port2.postMessage(due), 10);
    };
    channel.port1.onmessage = ({ data }) => {
        bench.longest = Math.max(bench.longest, performance.now() - data);
        press();
    };
    press();
}"""

SCROLL = """async (screens) => {
    const box = document.querySelector('.scroller');
    const frame = () => new Promise((done) => requestAnimationFrame(done));
    const first = () => {
        const top = box.getBoundingClientRect().top;
        return [...box.querySelectorAll('[data-key]')].find((one) => one.getBoundingClientRect().bottom > top);
    };
    const found = { rows: 0, drift: 0, seen: 0, frames: [] };
    const seen = new Set();
    for (let n = 0; n < screens; n++) {
        const began = performance.now();
        box.scrollTop -= box.clientHeight * 0.8;
        await frame();
        const row = first();
        const at = row?.getBoundingClientRect().top;
        found.frames.push(performance.now() - began);
        for (let wait = 0; wait < 12; wait++) await frame();
        if (row?.isConnected) found.drift = Math.max(found.drift, Math.abs(row.getBoundingClientRect().top - at));
        const rows = box.querySelectorAll('[data-key]');
        found.rows = Math.max(found.rows, rows.length);
        for (const one of rows) seen.add(one.dataset.key);
    }
    found.seen = seen.size;
    return found;
}"""


def slowed(page: Page, rate: int) -> CDPSession:
    session = page.context.new_cdp_session(page)
    session.send("Emulation.setCPUThrottlingRate", {"rate": rate})
    return session


def over(found: Figures, column: int) -> list[str]:
    """What misses its aim."""
    missed = [f"{name} {found[name]} > {aim[column]}" for name, aim in AIMS.items() if found[name] > aim[column]]
    for name, most in (("scroll_rows_most", ROWS_AIM), ("scroll_drift_px", DRIFT_AIM_PX), ("heap_mb", HEAP_AIM_MB)):
        if found[name] > most:
            missed.append(f"{name} {found[name]} > {most}")
    return missed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chats", type=int, default=500)
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--catch-up", type=int, default=10_000, help="messages missed while offline")
    parser.add_argument("--rounds", type=int, default=20, help="of each figure")
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    args = parser.parse_args()
    results: Figures = {"machine": machine()}
    show("machine", results["machine"])
    print(f"{time.strftime('%H:%M:%S')}  starting a system and a browser ...", file=sys.stderr)
    with (
        tempfile.TemporaryDirectory() as folder,
        running_system(Path(folder) / "data") as system,
        running_browser() as browser,
    ):
        system.wait_ready()
        bench = Bench(browser, system, args.chats, args.messages)
        print(f"{time.strftime('%H:%M:%S')}  {args.messages} messages in {args.chats} chats ...", file=sys.stderr)
        results["store"] = {"chats": args.chats, "messages": args.messages, **bench.seed()}
        show("store", results["store"])
        for column, (name, slowdown) in enumerate((("free", 1), ("slowed_4x", 4))):
            print(f"{time.strftime('%H:%M:%S')}  {name} ...", file=sys.stderr)
            results[name] = bench.measure(slowdown, args.rounds, args.catch_up)
            results[name]["misses"] = over(results[name], column)
            show(name, results[name])
        if bench.visitor.errors:
            results["page_errors"] = bench.visitor.errors
            print(json.dumps(bench.visitor.errors, indent=2))
    if args.json:
        save(args.json, results)


if __name__ == "__main__":
    main()
