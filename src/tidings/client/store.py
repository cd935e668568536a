"""The local store: one SQLite file in a directory of its own.

Each step of the core is one transaction, synced to disk, so a kill at any moment leaves positions that fit the entries
they cover and an outbox that holds all that was promised. Blocking: `client.py` calls it on a thread of its own.
"""

import contextlib
import fcntl
import sqlite3
from pathlib import Path
from typing import IO, Any, Final

import msgspec

from tidings.client import model as m
from tidings.client.model import Json
from tidings.client.rows import ChatRow, Message, text_of
from tidings.contracts.objects import Chat, User

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS chats (id TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS positions (chat_id TEXT PRIMARY KEY, seq INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS messages (
    n INTEGER PRIMARY KEY, chat_id TEXT NOT NULL, message_id TEXT UNIQUE, client_msg_id TEXT, sender_id TEXT,
    seq INTEGER, kind TEXT NOT NULL, state TEXT NOT NULL, error TEXT, deleted INTEGER NOT NULL DEFAULT 0,
    pinned INTEGER NOT NULL DEFAULT 0, body BLOB NOT NULL);
CREATE UNIQUE INDEX IF NOT EXISTS by_seq ON messages (chat_id, seq) WHERE seq IS NOT NULL;
CREATE INDEX IF NOT EXISTS unsent ON messages (chat_id) WHERE seq IS NULL;
CREATE UNIQUE INDEX IF NOT EXISTS by_client ON messages (chat_id, sender_id, client_msg_id)
    WHERE client_msg_id IS NOT NULL;
CREATE TABLE IF NOT EXISTS outbox (
    n INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, chat_id TEXT NOT NULL, frame BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS marks (
    chat_id TEXT, user_id TEXT, status TEXT, seq INTEGER NOT NULL,
    PRIMARY KEY (chat_id, user_id, status)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS unsent_reads (chat_id TEXT PRIMARY KEY, seq INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS hidden (message_id TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS people (id TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS stale (message_id TEXT PRIMARY KEY) WITHOUT ROWID;
"""
VERSION: Final = 1
NO_SEQ: Final = (1 << 63) - 1  # above every number
PARTS: Final = ("chats", "positions", "messages", "outbox", "marks", "unsent_reads")  # what belongs to a chat

_encode: Final = msgspec.json.Encoder().encode


class StoreInUseError(Exception):
    """Another program has this directory open."""


class Store:
    """Owner of the file. Used by one thread at a time. `path` is a directory, or None for memory.

    Raises StoreInUseError: two programs with one outbox would each send it.
    """

    _lock: IO[str] | None = None

    def __init__(self, path: Path | None) -> None:
        if path is not None:
            path.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock = (path / "client.lock").open("w")
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as held:
                self._lock.close()
                raise StoreInUseError(f"{path} is in use by another program") from held
        place = ":memory:" if path is None else str(path / "client.db")
        self._db = sqlite3.connect(place, isolation_level=None, check_same_thread=False)
        self._db.row_factory = sqlite3.Row
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.create_function("holds", 2, lambda body, words: words in text_of(body).casefold(), deterministic=True)
        found = self._db.execute("PRAGMA user_version").fetchone()[0]
        if found > VERSION:
            self._db.close()
            raise RuntimeError(f"{place} was written by a newer version ({found})")
        self._db.executescript(SCHEMA)
        self._db.execute(f"PRAGMA user_version={VERSION}")
        self.user_id = self._fact("userId") or ""

    def close(self) -> None:
        self._db.close()
        if self._lock is not None:
            self._lock.close()

    def begin(self, user_id: str) -> None:
        """The store belongs to this person from now on; another's things go."""
        if self._fact("userId") == user_id:
            self.user_id = user_id
            return
        with self._transaction():
            for table in (*PARTS, "facts", "hidden", "people", "stale"):
                self._db.execute(f"DELETE FROM {table}")
            self._set_fact("userId", user_id)
        self.user_id = user_id

    # -- the core's side ----------------------------------------------------------------------------

    def load(self) -> m.State:
        """What the core starts with."""
        rows = self._db.execute
        return m.State(
            user_id=self.user_id,
            since=self._fact("since"),
            log_epoch=self._fact("logEpoch"),
            positions={r["chat_id"]: r["seq"] for r in rows("SELECT * FROM positions")},
            outbox=[
                m.Entry(id=r["id"], chat_id=r["chat_id"], frame=msgspec.json.decode(r["frame"]))
                for r in rows("SELECT * FROM outbox ORDER BY n")
            ],
            unsent_reads={r["chat_id"]: r["seq"] for r in rows("SELECT * FROM unsent_reads")},
            stale=[r["message_id"] for r in rows("SELECT * FROM stale")],
        )

    def apply(self, ops: list[m.Op]) -> None:
        """One transaction."""
        if ops:
            with self._transaction():
                for op in ops:
                    self._apply(op)

    def _apply(self, op: m.Op) -> None:
        run = self._db.execute
        match op:
            case m.PutMessage(message=message):
                self._put(message)
            case m.UpdateMessage(message=message):
                run(
                    "UPDATE messages SET body=?, deleted=? WHERE message_id=?",
                    (_encode(message), message.get("deletedAt") is not None, message["messageId"]),
                )
            case m.PutOptimistic():
                body: Json = {
                    "kind": "message", "chatId": op.chat_id, "senderId": self.user_id, "content": op.content,
                    "clientMsgId": op.client_msg_id, "createdAt": op.created_at, "mentions": op.mentions,
                }  # fmt: skip
                if op.reply_to is not None:
                    body["replyTo"] = {"messageId": op.reply_to}
                run(
                    "INSERT OR IGNORE INTO messages (chat_id, client_msg_id, sender_id, kind, state, body) "
                    "VALUES (?, ?, ?, 'message', 'pending', ?)",
                    (op.chat_id, op.client_msg_id, self.user_id, _encode(body)),
                )
            case m.MarkSent():
                self._mark_sent(op)
            case m.MarkFailed(chat_id=chat_id, client_msg_id=client_id, code=code):
                self._state(chat_id, client_id, "failed", code)
            case m.MarkPending(chat_id=chat_id, client_msg_id=client_id):
                self._state(chat_id, client_id, "pending", None)
            case m.SetContent(message_id=message_id, content=content, edited_at=at):
                self._change(message_id, {"content": content, "editedAt": at}, unless_deleted=True)
            case m.SetDeleted(message_id=message_id, user_id=user_id, at=at):
                empty: Json = {"content": None, "deletedAt": at or "", "deletedBy": user_id, "reactions": []}
                self._change(message_id, empty, unless_deleted=True)
                run("UPDATE messages SET deleted=1 WHERE message_id=?", (message_id,))
            case m.SetVotes(message_id=message_id, votes=votes):
                self._change(message_id, {"votes": votes}, unless_deleted=True)
            case m.SetPinned(message_id=message_id, pinned=pinned):
                run("UPDATE messages SET pinned=? WHERE message_id=?", (pinned, message_id))
            case m.SetStale(message_id=message_id, stale=stale):
                if stale:
                    run("INSERT OR IGNORE INTO stale VALUES (?)", (message_id,))
                else:
                    run("DELETE FROM stale WHERE message_id=?", (message_id,))
            case m.Hide(message_ids=ids):
                self._db.executemany("INSERT OR IGNORE INTO hidden VALUES (?)", [(i,) for i in ids])
                self._db.executemany("DELETE FROM messages WHERE message_id=?", [(i,) for i in ids])
            case m.SetPosition(chat_id=chat_id, seq=seq):
                run("INSERT OR REPLACE INTO positions VALUES (?, ?)", (chat_id, seq))
            case m.PutChat(chat=chat):
                run("INSERT OR REPLACE INTO chats VALUES (?, ?)", (chat["id"], _encode(chat)))
                if chat.get("peer"):
                    self._put_person(chat["peer"])
                pinned_ids = chat.get("pinnedMessageIds") or []
                run("UPDATE messages SET pinned=0 WHERE chat_id=? AND pinned", (chat["id"],))
                self._db.executemany("UPDATE messages SET pinned=1 WHERE message_id=?", [(i,) for i in pinned_ids])
            case m.DropChat(chat_id=chat_id):
                for table in PARTS:
                    run(f"DELETE FROM {table} WHERE {'id' if table == 'chats' else 'chat_id'}=?", (chat_id,))
            case m.DropLog():
                run("DELETE FROM messages WHERE state='stored'")
                run("DELETE FROM positions")
                run("DELETE FROM stale")
            case m.SetSince(since=since):
                self._set_fact("since", since)
            case m.SetEpoch(log_epoch=epoch):
                self._set_fact("logEpoch", epoch)
            case m.OutboxPut(entry=entry):
                run(
                    "INSERT OR IGNORE INTO outbox (id, chat_id, frame) VALUES (?, ?, ?)",
                    (entry.id, entry.chat_id, _encode(entry.frame)),
                )
            case m.OutboxDone(id=entry_id):
                run("DELETE FROM outbox WHERE id=?", (entry_id,))
            case m.SetMark():
                run(
                    "INSERT INTO marks VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET seq=max(seq, excluded.seq)",
                    (op.chat_id, op.user_id, op.status, op.seq),
                )
            case m.SetUnsentRead(chat_id=chat_id, seq=None):
                run("DELETE FROM unsent_reads WHERE chat_id=?", (chat_id,))
            case m.SetUnsentRead(chat_id=chat_id, seq=seq):
                run("INSERT OR REPLACE INTO unsent_reads VALUES (?, ?)", (chat_id, seq))

    def _put(self, message: Json) -> None:
        message_id, chat_id = message["messageId"], message["chatId"]
        if self._db.execute("SELECT 1 FROM hidden WHERE message_id=?", (message_id,)).fetchone():
            self._db.execute(
                "DELETE FROM messages WHERE chat_id=? AND sender_id=? AND client_msg_id=?",
                (chat_id, message["senderId"], message.get("clientMsgId")),
            )
            return
        # Either the optimistic row of this clientMsgId, or the same message told again.
        self._db.execute(
            "DELETE FROM messages WHERE message_id=? OR (chat_id=? AND sender_id=? AND client_msg_id=?)",
            (message_id, chat_id, message["senderId"], message.get("clientMsgId")),
        )
        self._db.execute(
            "INSERT INTO messages (chat_id, message_id, client_msg_id, sender_id, seq, kind, state, deleted, body) "
            "VALUES (?, ?, ?, ?, ?, ?, 'stored', ?, ?)",
            (
                chat_id, message_id, message.get("clientMsgId"), message["senderId"], message["seq"], message["kind"],
                message.get("deletedAt") is not None, _encode(message),
            ),
        )  # fmt: skip

    def _mark_sent(self, op: m.MarkSent) -> None:
        where = (op.chat_id, self.user_id, op.client_msg_id)
        row = self._db.execute(
            "SELECT n, body FROM messages WHERE chat_id=? AND sender_id=? AND client_msg_id=?", where
        ).fetchone()
        if row is not None:
            body = msgspec.json.decode(row["body"])
            body |= {"messageId": op.message_id, "seq": op.seq, "createdAt": op.created_at}
            self._db.execute(
                "UPDATE messages SET message_id=?, seq=?, state='stored', error=NULL, body=? WHERE n=?",
                (op.message_id, op.seq, _encode(body), row["n"]),
            )

    def _state(self, chat_id: str, client_id: str, state: str, error: str | None) -> None:
        self._db.execute(
            "UPDATE messages SET state=?, error=? WHERE chat_id=? AND sender_id=? AND client_msg_id=? AND seq IS NULL",
            (state, error, chat_id, self.user_id, client_id),
        )

    def _change(self, message_id: str, fields: Json, *, unless_deleted: bool) -> None:
        row = self._db.execute("SELECT body, deleted FROM messages WHERE message_id=?", (message_id,)).fetchone()
        if row is not None and not (unless_deleted and row["deleted"]):
            body = msgspec.json.decode(row["body"]) | fields
            self._db.execute("UPDATE messages SET body=? WHERE message_id=?", (_encode(body), message_id))

    # -- the reader's side ---------------------------------------------------------------------------

    def messages(self, chat_id: str, before: int | None = None, limit: int = 50) -> list[Message]:
        """The newest `limit` messages (below `before`), oldest first; what has no number yet is last.

        Two queries, each by an index (`unsent`, `by_seq`): one ordered by both would look at the whole chat, 183 ms
        with 50,000 messages, and the list of chats asks this for each chat.
        """
        newest: list[sqlite3.Row] = []
        if before is None:
            newest = self._db.execute(
                "SELECT * FROM messages WHERE chat_id=? AND seq IS NULL ORDER BY n DESC LIMIT ?", (chat_id, limit)
            ).fetchall()
        newest += self._db.execute(
            "SELECT * FROM messages WHERE chat_id=? AND seq<? ORDER BY seq DESC LIMIT ?",
            (chat_id, NO_SEQ if before is None else before, limit - len(newest)),
        ).fetchall()
        return [_message(row) for row in reversed(newest)]

    def after(self, chat_id: str, seq: int, limit: int) -> list[Message]:
        """The messages above a number, oldest first."""
        rows = self._db.execute(
            "SELECT * FROM messages WHERE chat_id=? AND seq>? ORDER BY seq LIMIT ?", (chat_id, seq, limit)
        )
        return [_message(row) for row in rows]

    def message(self, message_id: str) -> Message | None:
        """A message by its id, or by its clientMsgId."""
        row = self._db.execute(
            "SELECT * FROM messages WHERE message_id=? OR client_msg_id=? LIMIT 1", (message_id, message_id)
        ).fetchone()
        return None if row is None else _message(row)

    def unread(self, limit: int) -> list[Message]:
        """Messages of others above one's own read mark, as they came in."""
        rows = self._db.execute(
            "SELECT m.* FROM messages m JOIN chats c ON c.id=m.chat_id "
            "LEFT JOIN marks r ON r.chat_id=m.chat_id AND r.user_id=? AND r.status='read' "
            "WHERE m.seq>max(coalesce(r.seq, 0), CAST(c.body AS TEXT)->>'readSeq', "
            "(CAST(c.body AS TEXT)->>'joinedSeq')-1) "
            "AND m.kind='message' AND NOT m.deleted AND m.sender_id<>? ORDER BY m.n LIMIT ?",
            (self.user_id, self.user_id, limit),
        )
        return [_message(row) for row in rows]

    def find(self, words: str, chat_id: str | None, limit: int) -> list[Message]:
        """Messages whose text holds `words`, in any case, newest first. Looks at every row: 100,000 take 0.2 s."""
        where, values = ("", ()) if chat_id is None else ("chat_id=? AND", (chat_id,))
        rows = self._db.execute(
            f"SELECT * FROM messages WHERE {where} kind='message' AND NOT deleted AND holds(body, ?) "
            "ORDER BY n DESC LIMIT ?",
            (*values, words.casefold(), limit),
        )
        return [_message(row) for row in rows]

    def pending(self) -> int:
        """How many frames wait for an answer."""
        count: int = self._db.execute("SELECT count(*) FROM outbox").fetchone()[0]
        return count

    def awaits_others(self, chat_id: str) -> bool:
        """Whether this is a group in which something of one's own was not read by all: only the server knows the
        slowest."""
        row = self.chat(chat_id)
        if row is None or row.chat.type != "group":
            return False
        newest = self._db.execute(
            "SELECT max(seq) FROM messages WHERE chat_id=? AND sender_id=? AND seq IS NOT NULL",
            (chat_id, self.user_id),
        ).fetchone()[0]
        return newest is not None and newest > row.others_read_seq

    def set_others(self, chat_id: str, read: int, delivered: int) -> bool:
        """How far the slowest of the others is; it only goes forward. Answers whether it did."""
        row = self._db.execute("SELECT body FROM chats WHERE id=?", (chat_id,)).fetchone()
        if row is None:
            return False
        chat = msgspec.json.decode(row["body"])
        further = {
            "othersReadSeq": max(chat["othersReadSeq"], read),
            "othersDeliveredSeq": max(chat["othersDeliveredSeq"], delivered),
        }
        if further.items() <= chat.items():
            return False
        with self._transaction():
            self._db.execute("UPDATE chats SET body=? WHERE id=?", (_encode(chat | further), chat_id))
        return True

    def put_people(self, users: list[Json]) -> None:
        with self._transaction():
            for user in users:
                self._put_person(user)

    def _put_person(self, user: Json) -> None:
        self._db.execute("INSERT OR REPLACE INTO people VALUES (?, ?)", (user["id"], _encode(user)))

    def person(self, user_id: str) -> User | None:
        row = self._db.execute("SELECT body FROM people WHERE id=?", (user_id,)).fetchone()
        return None if row is None else msgspec.json.decode(row["body"], type=User)

    def chats(self) -> list[ChatRow]:
        """Pinned first, then by newest activity."""
        found = [self._chat(row["body"]) for row in self._db.execute("SELECT body FROM chats")]

        def activity(row: ChatRow) -> tuple[bool, str]:
            return row.chat.settings.pinned, row.last.created_at if row.last else row.chat.created_at

        return sorted(found, key=activity, reverse=True)

    def chat(self, chat_id: str) -> ChatRow | None:
        row = self._db.execute("SELECT body FROM chats WHERE id=?", (chat_id,)).fetchone()
        return None if row is None else self._chat(row["body"])

    def _chat(self, body: bytes) -> ChatRow:
        chat = msgspec.json.decode(body, type=Chat)
        marks: dict[str, int] = {}
        others: dict[str, int] = {}
        for row in self._db.execute("SELECT * FROM marks WHERE chat_id=?", (chat.id,)):
            side = marks if row["user_id"] == self.user_id else others
            side[row["status"]] = max(row["seq"], side.get(row["status"], 0))
        read = max(chat.read_seq, marks.get("read", 0))
        alone = others if chat.type == "direct" else {}  # of a group only the server knows the slowest
        unread = self._db.execute(
            "SELECT count(*) FROM messages "
            "WHERE chat_id=? AND seq>? AND kind='message' AND NOT deleted AND sender_id<>?",
            (chat.id, max(read, chat.joined_seq - 1), self.user_id),
        ).fetchone()[0]
        last = self.messages(chat.id, limit=1)
        others_read = max(chat.others_read_seq, alone.get("read", 0))
        return ChatRow(
            chat=chat, unread=unread, last=last[0] if last else None, read_seq=read, others_read_seq=others_read,
            others_delivered_seq=max(chat.others_delivered_seq, alone.get("delivered", 0), others_read),
            notes=chat.type == "direct" and chat.peer is not None and chat.peer.id == self.user_id,
        )  # fmt: skip

    # -- small things -----------------------------------------------------------------------------------

    def _fact(self, name: str) -> str | None:
        row = self._db.execute("SELECT value FROM facts WHERE name=?", (name,)).fetchone()
        return None if row is None else row["value"]

    def _set_fact(self, name: str, value: str | None) -> None:
        self._db.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))

    @contextlib.contextmanager
    def _transaction(self) -> Any:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")


def _message(row: sqlite3.Row) -> Message:
    message = msgspec.convert(msgspec.json.decode(row["body"]), Message, strict=False)
    message.state, message.error, message.pinned = row["state"], row["error"], bool(row["pinned"])
    return message
