"""A valid history of a chaos run, small enough to change by hand: Anna talks, Ben reads, Cleo comes and goes."""

from typing import Any

import msgspec
from tests.chaos.history import Entry, FinalChat, Line

CHAT = "chat"
REMOVED, ADDED = 4, 6  # the numbers of the notices about Cleo; those of Anna's messages are all others from 2 on
NOTICES = {1: "chat.created", REMOVED: "member.removed", ADDED: "member.added"}


def talk(messages: int = 8) -> list[Line]:
    """Anna sends so many messages in bursts of two; a fault comes in the middle; in the end all look from nothing."""
    numbers = [seq for seq in range(2, messages + 4) if seq not in NOTICES]
    last = max(numbers)
    lines = [
        Line(t=0, op="connect", person=person, device=device, epoch="e")
        for person, device in (("anna", "0a"), ("ben", "1a"), ("cleo", "2a"))
    ]
    t = 1.0
    for count, seq in enumerate(numbers):
        own = {"person": "anna", "device": "0a", "chat": CHAT, "cmid": f"c{seq}", "text": f"t{seq}"}
        lines.append(Line(t=t, op="send", phase="invoke", burst=1 + count // 2, **own))
        lines.append(Line(t=t + 0.1, op="send", phase="ok", mid=f"m{seq}", seq=seq, **own))
        for person, device in (("ben", "1a"), ("cleo", "2a")):
            if person == "ben" or not REMOVED < seq < ADDED:
                told = {"person": person, "device": device, "chat": CHAT, "seq": seq}
                lines.append(Line(t=t + 0.2, op="recv", mid=f"m{seq}", **told))
                lines.append(Line(t=t + 0.2, op="delivered", phase="invoke", **told))
        if count == len(numbers) // 2:
            lines.append(Line(t=t + 0.3, op="fault", phase="invoke", kind="kill", target="message-1"))
            lines.append(Line(t=t + 0.4, op="fault", kind="kill", target="message-1"))
        t += 1
    read = numbers[-2]
    lines += [
        Line(t=t, op="push", person="ben", chat=CHAT, seq=last, kind="message"),
        Line(t=t + 0.5, op="read", phase="invoke", person="ben", device="1a", chat=CHAT, seq=read),
        Line(t=t + 0.6, op="read", phase="ok", person="ben", device="1a", chat=CHAT, seq=read),
        Line(t=t + 1, op="receipt", person="anna", device="0a", chat=CHAT, target="ben", status="delivered", seq=last),
        Line(t=t + 1, op="upload", person="cleo", mid="file", text="hash"),
    ]
    t += 30
    lines += [Line(t=t, op="closed", person=p, device=d) for p, d in (("anna", "0a"), ("ben", "1a"), ("cleo", "2a"))]
    lines += [
        Line(t=t + 1, op="final", person=person, epoch="e", final=[_final(person, numbers, read)])
        for person in ("anna", "ben", "cleo")
    ]
    return [*lines, Line(t=t + 1, op="object", person="cleo", mid="file", text="hash")]


def _final(person: str, numbers: list[int], read: int) -> FinalChat:
    joined = ADDED if person == "cleo" else 1
    last = max(numbers)
    entries = [
        Entry(seq=seq, mid=f"n{seq}", kind="notice", text=event, about=["cleo"] if seq > 1 else [])
        for seq, event in NOTICES.items()
    ]
    entries += [Entry(seq=n, mid=f"m{n}", kind="message", cmid=f"c{n}", sender="anna", text=f"t{n}") for n in numbers]
    mark = {"anna": last, "ben": read, "cleo": joined}[person]
    return FinalChat(
        chat=CHAT, type="group", membership="member", joined=joined, last=last,
        unread=0 if person == "anna" else sum(n > mark for n in numbers), read=mark, delivered=last,
        others_read=0, others_delivered=0, covered=(joined, last),
        entries=sorted((e for e in entries if e.seq >= joined), key=lambda e: e.seq),
    )  # fmt: skip


def change(lines: list[Line], index: int, **fields: Any) -> list[Line]:
    """The same history with one line changed."""
    return [*lines[:index], msgspec.structs.replace(lines[index], **fields), *lines[index + 1 :]]


def change_final(lines: list[Line], index: int, **fields: Any) -> list[Line]:
    """The same history, with the one chat that a `final` line shows changed."""
    return change(lines, index, final=[msgspec.structs.replace(lines[index].final[0], **fields)])
