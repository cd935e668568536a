"""What a key does to the message under the cursor, and how chats begin."""

import asyncio
import mimetypes
import os
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rich.text import Text
from textual.widgets import TextArea

from tidings.cli.chat import draw
from tidings.cli.chat.dialogs import Ask, Choose, Confirm, Picture, Show
from tidings.client import ApiError, Message
from tidings.contracts import ids

if TYPE_CHECKING:
    from tidings.cli.chat.app import ChatApp

LARGEST: Final = 128 * 1024 * 1024
ENDINGS: Final = {
    "audio/ogg": ".ogg",
    "audio/webm": ".webm",
    "audio/wav": ".wav",
}  # rarely or not in the system's table
QUICK: Final = ("👍", "❤️", "😂", "😮", "😢", "🙏")

Action = Callable[["ChatApp", Message, str], Awaitable[None]]


async def reply(app: "ChatApp", message: Message, _: str) -> None:
    if message.message_id is None:
        raise ApiError("conflict", "This message is not stored yet")
    app.replying, app.editing = message, None
    app.show_context()
    app.query_one("#text").focus()


async def edit(app: "ChatApp", message: Message, _: str) -> None:
    if message.sender_id != app.client.user_id or (message.content or {}).get("kind") != "text":
        raise ApiError("forbidden", "Only your own texts can be edited")
    app.editing, app.replying = message, None
    app.show_context()
    text = app.query_one("#text", expect_type=TextArea)
    text.text = message.text
    text.move_cursor(text.document.end)
    text.focus()


async def delete(app: "ChatApp", message: Message, _: str) -> None:
    answers = [("me", "Delete for me")]
    if message.sender_id == app.client.user_id and message.deleted_at is None:
        answers.insert(0, ("everyone", "Delete for everyone"))
    answer = await app.push_screen_wait(Confirm("Delete this message?", answers))
    if answer is not None:
        await app.client.delete(message, for_everyone=answer == "everyone")


async def react(app: "ChatApp", message: Message, _: str) -> None:
    options = [(emoji, emoji) for emoji in QUICK]
    if any(reaction.mine for reaction in message.reactions):
        options.insert(0, ("none", "Take my reaction back"))
    emoji = await app.push_screen_wait(Choose("React with", [*options, ("other", "Another emoji …")]))
    if emoji == "other":
        emoji = await app.push_screen_wait(Ask("Any emoji"))
    if emoji is not None:
        await app.client.react(message, None if emoji == "none" else emoji)


async def star(app: "ChatApp", message: Message, _: str) -> None:
    path = f"/messages/{message.message_id}/star"
    if message.starred:
        await app.client.api.delete(path)
    else:
        await app.client.api.put(path)
    app.notify("Star taken away" if message.starred else "Starred")


async def info(app: "ChatApp", message: Message, _: str) -> None:
    if message.sender_id != app.client.user_id:
        raise ApiError("forbidden", "Only the author sees who has read a message")
    answer = await app.client.api.get(f"/messages/{message.message_id}/receipts")
    text = Text()
    for item in answer["items"]:
        read, got = item["readAt"], item["deliveredAt"]
        state = f"read {draw.day(read)} {draw.clock(read)}" if read else "delivered" if got else "not delivered yet"
        text.append(f"{app.name_person(item['userId'])}  ").append(f"{state}\n", style="dim")
    app.push_screen(Show("Who has it", text))


async def forward(app: "ChatApp", message: Message, _: str) -> None:
    options = [(row.id, draw.clean(row.title)) for row in app.rows if row.chat.membership == "member"]
    chat_id = await app.push_screen_wait(Choose("Forward to", options))
    if chat_id is not None:
        items = [{"messageId": message.message_id, "clientMsgId": ids.new_id()}]
        await app.client.api.post("/messages/forward", {"chatId": chat_id, "items": items}, retry=True)
        app.notify("Forwarded")


async def open_file(app: "ChatApp", message: Message, _: str) -> None:
    content = message.content or {}
    if content.get("kind") in ("image", "sticker"):
        app.push_screen(Picture(await _body(app, message), draw.clean(message.text)))
        return
    place = await _save(app, message)
    opener = shutil.which("xdg-open")
    if opener is None or not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        app.notify(f"Nothing here opens it; saved as {place}", markup=False)
        return
    await asyncio.create_subprocess_exec(
        opener, str(place), stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )


