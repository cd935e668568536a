"""What happens in chats, as lines a person reads: values in, text out. Texts of others are cleaned on the way."""

from tidings.cli.chat.draw import Names, clean, clock, notice, summary
from tidings.client import ChatRow, Message
from tidings.contracts.objects import Reaction

QUOTED = 60  # characters of a message that a reaction is about


def people_of(message: Message) -> set[str]:
    """Whose names its lines need."""
    content = message.content or {}
    found = {message.sender_id, message.deleted_by, content.get("actorId"), *(content.get("userIds") or [])}
    return {user_id for user_id in found if user_id}


def said(message: Message, names: Names) -> str:
    """A message, or a notice as a sentence."""
    if message.kind == "notice":
        return notice(message, names)
    return f"{names(message.sender_id)}: {clean(summary(message))}"


def happened(before: Message, now: Message, chat: ChatRow | None, names: Names) -> list[tuple[str | None, str]]:
    """What became of a message since, each with its time where that is known: edits, deletion, reactions. Not told:
    votes, pins, stars, reactions that were taken back."""
    who = names(now.sender_id)
    if now.deleted_at is not None:
        by = names(now.deleted_by or now.sender_id)
        return (
            []
            if before.deleted_at
            else [(now.deleted_at, f"{by} deleted what {_object(who)} said at {clock(now.created_at)}")]
        )
    lines: list[tuple[str | None, str]] = []
    if now.edited_at != before.edited_at:
        lines.append((now.edited_at, f"{who} edited what was said at {clock(now.created_at)}: {clean(summary(now))}"))
    had = {reaction.emoji: reaction for reaction in before.reactions}
    for reaction in now.reactions:
        old = had.get(reaction.emoji) or Reaction(emoji=reaction.emoji, count=0, mine=False)
        others = _by_others(reaction) - _by_others(old)
        reacted = ["You"] if reaction.mine and not old.mine else []
        reacted += [_name_others(others, chat)] if others > 0 else []
        quoted = clean(summary(now))
        quoted = quoted if len(quoted) <= QUOTED else quoted[: QUOTED - 1] + "…"
        lines += [(None, f"{by} reacted {clean(reaction.emoji)} to {_object(who)}: {quoted}") for by in reacted]
    return lines


def _by_others(reaction: Reaction) -> int:
    return reaction.count - reaction.mine


def _name_others(count: int, chat: ChatRow | None) -> str:
    """Who reacted beside oneself: the server tells how many, and in a direct chat there is one."""
    if chat is not None and chat.chat.type == "direct":
        return clean(chat.title)
    return "Somebody" if count == 1 else f"{count} people"


def _object(name: str) -> str:
    return "you" if name == "You" else name
