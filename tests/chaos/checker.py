"""The verdict on a history: pure functions, each one rule, each answering the violations it found.

The rules are those of the design's promises: nothing answered is lost, doubled, disordered, invented or shown to whom
it is not for; watermarks only rise; unread counts follow from the log; after a fault it goes on within five seconds; a
live frame comes, or the word to sync; a push is for who may see the message and has not read it.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from tests.chaos.history import Line
from tests.chaos.live import pushed, unheard
from tests.chaos.seen import Seen, in_window

SERVED_AGAIN_S: Final = 5.0


class Violation(NamedTuple):
    rule: str
    what: str


def check(lines: list[Line]) -> list[Violation]:
    """Everything that is wrong with a history. Empty: it kept every promise."""
    seen = Seen(lines)
    return [Violation(rule.__name__, what) for rule in RULES for what in rule(seen)]


def void(seen: Seen) -> Iterator[str]:
    """A run that proves nothing: nobody sent, or nothing broke while they did."""
    if not seen.ok:
        yield "no send was answered"
    if not seen.finals:
        yield "there was no final sync"
    faults = [line.t for line in seen.lines if line.op == "fault" and line.phase == "invoke"]
    times = [line.t for found in seen.ok.values() for line in found]
    if not any(min(times, default=0) < at < max(times, default=0) for at in faults):
        yield "no fault while messages were sent"


def lost(seen: Seen) -> Iterator[str]:
    """An answered send is in the final sync of everyone whose window holds it."""
    for (chat, cmid), answers in seen.ok.items():
        for person, chats in seen.finals.items():
            found = chats.get(chat)
            if found is None or not in_window(found, answers[0].seq):
                continue
            own = [entry for entry in found.entries if entry.cmid == cmid and entry.sender == answers[0].person]
            if not any((entry.mid, entry.seq) == (answers[0].mid, answers[0].seq) for entry in own):
                yield f"{cmid} of {chat}, answered with {answers[0].seq}, is not there for {person}"


def duplicated(seen: Seen) -> Iterator[str]:
    """One clientMsgId, one message; one message, one number; the same answer each time."""
    for (chat, cmid), answers in seen.ok.items():
        if len({(answer.mid, answer.seq) for answer in answers}) > 1:
            yield f"{cmid} of {chat} was answered in two ways"
    for person, chats in seen.finals.items():
        for chat, found in chats.items():
            messages = [entry for entry in found.entries if entry.kind == "message"]
            for name, keys in (
                ("clientMsgId", [(entry.sender, entry.cmid) for entry in messages]),
                ("message", [entry.mid for entry in messages]),
                ("number", [entry.seq for entry in found.entries]),
            ):
                if len(set(keys)) < len(keys):
                    yield f"{person} is shown one {name} twice in {chat}"


def disordered(seen: Seen) -> Iterator[str]:
    """Everyone is shown the same at a number; numbers rise; what one device sent is in its order."""
    for person, chats in seen.finals.items():
        for chat, found in chats.items():
            numbers = [entry.seq for entry in found.entries]
            if numbers != sorted(numbers):
                yield f"the numbers of {chat} do not rise for {person}"
            for entry in found.entries:
                other = seen.log[chat][entry.seq]
                if (entry.mid, entry.kind, entry.text) != (other.mid, other.kind, other.text):
                    yield f"{entry.seq} of {chat} is another entry for {person} than for someone else"
    by_device: dict[tuple[str, str], list[Line]] = defaultdict(list)
    for (chat, cmid), answers in seen.ok.items():
        if (chat, cmid) in seen.invoked:
            by_device[chat, answers[0].device].append(answers[0])
    for (chat, device), answers in by_device.items():
        if not _in_order(seen, sorted(answers, key=lambda answer: seen.invoked[answer.chat, answer.cmid].t)):
            yield f"what {device} sent to {chat} one after the other is not in that order"


def _in_order(seen: Seen, answers: list[Line]) -> bool:
    """Whether numbers rise from burst to burst, and inside a burst among those that were said once: what had to be
    said again may come after what was said behind it."""
    before, burst, high, once = 0, 0, 0, 0
    for answer in answers:
        sent = seen.invoked[answer.chat, answer.cmid]
        if sent.burst != burst or not burst:
            before, burst, once = high, sent.burst, 0
        if answer.seq <= before:
            return False
        if (answer.chat, answer.cmid) not in seen.again:
            if answer.seq <= once:
                return False
            once = answer.seq
        high = max(high, answer.seq)
    return True


def gap(seen: Seen) -> Iterator[str]:
    """Pages cover the window to its end, and leave out no number that others are shown."""
    for person, chats in seen.finals.items():
        for chat, found in chats.items():
            first, last = found.covered
            end = found.last if found.left is None else min(found.left, found.last)
            if last < end or first > found.joined:
                yield f"pages of {chat} cover {first}..{last} for {person}, not {found.joined}..{end}"
            held = {entry.seq for entry in found.entries}
            missing = [seq for seq in seen.log[chat] if in_window(found, seq) and seq not in held]
            if missing:
                yield f"{person} is not shown {missing[:5]} of {chat}"
    for chat, log in seen.log.items():
        whole = [found for chats in seen.finals.values() if (found := chats.get(chat)) and found.joined <= 1]
        end = max((found.covered[1] for found in whole if found.left is None), default=0)
        absent = [seq for seq in range(1, end + 1) if seq not in log]
        if absent:
            yield f"numbers {absent[:5]} of {chat} exist for nobody"


def phantom(seen: Seen) -> Iterator[str]:
    """Nothing is shown that nobody sent, or that was refused, or with another text."""
    for chat, log in seen.log.items():
        for entry in log.values():
            if entry.kind != "message":
                continue
            sent = seen.invoked.get((chat, entry.cmid or ""))
            if sent is None or sent.person != entry.sender:
                yield f"nobody sent {entry.cmid} of {chat}"
            elif (chat, entry.cmid or "") in seen.failed and (chat, entry.cmid or "") not in seen.ok:
                yield f"{entry.cmid} of {chat} was refused and is there"
            elif entry.text is not None and not entry.edited and entry.text != sent.text:
                yield f"{entry.cmid} of {chat} has another text than was sent"


def leak(seen: Seen) -> Iterator[str]:
    """Nothing from before one joined or after one left, in the final sync and on sockets."""
    for person, chats in seen.finals.items():
        for chat, found in chats.items():
            outside = [entry.seq for entry in found.entries if not in_window(found, entry.seq)]
            if outside:
                yield f"{person} is shown {outside[:5]} of {chat}, outside of {found.joined}..{found.left}"
    for line in seen.lines:
        if line.op == "recv" and line.chat not in seen.finals.get(line.person, {line.chat: None}):
            yield f"{line.person} received {line.seq} of {line.chat}, a chat that is not theirs"
        elif line.op == "recv" and seen.absent(line.person, line.chat, line.seq):
            yield f"{line.person} received {line.seq} of {line.chat} while they were no member"
    for chat, log in seen.log.items():
        for entry in log.values():
            if entry.kind == "message" and entry.sender and seen.absent(entry.sender, chat, entry.seq):
                yield f"{entry.sender} wrote {entry.seq} of {chat} while they were no member"


def regressed(seen: Seen) -> Iterator[str]:
    """Read marks that were acknowledged stay, and read implies delivered."""
    highest: dict[tuple[str, str], int] = defaultdict(int)
    for line in seen.lines:
        if line.op == "read" and line.phase == "ok":
            highest[line.person, line.chat] = max(highest[line.person, line.chat], line.seq)
    for person, chats in seen.finals.items():
        for chat, found in chats.items():
            if found.read < highest[person, chat]:
                yield f"{person} had read {chat} to {highest[person, chat]}, now it is {found.read}"
            if found.delivered < found.read:
                yield f"{person} has read {chat} to {found.read} and delivered to {found.delivered}"
            if max(found.read, found.delivered, found.others_read, found.others_delivered) > found.last:
                yield f"a watermark of {chat} is above its end for {person}"


def invented(seen: Seen) -> Iterator[str]:
    """Nobody is said to hold more than they said themselves."""
    said: dict[tuple[str, str], int] = defaultdict(int)
    for line in seen.lines:
        if line.op in ("delivered", "read", "send") and line.phase in ("ok", "invoke"):
            said[line.person, line.chat] = max(said[line.person, line.chat], line.seq)
        if line.op == "receipt" and line.seq > said[line.target, line.chat] and not line.code:
            yield f"{line.target} is said to have {line.status} {line.seq} of {line.chat}"


def unread(seen: Seen) -> Iterator[str]:
    """The count is that of others' messages above the own read mark."""
    for person, chats in seen.finals.items():
        for chat, found in chats.items():
            if found.membership != "member":
                continue
            counted = sum(
                entry.kind == "message" and entry.seq > found.read and entry.sender != person and entry.text is not None
                for entry in found.entries
            )
            if counted != found.unread:
                yield f"{person} is told {found.unread} unread in {chat}, there are {counted}"