async def save(app: "ChatApp", message: Message, _: str) -> None:
    app.notify(f"Saved as {await _save(app, message)}", markup=False)


async def _save(app: "ChatApp", message: Message) -> Path:
    media, body = await _file(app, message)
    name = file_name(message.content or {}, media, message.seq)
    folder = Path.home() / "Downloads"
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    place = folder / name
    number = 1
    while place.exists():
        number += 1
        place = folder / f"{Path(name).stem}-{number}{Path(name).suffix}"
    await asyncio.to_thread(place.write_bytes, body)
    return place


def file_name(content: dict[str, Any], media: dict[str, Any], seq: int | None) -> str:
    """What a file is saved as: its own name, else one of ours; without an ending it gets that of its type."""
    name = Path(str(content.get("fileName") or media.get("fileName") or "")).name or f"tidings-{seq}"
    kind = str(media.get("mimeType", ""))
    return name if Path(name).suffix else name + (ENDINGS.get(kind) or mimetypes.guess_extension(kind) or "")


async def _body(app: "ChatApp", message: Message) -> bytes:
    return (await _file(app, message))[1]


async def _file(app: "ChatApp", message: Message) -> tuple[dict[str, Any], bytes]:
    media_id = (message.content or {}).get("mediaId")
    if media_id is None:
        raise ApiError("not_found", "There is no file in this message")
    media = await app.client.api.get(f"/media/{media_id}")
    if media["url"] is None:
        raise ApiError("unavailable", "The file is not ready yet")
    return media, await app.client.api.download(media["url"], LARGEST)


async def vote(app: "ChatApp", message: Message, character: str) -> None:
    content = message.content or {}
    options = content.get("options", [])
    if content.get("kind") != "poll" or not character.isdigit() or not 1 <= int(character) <= len(options):
        return
    option = options[int(character) - 1]["id"]
    mine = {vote.option_id for vote in message.votes if vote.mine}
    others = mine - {option} if content.get("multiple") else set()
    await app.client.vote(message, sorted(others if option in mine else others | {option}))


async def again(app: "ChatApp", message: Message, _: str) -> None:
    if message.state == "failed":
        await app.client.send_again(message)


KEYS: Final[dict[str, Action]] = {
    "r": reply, "e": edit, "d": delete, "delete": delete, "plus": react, "asterisk": star, "i": info, "f": forward,
    "o": open_file, "s": save, "enter": again, **{str(n): vote for n in range(1, 10)},
}  # fmt: skip


def for_key(key: str) -> Action | None:
    """What a key does to a message."""
    return KEYS.get(key)


async def new_chat(app: "ChatApp") -> None:
    """A chat with the person of a phone number."""
    phone = await app.push_screen_wait(Ask("New chat", "phone number, as +49 151 1234567; `me` for notes to yourself"))
    if phone is None:
        return
    try:
        user_id = app.client.user_id
        if phone != "me":
            people = await app.client.look_up([phone])
            if not people:
                raise ApiError("not_found", f"Nobody with the number {phone} is here yet")
            user_id = next(iter(people.values())).id
        await app.open_chat(await app.client.open_direct(user_id))
    except ApiError as problem:
        app.notify(problem.detail, severity="error", markup=False)


async def new_group(app: "ChatApp") -> None:
    """A group with people by their phone numbers."""
    name = await app.push_screen_wait(Ask("New group", "its name"))
    if name is None:
        return
    phones = await app.push_screen_wait(Ask(f"Who is in {name}?", "phone numbers, with commas between"))
    if phones is None:
        return
    try:
        wanted = [phone.strip() for phone in phones.split(",") if phone.strip()]
        people = await app.client.look_up(wanted)
        missing = [phone for phone in wanted if phone not in people]
        if missing:
            app.notify(f"Not here yet: {', '.join(missing)}", severity="warning", markup=False)
        if people:
            await app.open_chat(await app.client.create_group(name, [person.id for person in people.values()]))
    except ApiError as problem:
        app.notify(problem.detail, severity="error", markup=False)
