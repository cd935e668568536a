"""Rules for what comes by itself: live frames and pushes. Pure, as the other rules of the checker."""

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Final

from tests.chaos.history import Line
from tests.chaos.seen import Seen

OVERTAKEN_S: Final = 12.0  # 3 s of silence are noticed, and `resync` is spread over 5
HEARD_S: Final = 14.0  # a killed holder keeps a partition waiting for 5 s, and what failed is tried again later
DECIDED_S: Final = 2.5  # from the look at the read mark to the line in the provider's log
REPLAYED_S: Final = 45.0  # after a start of NATS the last 3 minutes are published again, and all of that comes first
FORGET: Final = frozenset({"flush", "kill", "term", "full"})  # what makes Redis forget which pushes were sent


class Session:
    """One connection of a device: when it lasted, what it received, and when it was told to sync."""

    def __init__(self, began: Line) -> None:
        self.person, self.device, self.began, self.ended = began.person, began.device, began.t, began.t
        self.seen: dict[str, dict[int, float]] = defaultdict(dict)
        self.resyncs: list[float] = []


def sessions(lines: list[Line]) -> list[Session]:
    """All connections that got `ready`."""
    open_: dict[str, Session] = {}
    done: list[Session] = []
    for line in lines:
        if line.op == "connect":
            done.append(open_.setdefault(line.device, Session(line)))
        elif (session := open_.get(line.device)) is None:
            continue
        elif line.op == "closed":
            session.ended = line.t
            del open_[line.device]
        elif line.op == "recv":
            session.seen[line.chat].setdefault(line.seq, line.t)
        elif line.op == "resync":
            session.resyncs.append(line.t)
    for session in open_.values():
        session.ended = lines[-1].t
    return done


def unheard(seen: Seen) -> Iterator[str]:
    """A message that was sent while a device was connected comes to it, or `resync` does."""
    sends = sorted(
        ((sent, answers[0]) for key, answers in seen.ok.items() if (sent := seen.invoked.get(key)) is not None),
        key=lambda pair: pair[0].t,
    )
    times = [sent.t for sent, _ in sends]
    nats = any(line.op == "fault" and line.target == "nats" and line.kind != "freeze" for line in seen.lines)
    overtaken_s, heard_s = (REPLAYED_S, REPLAYED_S) if nats else (OVERTAKEN_S, HEARD_S)
    for session in sessions(seen.lines):
        for sent, answer in sends[bisect_right(times, session.began) : bisect_right(times, session.ended)]:
            chat = sent.chat
            if sent.device == session.device:
                continue
            frames = session.seen.get(chat, {})
            if answer.seq in frames or not seen.was_always_in(session.person, chat):
                continue
            if any(at >= sent.t for at in session.resyncs):
                continue
            overtaken = min((at for seq, at in frames.items() if seq > answer.seq), default=session.ended)
            if seen.quiet_s(overtaken, session.ended) > overtaken_s or seen.quiet_s(answer.t, session.ended) > heard_s:
                yield f"{answer.seq} of {chat}, sent at {sent.t:.1f}, never came to {session.device}"


def pushed(seen: Seen) -> Iterator[str]:
    """A push is for a member other than the sender, who has not read the message, and comes once."""
    sends = {(chat, answers[0].seq): answers[0] for (chat, _), answers in seen.ok.items()}
    reads = [line for line in seen.lines if line.op == "read" and line.phase == "ok"]
    told: Counter[tuple[str, str, int]] = Counter()
    for push in (line for line in seen.lines if line.op == "push" and line.kind == "message"):
        told[push.person, push.chat, push.seq] += 1
        what = f"{push.seq} of {push.chat} was pushed to {push.person}"
        sent = sends.get((push.chat, push.seq))
        if push.chat not in seen.finals.get(push.person, {push.chat: None}) or seen.absent(
            push.person, push.chat, push.seq
        ):
            yield f"{what}, who may not see it"
        if sent is not None and sent.person == push.person:
            yield f"{what}, who sent it"
        for read in reads:
            if (read.person, read.chat) == (push.person, push.chat) and read.seq >= push.seq:
                apart = push.t - read.t
                if apart > DECIDED_S and seen.quiet_s(read.t, push.t) >= apart:
                    yield f"{what} at {push.t:.1f}, who had read to {read.seq} at {read.t:.1f}"
                    break
    forgotten = any(
        line.op == "fault" and line.kind in FORGET and line.target in ("valkey", "notification-1")
        for line in seen.lines
    )
    for (person, chat, seq), count in told.items():
        if count > 1 and not forgotten:
            yield f"{seq} of {chat} was pushed to {person} {count} times"
