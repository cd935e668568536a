"""Make docs/images/terminal.svg from a running demo: `tidings demo`, then `python docs/screenshot.py`."""

import asyncio
import re
import sys
import tempfile
from pathlib import Path

from tidings.cli.chat.app import ChatApp
from tidings.cli.demo.people import PEOPLE
from tidings.client import Client

TARGET = Path(__file__).parent / "images" / "terminal.svg"


async def main(url: str = "http://localhost:30080") -> None:
    phone = PEOPLE[0].phone
    with tempfile.TemporaryDirectory() as folder:
        app = ChatApp(Client(url, Path(folder)))
        async with app.run_test(size=(120, 36)) as pilot:
            await app.client.request_code(phone)
            code = (await app.client.api.call("GET", "/dev/sms", params={"phone": phone}, signed=False))["code"]
            await app.client.sign_in(phone, code)
            app.pop_screen()
            await app.client.until(lambda: app.client.settled)
            await pilot.pause(1)
            await app.open_chat(next(row.id for row in app.rows if row.title.startswith("Weekend")))
            await pilot.pause(1)
            drawn = app.export_screenshot(title="tidings chat")
    TARGET.parent.mkdir(exist_ok=True)
    TARGET.write_text(re.sub(r"@font-face \{.*?\}", "", drawn, flags=re.DOTALL))  # no fonts of a third party
    print(TARGET)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
