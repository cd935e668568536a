"""Make docs/images from a running demo: `tidings demo`, then `.venv/bin/python docs/screenshot.py`. Needs Chromium."""

import asyncio
import io
import re
import shutil
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.async_api import Page, async_playwright

from tidings.cli.chat.app import ChatApp
from tidings.cli.demo.people import PEOPLE
from tidings.client import Client

IMAGES = Path(__file__).parent / "images"
PHONE = PEOPLE[0].phone
CHAT = "Weekend hike"


async def main(url: str = "http://localhost:30080") -> None:
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        client = Client(url, Path(folder))
        await terminal(client)
    await web(url)


async def code_of(client: Client) -> str:
    await client.request_code(PHONE)
    found = await client.api.call("GET", "/dev/sms", params={"phone": PHONE}, signed=False)
    return str(found["code"])


async def terminal(client: Client) -> None:
    app = ChatApp(client)
    async with app.run_test(size=(120, 36)) as pilot:
        await client.sign_in(PHONE, await code_of(client))
        app.pop_screen()
        await client.until(lambda: client.settled)
        await pilot.pause(1)
        await app.open_chat(next(row.id for row in app.rows if row.title.startswith(CHAT)))
        await pilot.pause(1)
        drawn = app.export_screenshot(title="tidings chat")
    # No fonts of a third party.
    (IMAGES / "terminal.svg").write_text(re.sub(r"@font-face \{.*?\}", "", drawn, flags=re.DOTALL))


async def web(url: str) -> None:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--headless=new", "--no-sandbox"]
        )
        page = await browser.new_page(viewport={"width": 1280, "height": 800})
        await page.goto(url)
        await page.locator("input").first.fill(PHONE)
        await page.keyboard.press("Enter")
        await page.locator("[autocomplete=one-time-code]").wait_for()
        answer = await page.request.get(f"{url}/api/v1/dev/sms", params={"phone": PHONE})
        await page.keyboard.type((await answer.json())["code"])
        await page.keyboard.press("Enter")
        await page.get_by_text(CHAT).first.click()
        await page.wait_for_timeout(2_000)  # pictures
        await keep(page, "web")
        await page.set_viewport_size({"width": 390, "height": 844})
        await page.wait_for_timeout(500)
        await keep(page, "web-phone")
        await browser.close()


async def keep(page: Page, name: str) -> None:
    await page.mouse.move(0, 0)
    Image.open(io.BytesIO(await page.screenshot())).convert("RGB").save(IMAGES / f"{name}.webp", quality=88)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
