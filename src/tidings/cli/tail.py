"""`tidings tail`: what is said, line by line, for scripts."""

import asyncio
import contextlib
from typing import Annotated, Final

import msgspec
import typer

from tidings.cli import lines, profiles, servers
from tidings.cli.chat.draw import clean, local, name_of
from tidings.cli.options import DEFAULT_DATA_DIR, DataDir, fail
from tidings.client import ApiError, Changed, Client, Connected, Message, Missed, SignedOut
from tidings.contracts import times

WATCHED: Final = 200  # newest messages of each chat whose edits, deletions and reactions are told


def tail(
    context: typer.Context,
    chat: Annotated[str, typer.Argument(help="The id of one chat; all chats if not given.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="For programs: one message as JSON on each line.")] = False,
    count: Annotated[int, typer.Option("-n", "--lines", min=0, help="How many earlier messages to begin with.")] = 10,
    follow: Annotated[bool, typer.Option("--follow/--no-follow", help="Go on with what comes.")] = True,
    profile: profiles.Profile = "default",
    url: servers.Url = "",
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Print what happens in your chats as it comes: messages, and what becomes of the newest. Ctrl-C ends it.

    A line that was cut by a lost connection comes after it is back.
    """
    server = profiles.find_server_of(profile, servers.read_asked(context, url, data_dir))
    try:
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(_tail(chat, as_json, count, follow, server))
    except ApiError as problem:
        servers.refuse(problem, server)
    except BrokenPipeError:
        raise typer.Exit(0) from None


async def _tail(chat_id: str, as_json: bool, count: int, follow: bool, server: servers.Server) -> None:
    client = profiles.open_client(server, own_store=False)
    profiles.require_sign_in(client, server)
    printer = _Printer(client, chat_id, as_json)
    async with client:
        events = client.events()
        following = False
        async for event in events:
            match event:
                case Connected(settled=True) if not following:
                    await printer.begin(count, follow)
                    following = True
                    if not follow:
                        return
                case Connected(online=False, reason=reason) if reason and not following and not follow:
                    fail(reason)
                case Changed(chat_ids=changed) if following:
                    await printer.tell(changed)
                case Missed() if following:
                    await printer.tell(None)
                case SignedOut():
                    fail(f"the session was ended; sign in again with `{server.write_command('chat')}`")
                case _:
                    pass


class _Printer:
    """Owner of what has been printed: the highest number of each chat, and how its newest messages looked."""

    def __init__(self, client: Client, chat_id: str, as_json: bool) -> None:
        self._client, self._chat_id, self._as_json = client, chat_id, as_json
        self._printed: dict[str, int] = {}
        self._looked: dict[str, dict[str, Message]] = {}
        self._names: dict[str, str] = {}

    async def _chats(self) -> list[str]:
        if self._chat_id:
            if await self._client.chat(self._chat_id) is None:
                fail(f"you have no chat {self._chat_id}")
            return [self._chat_id]
        return [row.id for row in await self._client.chats()]

    async def begin(self, count: int, follow: bool) -> None:
        """Print the newest `count` of all, and know the newest of each chat if one follows."""
        found: list[Message] = []
        for chat_id in await self._chats():
            rows = [row for row in await self._client.messages(chat_id, limit=max(count, 1)) if row.seq]
            self._printed[chat_id] = rows[-1].seq or 0 if rows else 0
            if follow and not self._as_json:
                self._looked[chat_id] = await self._newest(chat_id)
            found += rows
        found.sort(key=lambda row: row.created_at)
        for row in found[-count:] if count else []:
            await self._print(row)

    async def tell(self, changed: frozenset[str] | None) -> None:
        """What became of messages, and what is new, in chats that changed; in all when it is not known which did."""
        chat_ids = await self._chats() if changed is None else sorted(changed)
        for chat_id in chat_ids:
            if self._chat_id not in ("", chat_id) or await self._client.chat(chat_id) is None:
                continue
            if not self._as_json:
                await self._tell_changes(chat_id)
            while rows := await self._client.after(chat_id, self._printed.get(chat_id, 0)):
                for row in rows:
                    await self._print(row)
                    self._printed[chat_id] = row.seq or 0
                    if row.message_id and not self._as_json:
                        self._looked.setdefault(chat_id, {})[row.message_id] = row

    async def _tell_changes(self, chat_id: str) -> None:
        before, rows = self._looked.get(chat_id, {}), await self._newest(chat_id)
        self._looked[chat_id] = {message_id: row for message_id, row in rows.items() if message_id in before}
        chat = await self._client.chat(chat_id)
        for message_id, now in self._looked[chat_id].items():
            if (then := before[message_id]) != now:
                await self._learn(now)
                for at, line in lines.happened(then, now, chat, self._name):
                    await self._say(chat_id, at, line)

    async def _newest(self, chat_id: str) -> dict[str, Message]:
        rows = await self._client.messages(chat_id, limit=WATCHED)
        return {row.message_id: row for row in rows if row.message_id}

    async def _print(self, row: Message) -> None:
        if self._as_json:
            print(msgspec.json.encode(row).decode(), flush=True)
            return
        await self._learn(row)
        await self._say(row.chat_id, row.created_at, lines.said(row, self._name))

    async def _say(self, chat_id: str, at: str | None, line: str) -> None:
        chat = None if self._chat_id else await self._client.chat(chat_id)
        place = f"[{clean(chat.title)}] " if chat else ""
        when = local(at or times.rfc3339(times.now_ms()))
        print(f"{when:%Y-%m-%d %H:%M:%S}", *f"{place}{line}".split(), flush=True)

    def _name(self, user_id: str | None) -> str:
        return "You" if user_id == self._client.user_id else self._names.get(user_id or "", "Someone")

    async def _learn(self, row: Message) -> None:
        """Know the names its lines need; who cannot be asked for now is `Someone`, and asked for again."""
        for user_id in lines.people_of(row) - self._names.keys() - {self._client.user_id}:
            with contextlib.suppress(ApiError):
                person = await self._client.person(user_id) or await self._client.load_person(user_id)
                self._names[user_id] = name_of(person)
