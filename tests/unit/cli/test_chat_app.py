"""The terminal client's screen, without a server."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from textual.widgets import Input, Label

from tidings.cli import profiles
from tidings.cli.chat.app import ChatApp
from tidings.cli.servers import Server
from tidings.client import ApiError, Client


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


async def test_sign_in_says_what_shows_the_code_and_remembers_its_server_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    client = Client("http://[::1]:9")
    remembered = profiles.locate_folder("work") / "profile.json"
    tried: list[bool] = []

    async def request_code(phone: str) -> dict[str, Any]:
        return {"delivery": "shown"}

    async def sign_in(phone: str, code: str, device: str) -> str:
        tried.append(remembered.exists())
        raise ApiError("otp_invalid", "[wrong]")

    monkeypatch.setattr(client, "request_code", request_code)
    monkeypatch.setattr(client, "sign_in", sign_in)
    app = ChatApp(client, "+49 151-123 456", Server("http://[::1]:9", Path("my data"), "work"))

    def said() -> str:
        return str(app.screen.query_one("#trouble", Label).render())

    async with app.run_test(size=(160, 40)) as pilot:
        while app.screen.query_one("#code", Input).disabled:
            await pilot.pause(0.01)
        assert said().endswith("tidings code +49151123456 --data-dir 'my data'")
        assert not remembered.exists()
        await pilot.press(*"123456", "enter")
        while not tried:
            await pilot.pause(0.01)
        await pilot.pause()
        assert said() == "[wrong]"
    assert tried == [True]