def epoch(seen: Seen) -> Iterator[str]:
    """Nothing was restored from a backup, so nobody is told to begin anew."""
    told = {line.epoch for line in seen.lines if line.epoch}
    if len(told) > 1:
        yield f"the log's epoch changed: {sorted(told)}"


def stuck(seen: Seen) -> Iterator[str]:
    """With all faults healed every send is answered."""
    for line in seen.lines:
        if line.op == "stuck":
            yield f"{line.cmid} of {line.chat} was never answered"


def slow(seen: Seen) -> Iterator[str]:
    """Within five seconds after all is whole again someone's send is answered, unless the next fault came first."""
    answers = sorted(line.t for found in seen.ok.values() for line in found)
    for number, (_, healed) in enumerate(seen.faults):
        first = next((at for at in answers if at > healed), None)
        following = seen.faults[number + 1][0] if number + 1 < len(seen.faults) else math.inf
        if first is not None and first - healed > SERVED_AGAIN_S and following - healed > SERVED_AGAIN_S:
            last = next(line for line in seen.lines if line.op == "fault" and line.t == healed)
            yield f"{first - healed:.1f} s passed after {last.kind} of {last.target} before a send was answered"


def mislaid(seen: Seen) -> Iterator[str]:
    """A file whose upload was answered is served as it was."""
    files = {line.mid: line for line in seen.lines if line.op == "object"}
    for upload in seen.lines:
        if upload.op == "upload" and (found := files.get(upload.mid)) is not None and found.text != upload.text:
            yield f"{upload.mid} of {upload.person} is served as {found.text}"


RULES: Final[tuple[Callable[[Seen], Iterator[str]], ...]] = (
    void, lost, duplicated, disordered, gap, phantom, leak, regressed, invented, unread, epoch, stuck, slow, unheard,
    pushed, mislaid,
)  # fmt: skip
