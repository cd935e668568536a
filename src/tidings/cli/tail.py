"""`tidings tail`: what is said, line by line, for scripts."""

import asyncio
import contextlib
from typing import Annotated

import msgspec
import typer

from tidings.cli import profiles
from tidings.cli.chat.draw import clean, summary
from tidings.cli.options import fail
from tidings.client import ApiError, Changed, Client, Connected, Message, SignedOut


def tail(
    chat: Annotated[str, typer.Argument(help="The id of one chat; all chats if not given.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="For programs: one message as JSON on each line.")] = False,
    lines: Annotated[int, typer.Option("-n", "--lines", min=0, help="How many earlier messages to begin with.")] = 10,
    follow: Annotated[bool, typer.Option("--follow/--no-follow", help="Go on with what comes.")] = True,
    profile: profiles.Profile = "default",
    url: profiles.Url = "",
) -> None:
    """Print messages as they come, Ctrl-C ends it. A line that was cut by a lost connection comes after it is back."""
    try:
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(_tail(chat, as_json, lines, follow, profile, url))
    except ApiError as problem:
        profiles.refused(problem)
    except BrokenPipeError:
        raise typer.Exit(0) from None


async def _tail(chat_id: str, as_json: bool, lines: int, follow: bool, profile: str, url: str) -> None:
    client = profiles.open_client(profile, url, own_store=False)
    profiles.must_be_signed_in(client, profile)
    printer = _Printer(client, chat_id, as_json)
    async with client:
        events = client.events()
        following = False
        async for event in events:
            match event:
                case Connected(settled=True) if not following:
                    await printer.begin(lines)
                    following = True
                    if not follow:
                        return
                case Connected(online=False, reason=reason) if reason and not following and not follow:
                    fail(reason)
                case Changed() if following:
                    await printer.more()
                case SignedOut():
                    fail("the session was ended; sign in again with `tidings chat`")
                case _:
                    pass


class _Printer:
    """Owner of what has been printed: the highest number of each chat."""

    def __init__(self, client: Client, chat_id: str, as_json: bool) -> None:
        self._client, self._chat_id, self._as_json = client, chat_id, as_json
        self._printed: dict[str, int] = {}

    async def _chats(self) -> list[str]:
        if self._chat_id:
            if await self._client.chat(self._chat_id) is None:
                fail(f"you have no chat {self._chat_id}")
            return [self._chat_id]
        return [row.id for row in await self._client.chats()]

    async def begin(self, lines: int) -> None:
        found: list[Message] = []
        for chat_id in await self._chats():
            rows = [row for row in await self._client.messages(chat_id, limit=max(lines, 1)) if row.seq]
            self._printed[chat_id] = rows[-1].seq or 0 if rows else 0
            found += rows
        found.sort(key=lambda row: row.created_at)
        for row in found[-lines:] if lines else []:
            await self._print(row)

    async def more(self) -> None:
        for chat_id in await self._chats():
            after = self._printed.get(chat_id, 0)
            rows = [row for row in await self._client.after(chat_id, after) if row.seq]
            for row in rows:
                await self._print(row)
                self._printed[chat_id] = row.seq or 0

    async def _print(self, row: Message) -> None:
        if self._as_json:
            print(msgspec.json.encode(row).decode(), flush=True)
            return
        person = await self._client.person(row.sender_id) if row.sender_id else None
        chat = await self._client.chat(row.chat_id)
        who = "me" if row.sender_id == self._client.user_id else person.name if person else (row.sender_id or "-")
        place = f"[{chat.title}] " if chat and chat.chat.type == "group" else ""
        print(f"{row.created_at[:19]} {clean(place)}{clean(who)}: {clean(summary(row))}", flush=True)
