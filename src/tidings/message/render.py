"""Documents of the log as clients see them: Messages, notices, Changes, and the frames that tell of them."""

from typing import Any, Literal

import msgspec
from msgspec import Raw

from tidings.contracts import frames
from tidings.contracts.content import Poll
from tidings.contracts.events import LogEvent
from tidings.contracts.objects import Change, Message, Reaction, Reply, Vote
from tidings.contracts.times import now_ms, rfc3339, rfc3339_or_none
from tidings.message import log
from tidings.message.log import Document

NULL = Raw(b"null")
_ENCODER = msgspec.json.Encoder()


class MessageNew(Message, tag_field="type", tag="message.new", kw_only=True):
    """The frame of a new message or notice: a Message with its type."""


def fields(d: Document, viewer: str | None) -> dict[str, Any]:
    """The arguments of a Message as `viewer` sees it; for nobody in particular, `mine` is false."""
    deleted_at = d.get("deletedAt")
    expires_at = d.get("expiresAt")
    content = d.get("content")
    if expires_at is not None and expires_at <= now_ms():
        content, deleted_at = None, deleted_at or expires_at
    kind: Literal["message", "notice"] = d["kind"]
    reply = d.get("replyTo")
    found: dict[str, Any] = {
        "kind": kind,
        "message_id": d["_id"],
        "chat_id": d["chatId"],
        "sender_id": d["senderId"] or None,
        "seq": d["seq"],
        "client_msg_id": d["clientMsgId"] if kind == "message" else None,
        "content": NULL if content is None else Raw(content.encode()),
        "reply_to": None if reply is None or content is None else Reply(
            message_id=reply["messageId"], seq=reply["seq"], sender_id=reply["senderId"], preview=reply["preview"]
        ),
        "mentions": d.get("mentions", []),
        "forwarded": d.get("forwarded", 0),
        "created_at": rfc3339(d["at"]),
        "edited_at": rfc3339_or_none(d.get("editedAt")),
        "deleted_at": rfc3339_or_none(deleted_at),
        "deleted_by": d.get("deletedBy"),
        "expires_at": rfc3339_or_none(expires_at),
    }  # fmt: skip
    if content is None:
        return found
    if d.get("reactions"):
        found["reactions"] = reactions(d["reactions"], viewer)
    if d.get("isPoll"):
        found["votes"] = votes(poll_options(content), d.get("ballots", {}), viewer)
    return found


def reactions(given: Document, viewer: str | None) -> list[Reaction]:
    """Reactions by count, then by first appearance. `given` is user id to {emoji, seq}."""
    counts: dict[str, list[Any]] = {}
    for user_id, reaction in sorted(given.items(), key=lambda item: item[1]["seq"]):
        if reaction["emoji"] is None:
            continue
        entry = counts.setdefault(reaction["emoji"], [0, False])
        entry[0] += 1
        entry[1] = entry[1] or user_id == viewer
    ordered = sorted(counts.items(), key=lambda item: -item[1][0])
    return [Reaction(emoji=emoji, count=count, mine=mine) for emoji, (count, mine) in ordered]


def poll_options(content: str) -> list[str]:
    """The option ids of a stored poll."""
    return [option.id for option in msgspec.json.decode(content, type=Poll).options]


def votes(options: list[str], ballots: Document, viewer: str | None) -> list[Vote]:
    """Votes per option. `ballots` is user id to {options, seq}."""
    return [
        Vote(
            option_id=option,
            count=sum(option in ballot["options"] for ballot in ballots.values()),
            mine=viewer is not None and viewer in ballots and option in ballots[viewer]["options"],
        )
        for option in options
    ]


def message(d: Document, viewer: str | None, *, starred: bool | None = None) -> Message:
    """A message or notice as `viewer` sees it."""
    found = Message(**fields(d, viewer))
    if starred is not None:
        found.starred = starred
    return found


def encode(value: Any) -> bytes:
    """JSON."""
    return _ENCODER.encode(value)


def change(d: Document, target: Document, viewer: str | None) -> Change:
    """A change entry, with its message as it is now."""
    return Change(
        change=d["change"],
        chat_id=d["chatId"],
        seq=d["seq"],
        message_id=d["targetId"],
        target_seq=d["targetSeq"],
        user_id=d["senderId"],
        at=rfc3339(d["at"]),
        message=message(target, viewer),
    )


def frame(d: Document, target: Document | None = None) -> bytes:
    """The frame that tells everyone of an entry. A change that needs its target's state (vote) is given it."""
    if d["kind"] != "change":
        return _ENCODER.encode(MessageNew(**fields(d, None)))
    common = {
        "message_id": d["targetId"],
        "chat_id": d["chatId"],
        "seq": d["seq"],
        "target_seq": d["targetSeq"],
        "user_id": d["senderId"],
    }
    match d["change"]:
        case log.EDIT:
            return _ENCODER.encode(frames.Edited(**common, content=_raw(d.get("content")), edited_at=rfc3339(d["at"])))
        case log.DELETE:
            return _ENCODER.encode(frames.Deleted(**common))
        case log.REACTION:
            return _ENCODER.encode(frames.Reacted(**common, emoji=d.get("emoji")))
        case log.VOTE:
            return _ENCODER.encode(frames.Voted(**common, votes=Raw(encode(_votes_of(target, None)))))
        case _:
            return _ENCODER.encode(frames.Pinned(**common, pinned=bool(d.get("pinned"))))


def vote_frame(d: Document, target: Document, viewer: str) -> bytes:
    """The answer to one who voted: with their own marks."""
    return _ENCODER.encode(
        frames.Voted(
            message_id=d["targetId"],
            chat_id=d["chatId"],
            seq=d["seq"],
            target_seq=d["targetSeq"],
            user_id=d["senderId"],
            votes=Raw(encode(_votes_of(target, viewer))),
        )
    )


def _votes_of(target: Document | None, viewer: str | None) -> list[Vote]:
    if target is None or target.get("content") is None:
        return []
    return votes(poll_options(target["content"]), target.get("ballots", {}), viewer)


def _raw(content: str | None) -> Raw:
    return NULL if content is None else Raw(content.encode())


def event(d: Document, target: Document | None = None, origin: str | None = None) -> LogEvent:
    """The event of a stored entry."""
    ballots = None
    if d["kind"] == "change" and d["change"] == log.VOTE and target is not None:
        ballots = {user_id: ballot["options"] for user_id, ballot in target.get("ballots", {}).items()}
    return LogEvent(
        chat_id=d["chatId"],
        seq=d["seq"],
        kind=d["kind"],
        sender_id=d["senderId"] or None,
        message_id=d["targetId"] if d["kind"] == "change" else d["_id"],
        frame=Raw(frame(d, target)),
        origin=origin,
        membership=bool(d.get("membership")),
        members_at=d["membersAt"] if "membersAt" in d else d["seq"],  # not known: readers look themselves
        mentions=d.get("mentions", []),
        ballots=ballots,
        at_ms=d["at"],
    )


SUBJECTS = {
    log.EDIT: "msg.edited",
    log.DELETE: "msg.deleted",
    log.REACTION: "msg.reaction",
    log.VOTE: "msg.edited",
    log.PIN: "msg.edited",
}


def subject(d: Document) -> str:
    """The subject of an entry, without its partition. Votes and pins travel with the edits."""
    return SUBJECTS[d["change"]] if d["kind"] == "change" else "msg.new"
