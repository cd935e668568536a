"""The terminal client's screen, without a server."""

import asyncio

from tidings.cli.chat.app import ChatApp
from tidings.client import Client


async def test_leaving_while_it_paints_is_no_error() -> None:
    client = Client("http://127.0.0.1:9")
    app, began, gone = ChatApp(client), asyncio.Event(), asyncio.Event()

    async def pending() -> int:
        began.set()
        await gone.wait()
        return 0

    async def watch() -> None:
        while app.query("#title"):
            await asyncio.sleep(0)
        gone.set()

    async with app.run_test():
        client.pending = pending  # type: ignore[method-assign]
        app.repaint()
        await began.wait()
        watching = asyncio.create_task(watch())
    await watching
