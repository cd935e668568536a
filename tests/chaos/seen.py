"""A history sorted by what the rules ask for. Pure."""

import math
from collections import defaultdict

from tests.chaos.history import Entry, FinalChat, Line


class Seen:
    """A history, sorted by what the rules ask for."""

    def __init__(self, lines: list[Line]) -> None:
        self.lines = lines
        sends = [line for line in lines if line.op == "send"]
        self.invoked = {(s.chat, s.cmid): s for s in sends if s.phase == "invoke" and not s.again}
        self.again = {(s.chat, s.cmid) for s in sends if s.again}
        self.ok: dict[tuple[str, str], list[Line]] = defaultdict(list)
        for send in sends:
            if send.phase == "ok":
                self.ok[send.chat, send.cmid].append(send)
        self.failed = {(s.chat, s.cmid): s for s in sends if s.phase == "fail"}
        self.finals: dict[str, dict[str, FinalChat]] = {
            line.person: {found.chat: found for found in line.final} for line in lines if line.op == "final"
        }
        self.log: dict[str, dict[int, Entry]] = defaultdict(dict)  # chat -> all that anyone was shown
        for chats in self.finals.values():
            for chat_id, found in chats.items():
                for entry in found.entries:
                    self.log[chat_id].setdefault(entry.seq, entry)
        self._absences = {chat_id: _absences(log) for chat_id, log in self.log.items()}
        self.faults = _fault_times(lines)

    def absent(self, person: str, chat: str, seq: int) -> bool:
        """Whether the log itself says that this person was no member at this number."""
        return any(low < seq < high for low, high in self._absences.get(chat, {}).get(person, []))

    def was_always_in(self, person: str, chat: str) -> bool:
        """Whether all of this chat is theirs to see."""
        found = self.finals.get(person, {}).get(chat)
        return found is not None and found.joined <= 1 and found.left is None and not self._absences[chat].get(person)

    def quiet_s(self, since: float, until: float) -> float:
        """Seconds of this time in which no fault was going on."""
        return until - since - sum(max(0.0, min(high, until) - max(low, since)) for low, high in self.faults)


def in_window(found: FinalChat, seq: int) -> bool:
    """Whether a number is this person's to see, by what the final sync says."""
    return found.joined <= seq <= (found.left if found.left is not None else seq)


def _absences(log: dict[int, Entry]) -> dict[str, list[tuple[int, float]]]:
    """For each person the open intervals of numbers between a removal and the next return."""
    found: dict[str, list[tuple[int, float]]] = defaultdict(list)
    for seq in sorted(log):
        entry = log[seq]
        if entry.kind != "notice":
            continue
        for person in entry.about:
            if entry.text in ("member.removed", "member.left"):
                found[person].append((seq, math.inf))
            elif entry.text in ("member.added", "member.joined") and found[person]:
                found[person][-1] = (found[person][-1][0], seq)
    return {person: times for person, times in found.items() if times}


def _fault_times(lines: list[Line]) -> list[tuple[float, float]]:
    """When something was broken, in order and without overlaps; what was never healed goes on to the end."""
    open_: dict[tuple[str, str], float] = {}
    spans = []
    for line in lines:
        if line.op == "fault" and line.phase == "invoke":
            open_[line.kind, line.target] = line.t
        elif line.op == "fault" and (line.kind, line.target) in open_:
            spans.append((open_.pop((line.kind, line.target)), line.t))
    end = lines[-1].t if lines else 0.0
    merged: list[tuple[float, float]] = []
    for low, high in sorted([*spans, *((began, end) for began in open_.values())]):
        if merged and low <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
        else:
            merged.append((low, high))
    return merged
