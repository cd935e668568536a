"""How chats and messages look in a terminal: values in, rich renderables out."""

import unicodedata
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from rich.align import Align
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from tidings.client import ChatRow, Message
from tidings.contracts.objects import User

Names = Callable[[str | None], str]

ACCENT: Final = "#35c38f"
OWN: Final = "#14463a"
OTHERS: Final = "#262d31"
READ: Final = "#53bdeb"
COLOURS: Final = ("#e5736b", "#e0a04a", "#b9c24a", "#5cc27c", "#4fbfc4", "#6aa5f0", "#b18bf0", "#e57bb5")
BIDI: Final = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
NOTICES: Final = {
    "chat.created": "created this chat",
    "member.added": "added {people}",
    "member.removed": "removed {people}",
    "member.left": "left",
    "role.changed": "changed the role of {people}",
    "info.changed": "changed the group's details",
    "disappearing.changed": "changed disappearing messages",
}


def name_of(person: User) -> str:
    """What a person is called."""
    return clean(person.name or ("Deleted account" if person.deleted else person.phone or "Someone"))


def clean(text: str) -> str:
    """Text of others without what would steer the terminal or turn the line around: controls and bidi overrides."""
    return "".join("\N{REPLACEMENT CHARACTER}" if _steers(character) else character for character in text)


def _steers(character: str) -> bool:
    return character not in "\n\t" and (unicodedata.category(character) == "Cc" or character in BIDI)


def summary(message: Message) -> str:
    """A message in one line of plain text."""
    content: dict[str, Any] = message.content or {}
    if message.deleted_at is not None or message.content is None:
        return "deleted"
    match content.get("kind"):
        case "text":
            return " ".join(message.text.split())
        case "image" | "video" | "audio" | "voice" | "sticker" as kind:
            return " ".join(filter(None, (f"[{kind}]", message.text)))
        case "document":
            return f"[document] {content.get('fileName', '')}"
        case "location":
            return f"[location] {content.get('name') or ''} {content.get('lat')}, {content.get('lon')}"
        case "contact":
            return f"[contact] {content.get('name', '')} {' '.join(content.get('phones', []))}"
        case "poll":
            return f"[poll] {content.get('question', '')}"
        case "notice":
            return str(content.get("event", "notice"))
        case other:
            return f"[{other}: not supported here]"


def tick(message: Message, chat: ChatRow) -> tuple[str, str]:
    """The sign behind one's own message, and its colour."""
    if message.state == "failed":
        return "! not sent", "bold #f06a6a"
    if message.seq is None:
        return "\N{WHITE CIRCLE}", "dim"
    if message.seq <= chat.others_read_seq:
        return "✓✓", READ
    return ("✓✓", "dim") if message.seq <= chat.others_delivered_seq else ("✓", "dim")


def colour(user_id: str | None) -> str:
    """One colour for each person, the same everywhere."""
    return COLOURS[sum((user_id or "").encode()) % len(COLOURS)]


def clock(at: str) -> str:
    """The time of day, here."""
    return local(at).strftime("%H:%M")


def day(at: str) -> str:
    """The day, here: as people say it."""
    then, today = local(at).date(), datetime.now().astimezone().date()
    if then == today:
        return "Today"
    if (today - then).days == 1:
        return "Yesterday"
    return then.strftime("%A") if (today - then).days < 7 else then.strftime("%d %B %Y")


def local(at: str) -> datetime:
    """A time on the wire, here."""
    return datetime.fromisoformat(at).astimezone()


def chat_row(row: ChatRow, names: Names, me: str, typing: str, online: bool, draft: str) -> RenderableType:
    """Two lines of the list: title and time; what was said last and what is unread."""
    table = Table.grid(expand=True, padding=(0, 1, 0, 0))
    table.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    table.add_column(justify="right", no_wrap=True)
    unread = row.unread or int(row.chat.settings.marked_unread)
    title = Text(clean(row.title), style="bold" if unread else "")
    if online:
        title = Text("● ", style=ACCENT) + title
    when = row.last.created_at if row.last else row.chat.created_at
    shown = clock(when) if day(when) == "Today" else day(when)
    flags = ("⚲ " if row.chat.settings.pinned else "") + ("♪̸ " if row.chat.settings.muted_until else "")
    table.add_row(title, Text(flags + shown, style=ACCENT if unread else "dim"))
    muted = row.chat.settings.muted_until is not None
    badge = (
        Text(f" {row.unread or '·'} ", style=f"bold black on {'#7d8a90' if muted else ACCENT}") if unread else Text()
    )
    table.add_row(_last(row, names, me, typing, draft), badge)
    return Padding(table, (0, 1, 0, 1))


def _last(row: ChatRow, names: Names, me: str, typing: str, draft: str) -> Text:
    if typing:
        return Text(typing, style=f"italic {ACCENT}")
    if draft:
        return Text("Draft: ", style="#f06a6a") + Text(clean(" ".join(draft.split())), style="dim")
    if row.last is None:
        return Text("Nothing said yet", style="dim italic")
    if row.last.kind == "notice":
        return Text(notice(row.last, names), style="dim italic")
    text = Text(style="dim")
    if row.last.sender_id == me:
        sign, style = tick(row.last, row)
        text.append(f"{sign} ", style=style)
    elif row.chat.type == "group":
        text.append(f"{names(row.last.sender_id)}: ")
    return text.append(clean(summary(row.last)))


