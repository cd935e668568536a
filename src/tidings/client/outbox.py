"""The outbox, without I/O: what waits to be sent and answered, one in flight per chat, in order.

An entry is sent again and again, unchanged, until it is answered: the server gives the same clientMsgId the same
answer, and answers a change already in force as done.
"""

from collections.abc import Sequence

from tidings.client.model import Entry, Json
from tidings.contracts.errors import RETRYABLE

ANSWER_MS = 15_000  # the server answers every frame; silence this long means that the frame or its answer was lost
BACKOFF_MS = 1_000
BACKOFF_MAX_MS = 60_000
RENEWED = frozenset({"token_expired", "token_revoked", "unauthenticated"})  # the connection renews itself, then again


def send_frame(chat_id: str, client_msg_id: str, content: Json, reply_to: str | None, mentions: Sequence[str]) -> Json:
    """The frame of a message of one's own."""
    frame: Json = {"type": "message.send", "chatId": chat_id, "clientMsgId": client_msg_id, "content": content}
    if reply_to is not None:
        frame["replyTo"] = reply_to
    if mentions:
        frame["mentions"] = list(mentions)
    return frame


def is_final(code: str, retry_after_ms: int | None) -> bool:
    """Whether a refusal stands, however often it is asked."""
    return code not in RETRYABLE and code not in RENEWED and retry_after_ms is None


class Outbox:
    """Owner of what is unanswered. Entries of different chats do not wait for one another."""

    def __init__(self, entries: list[Entry]) -> None:
        self._entries = {entry.id: entry for entry in entries}
        self._chats: dict[str, list[str]] = {}
        for entry in entries:
            self._chats.setdefault(entry.chat_id, []).append(entry.id)
        self._due: dict[str, int] = {}  # chat -> when it may be sent (again); absent: now
        self._refusals: dict[str, int] = {}

    def __contains__(self, entry_id: object) -> bool:
        return entry_id in self._entries

    def add(self, entry: Entry) -> None:
        """Behind what its chat already has."""
        if entry.id not in self._entries:
            self._entries[entry.id] = entry
            self._chats.setdefault(entry.chat_id, []).append(entry.id)

    def done(self, entry_id: str) -> Entry | None:
        """Forget an answered entry; the next of its chat is due at once."""
        entry = self._entries.pop(entry_id, None)
        if entry is not None:
            queue = self._chats[entry.chat_id]
            if queue[0] == entry_id:
                self._due.pop(entry.chat_id, None)
                self._refusals.pop(entry.chat_id, None)
            queue.remove(entry_id)
            if not queue:
                del self._chats[entry.chat_id]
        return entry

    def refused(self, entry_id: str, retry_after_ms: int | None, now_ms: int) -> None:
        """Try again later: when the server says, else after doubling delays."""
        chat_id = self._entries[entry_id].chat_id
        if self._chats[chat_id][0] != entry_id:
            return
        times = self._refusals.get(chat_id, 0)
        self._refusals[chat_id] = times + 1
        delay = retry_after_ms if retry_after_ms is not None else min(BACKOFF_MS << min(times, 10), BACKOFF_MAX_MS)
        self._due[chat_id] = now_ms + delay

    def due(self, now_ms: int) -> list[Entry]:
        """The entries to send now; each is due again when its answer is overdue."""
        found = []
        for chat_id, queue in self._chats.items():
            if self._due.get(chat_id, now_ms) <= now_ms:
                self._due[chat_id] = now_ms + ANSWER_MS
                found.append(self._entries[queue[0]])
        return found

    def next_due(self) -> int | None:
        """When `due` has something next."""
        return min((self._due[chat] for chat in self._chats if chat in self._due), default=None)

    def disconnected(self) -> None:
        """Nothing is in flight any more; waits set by the server stay no longer than the connection."""
        self._due.clear()

    def drop_chat(self, chat_id: str) -> list[str]:
        """Forget a chat that is gone. Answers the ids."""
        self._due.pop(chat_id, None)
        ids = self._chats.pop(chat_id, [])
        for entry_id in ids:
            del self._entries[entry_id]
        return ids