def notice(message: Message, names: Names) -> str:
    """What happened, as a sentence."""
    content: dict[str, Any] = message.content or {}
    people = ", ".join("you" if (name := names(user)) == "You" else name for user in content.get("userIds") or [])
    sentence = NOTICES.get(str(content.get("event")), "changed something")
    return f"{names(content.get('actorId'))} {sentence.format(people=people)}"


def bubble(message: Message, chat: ChatRow, names: Names, me: str, *, first: bool, width: int) -> RenderableType:
    """One message. `first`: of a run by the same person, so it carries the name in a group."""
    if message.kind == "notice":
        return Align(Text(notice(message, names), style="italic dim"), "center")
    mine = message.sender_id == me
    lines: list[RenderableType] = []
    if first and not mine and chat.chat.type == "group":
        lines.append(Text(names(message.sender_id), style=f"bold {colour(message.sender_id)}"))
    if message.forwarded:
        lines.append(Text("↪ forwarded", style="italic dim"))
    if message.reply_to is not None:
        whose = names(message.reply_to.sender_id) if message.reply_to.sender_id else ""
        shown = clean(message.reply_to.preview or "…")
        lines.append(
            Text(f"▌ {whose}: {shown}" if whose else f"▌ {shown}", style="dim", no_wrap=True, overflow="ellipsis")
        )
    lines.append(_body(message))
    lines.append(_foot(message, chat, mine))
    inner = Padding(Group(*lines), (0, 1), style=f"on {OWN if mine else OTHERS}", expand=False)
    room = max(20, int(width * 0.72))
    return Align(inner, "right" if mine else "left", width=None) if _fits(lines, room) else _wrapped(lines, mine, room)


def _fits(lines: list[RenderableType], room: int) -> bool:
    return all(isinstance(line, Text) and max(map(_cells, line.plain.split("\n"))) + 2 <= room for line in lines)


def _cells(line: str) -> int:
    return Text(line).cell_len


def _wrapped(lines: list[RenderableType], mine: bool, room: int) -> RenderableType:
    inner = Padding(Group(*lines), (0, 1), style=f"on {OWN if mine else OTHERS}", expand=True)
    table = Table.grid()
    table.add_column(width=room)
    table.add_row(inner)
    return Align(table, "right" if mine else "left")


def _body(message: Message) -> Text:
    content: dict[str, Any] = message.content or {}
    if message.deleted_at is not None or message.content is None:
        return Text("∅ This message was deleted", style="italic dim")
    match content.get("kind"):
        case "text":
            return Text(clean(message.text))
        case "image" | "video" | "audio" | "voice" | "sticker" | "document" as kind:
            return _file(message, kind, content)
        case "poll":
            return _poll(message, content)
        case _:
            return Text(clean(summary(message)))


def _file(message: Message, kind: str, content: dict[str, Any]) -> Text:
    sign = {"image": "▣ Photo", "video": "▶ Video", "audio": "♫ Audio", "voice": "♫ Voice", "sticker": "✦ Sticker"}
    title = sign.get(kind) or f"▤ {clean(str(content.get('fileName', 'Document')))}"
    if kind == "image" and content.get("width"):
        title += f"  {content['width']} × {content['height']}"
    if content.get("durationMs"):
        title += f"  {content['durationMs'] // 60000}:{content['durationMs'] // 1000 % 60:02d}"
    text = Text().append(title, style=f"bold {READ}").append("  o opens, s saves", style="dim")
    return text.append("\n" + clean(message.text)) if message.text else text


def _poll(message: Message, content: dict[str, Any]) -> Text:
    text = Text().append(clean(str(content.get("question", ""))), style="bold")
    votes = {vote.option_id: vote for vote in message.votes}
    most = max([vote.count for vote in message.votes], default=0) or 1
    labels = {option["id"]: Text(clean(option["text"])) for option in content.get("options", [])}
    room = min(40, max((label.cell_len for label in labels.values()), default=0))
    for number, (option_id, label) in enumerate(labels.items(), 1):
        vote = votes.get(option_id)
        count = vote.count if vote else 0
        label.truncate(room, overflow="ellipsis", pad=True)
        text.append(f"\n{number} {label.plain}  ", style=ACCENT if vote and vote.mine else "")
        text.append("█" * round(10 * count / most), style=ACCENT).append(f" {count}", style="dim")
    return text


def _foot(message: Message, chat: ChatRow, mine: bool) -> Text:
    text = Text(style="dim", justify="right")
    for reaction in message.reactions:
        count = f" {reaction.count}" if reaction.count > 1 else ""
        text.append(f"{reaction.emoji}{count}  ", style=f"not dim {ACCENT}" if reaction.mine else "not dim")
    if message.starred:
        text.append("★ ")
    if message.pinned:
        text.append("⚲ ")
    if message.edited_at is not None:
        text.append("edited ")
    text.append(clock(message.created_at))
    if mine:
        sign, style = tick(message, chat)
        text.append(" ").append(sign, style=style)
    return text
