"""The client's side of sync, without I/O: an input in, operations on the local store and effects out.

Relies on its caller to commit the operations of a step in one transaction before it performs the effects, and to hand
in inputs one at a time. The rules are those of the contract, sections 3 (sync, pages) and 4; `tests/scenarios` shows
each. Live frames are an optimisation; the log is the truth.
"""

from collections.abc import Callable
from typing import Final

from tidings.client import model as m
from tidings.client.model import Json
from tidings.client.outbox import Outbox, is_final, send_frame

GAP_MS = 300  # frames of one chat may overtake each other by this much
NO_PROGRESS_MS = 1_000  # a page that did not bring what a frame had promised
DELIVERED_MS = 50  # watermarks are gathered this long
SYNC_RETRY_MS = 1_000
SYNC_RETRY_MAX_MS = 60_000
AHEAD_MAX = 1_000  # entries kept per chat beyond a gap; what is beyond is fetched

CHANGES: Final = frozenset({"message.edited", "message.deleted", "message.reaction", "message.vote", "message.pinned"})
TOLD: Final = frozenset({"typing.start", "typing.stop", "presence.updated", "media.updated"})


class Core:
    """Owner of the positions. Created anew at each start of the client from what the store holds."""

    def __init__(self, state: m.State) -> None:
        self.user_id = state.user_id
        self._since = state.since
        self._epoch = state.log_epoch
        self._positions = dict(state.positions)
        self._outbox = Outbox(state.outbox)
        self._unsent_reads = dict(state.unsent_reads)
        self._read_to = dict(state.unsent_reads)  # own read marks, as far as known
        self._stale = dict.fromkeys(state.stale, False)  # message -> changed again while it is looked up
        self._looking: set[str] = set()
        self._round = 0  # answers of an earlier connection or epoch do not count
        self._online = False
        self._syncing = False
        self._sync_again = False
        self._sync_failures = 0
        self._sync_at: int | None = None
        self._asked: dict[str, int] = {}
        self._buffer: list[Json] = []  # frames that wait for the sync to end
        self._ahead: dict[str, dict[int, Json]] = {}  # chat -> entries beyond a gap
        self._heads: dict[str, int] = {}  # chat -> a number that is said to exist
        self._gap_at: dict[str, int] = {}
        self._fetching: set[str] = set()
        self._delivered: dict[str, int] = {}  # told on this connection
        self._undelivered: set[str] = set()
        self._deliver_at: int | None = None
        self._step = m.Step(ops=[], effects=[])
        self._now = 0

    @property
    def online(self) -> bool:
        """Between `ready` and the end of the socket."""
        return self._online

    @property
    def settled(self) -> bool:
        """Connected, and everything known to exist is held."""
        return self._online and not self._syncing and not self._ahead and not self._fetching and not self._gap_at

    def position(self, chat_id: str) -> int:
        """Everything up to here is held or does not exist for us."""
        return self._positions.get(chat_id, 0)

    def handle(self, given: m.Input, now_ms: int) -> m.Step:
        """Take one input in. `now_ms` is any clock that never goes back."""
        self._step, self._now = m.Step(ops=[], effects=[]), now_ms
        match given:
            case m.Frame(frame=frame):
                self._frame(frame)
            case m.Closed():
                self._closed()
            case m.Synced(round=turn, answer=answer) if turn == self._round and self._syncing:
                self._synced(answer)
            case m.SyncFailed(round=turn) if turn == self._round and self._syncing:
                self._sync_failed(given)
            case m.Fetched(round=turn, chat_id=chat_id) if turn == self._round and chat_id in self._fetching:
                self._fetched(given)
            case m.FetchFailed(round=turn, chat_id=chat_id) if turn == self._round and chat_id in self._fetching:
                self._fetching.discard(chat_id)
                self._gap_at[chat_id] = now_ms + NO_PROGRESS_MS
                if given.code in ("not_found", "forbidden"):
                    self._forget_gap(chat_id)
            case m.Looked(message_id=message_id, message=message):
                self._looked(message_id, message)
            case m.LookFailed(message_id=message_id):
                self._looking.discard(message_id)  # it stays stale: again after the next `ready`
            case m.Send():
                self._send(given)
            case m.Ask(chat_id=chat_id, ref=ref, frame=frame):
                self._enqueue(m.Entry(id=ref, chat_id=chat_id, frame=frame | {"ref": ref}))
            case m.Again(entry=entry):
                self._op(m.MarkPending(chat_id=entry.chat_id, client_msg_id=entry.id))
                self._enqueue(entry)
            case m.Read(chat_id=chat_id, seq=seq):
                self._read(chat_id, seq)
            case _:
                pass  # a tick, or the answer to a question of an earlier round
        self._due()
        return self._step

    # -- the connection ----------------------------------------------------------------------------

    def _frame(self, frame: Json) -> None:
        kind = frame.get("type")
        if kind == "ready":
            self._ready(frame)
        elif not self._online:
            return  # a late frame of a socket that is gone: the next sync brings what it told
        elif kind in TOLD:
            self._effect(m.Tell(frame=frame))
        elif kind == "message.sent":
            self._sent(frame)
        elif kind == "error":
            self._refused(frame)
        elif kind == "resync":
            self._resync()
        elif kind == "ack":
            self._acknowledged(frame["ref"])
        else:
            if kind in CHANGES and "ref" in frame:
                self._done(frame["ref"])
            if self._syncing:
                self._buffer.append(frame)
            else:
                self._live(frame)

    def _ready(self, frame: Json) -> None:
        self._closed()
        self._online = True
        self._new_epoch(frame["logEpoch"])
        for chat_id, seq in self._unsent_reads.items():
            self._send_read(chat_id, seq)
        for message_id in self._stale:
            self._look(message_id)
        self._sync()

    def _closed(self) -> None:
        self._online = self._syncing = self._sync_again = False
        self._round += 1
        self._sync_at, self._sync_failures = None, 0
        self._undelivered |= self._delivered.keys()
        self._looking.clear()
        for gone in (self._buffer, self._ahead, self._heads, self._gap_at, self._fetching, self._delivered):
            gone.clear()  # what was not applied comes by the next sync
        self._outbox.disconnected()

    def _new_epoch(self, epoch: str) -> None:
        if not epoch or epoch == self._epoch:
            return
        if self._epoch is not None:
            self._op(m.DropLog())
            self._positions.clear()
            self._stale.clear()
            self._since = None
            self._op(m.SetSince(since=None))
        self._epoch = epoch
        self._op(m.SetEpoch(log_epoch=epoch))

    # -- sync ----------------------------------------------------------------------------------------

    def _sync(self) -> None:
        self._syncing, self._sync_at = True, None
        self._asked = dict(self._positions)
        self._effect(m.CallSync(round=self._round, since=self._since, positions=self._asked))

    def _resync(self) -> None:
        if self._syncing:
            self._sync_again = True  # what is asked now may have been read before what was lost
        else:
            self._sync()

    def _synced(self, answer: Json) -> None:
        self._sync_failures = 0
        epoch = answer["logEpoch"]
        if self._epoch is not None and epoch and epoch != self._epoch:
            self._new_epoch(epoch)
            self._round += 1
            self._fetching.clear()
            self._ahead.clear()
            self._gap_at.clear()
            self._sync()
            return
        for chat_id, page in answer["log"].items():
            self._page(chat_id, self._asked.get(chat_id, 0), page)
        for chat in answer["chats"]:
            self._put_chat(chat)
        for chat_id in answer["removed"]:
            self._drop_chat(chat_id)
        if answer["hidden"]:
            self._op(m.Hide(message_ids=answer["hidden"]))
        self._since = answer["since"]
        self._op(m.SetSince(since=self._since))
        if answer["hasMore"]:
            self._sync()
        elif self._sync_again:
            self._sync_again = False
            self._sync()
        else:
            self._syncing = False
            waiting, self._buffer = self._buffer, []
            for frame in waiting:
                self._live(frame)
            for chat_id in list(self._ahead):
                self._drain(chat_id)
            for chat_id in self._heads:
                if chat_id not in self._fetching:
                    self._gap_at.setdefault(chat_id, self._now + GAP_MS)

    def _sync_failed(self, failed: m.SyncFailed) -> None:
        if failed.code == "cursor_expired" and self._since is not None:
            self._since = None
            self._op(m.SetSince(since=None))
            self._sync()
            return
        delay = failed.retry_after_ms or min(SYNC_RETRY_MS << min(self._sync_failures, 10), SYNC_RETRY_MAX_MS)
        self._sync_failures += 1
        self._sync_at = self._now + delay

    def _put_chat(self, chat: Json) -> None:
        chat_id = chat["id"]
        if chat_id not in self._positions:
            self._advance(chat_id, max(0, chat["joinedSeq"] - 1))
        if self._positions[chat_id] > chat["deliveredSeq"] and chat["membership"] == "member":
            self._undelivered.add(chat_id)
        self._read_to[chat_id] = max(chat["readSeq"], self._read_to.get(chat_id, 0))
        unsent = self._unsent_reads.get(chat_id)
        if unsent is not None and unsent <= chat["readSeq"]:
            self._read_done(chat_id)
        self._op(m.PutChat(chat=chat))

    def _drop_chat(self, chat_id: str) -> None:
        for known in (self._positions, self._ahead, self._gap_at, self._heads, self._unsent_reads):
            known.pop(chat_id, None)
        self._fetching.discard(chat_id)
        self._undelivered.discard(chat_id)
        self._outbox.drop_chat(chat_id)
        self._op(m.DropChat(chat_id=chat_id))

    def _page(self, chat_id: str, after: int, page: Json) -> None:
        """Everything from `after` to `toSeq` is told by this page: a number it leaves out does not exist for us."""
        position = self.position(chat_id)
        if after > position or page["toSeq"] <= position:
            return
        for item in page["items"]:
            if item["seq"] > position:
                self._item(item)
        self._advance(chat_id, page["toSeq"])

    def _item(self, item: Json) -> None:
        """An entry as the log tells it: a change carries its message as it is now."""
        if item["kind"] == "change":
            self._op(m.UpdateMessage(message=item["message"]))
            if item["change"] == "pinned":
                pinned = item.get("pinned")
                if pinned is not None:
                    self._op(m.SetPinned(chat_id=item["chatId"], message_id=item["messageId"], pinned=pinned))
            self._changed(item["messageId"])
        else:
            self._put_message(item)

    # -- live frames ---------------------------------------------------------------------------------

    def _live(self, frame: Json) -> None:
        kind = frame["type"]
        if kind == "message.new" or kind in CHANGES:
            if frame["seq"] is not None:
                self._entry(frame["chatId"], frame["seq"], frame)
            elif kind == "message.deleted" and frame.get("for") == "me":
                self._op(m.Hide(message_ids=[frame["messageId"]]))
        elif kind == "message.status.updated":
            self._op(
                m.SetMark(chat_id=frame["chatId"], user_id=frame["userId"], status=frame["status"], seq=frame["seq"])
            )
        elif kind in ("chat.created", "chat.updated"):
            self._put_chat(frame["chat"])
            self._head(frame["chat"]["id"], frame["chat"]["lastSeq"])
        elif kind in ("group.member.added", "group.member.removed"):
            self._head(frame["chatId"], frame["seq"])
            self._effect(m.Tell(frame=frame))

    def _entry(self, chat_id: str, seq: int, frame: Json) -> None:
        """An entry of the log: applied if it is the next, kept if a gap is before it, dropped if held."""
        if seq <= self.position(chat_id):
            return
        ahead = self._ahead.setdefault(chat_id, {})
        if len(ahead) < AHEAD_MAX or seq == self.position(chat_id) + 1:
            ahead.setdefault(seq, frame)
        self._head(chat_id, seq)
        if not self._syncing:
            self._drain(chat_id)

    def _drain(self, chat_id: str) -> None:
        """Apply what is contiguous now."""
        ahead, seq = self._ahead.get(chat_id, {}), self.position(chat_id)
        start = seq
        while (frame := ahead.pop(seq + 1, None)) is not None:
            seq += 1
            self._apply(frame)
        if seq > start:
            self._advance(chat_id, seq)
        for held in [number for number in ahead if number <= seq]:
            del ahead[held]
        if not ahead:
            self._ahead.pop(chat_id, None)
        if self._heads.get(chat_id, 0) <= seq:
            self._forget_gap(chat_id)

    def _apply(self, frame: Json) -> None:
        chat_id, kind = frame["chatId"], frame["type"]
        message_id = frame["messageId"]
        if kind == "message.new":
            self._put_message({key: value for key, value in frame.items() if key != "type"})
            return
        if kind == "message.edited":
            self._op(
                m.SetContent(
                    chat_id=chat_id, message_id=message_id, content=frame["content"], edited_at=frame["editedAt"]
                )
            )
        elif kind == "message.deleted":
            self._op(m.SetDeleted(chat_id=chat_id, message_id=message_id, user_id=frame["userId"], at=frame.get("at")))
        elif kind == "message.vote":
            self._op(m.SetVotes(chat_id=chat_id, message_id=message_id, votes=frame["votes"]))
        elif kind == "message.pinned":
            self._op(m.SetPinned(chat_id=chat_id, message_id=message_id, pinned=frame["pinned"]))
        elif kind == "message.reaction":
            # The frame tells who reacted how, not with what before: the counts are known to the server alone.
            self._op(m.SetStale(message_id=message_id, stale=True))
            if message_id not in self._looking:
                self._look(message_id)
                return
        self._changed(message_id)

    def _put_message(self, message: Json) -> None:
        self._op(m.PutMessage(message=message))
        if message["senderId"] == self.user_id and message["clientMsgId"] in self._outbox:
            self._done(message["clientMsgId"])
        elif message["senderId"] != self.user_id and message["kind"] == "message":
            self._undelivered.add(message["chatId"])

    def _head(self, chat_id: str, seq: int) -> None:
        """A number is said to exist. If it is still missing 300 ms later it is fetched."""
        if seq <= self.position(chat_id):
            return
        self._heads[chat_id] = max(seq, self._heads.get(chat_id, 0))
        if chat_id not in self._fetching and not self._syncing:
            self._gap_at.setdefault(chat_id, self._now + GAP_MS)

    def _forget_gap(self, chat_id: str) -> None:
        self._heads.pop(chat_id, None)
        self._gap_at.pop(chat_id, None)
        self._ahead.pop(chat_id, None)

    def _fetched(self, found: m.Fetched) -> None:
        chat_id, before = found.chat_id, self.position(found.chat_id)
        self._fetching.discard(chat_id)
        self._page(chat_id, found.after, found.page)
        self._drain(chat_id)
        position = self.position(chat_id)
        if found.page["hasMore"] and position > before:
            self._fetch(chat_id)
        elif self._ahead.get(chat_id):
            self._gap_at[chat_id] = self._now + (GAP_MS if position > before else NO_PROGRESS_MS)
        else:
            self._forget_gap(chat_id)  # what was promised is not for us

    def _fetch(self, chat_id: str) -> None:
        self._gap_at.pop(chat_id, None)
        self._fetching.add(chat_id)
        self._effect(m.Fetch(round=self._round, chat_id=chat_id, after=self.position(chat_id)))

    def _advance(self, chat_id: str, seq: int) -> None:
        if seq > self._positions.get(chat_id, -1):
            self._positions[chat_id] = seq
            self._op(m.SetPosition(chat_id=chat_id, seq=seq))

    def _look(self, message_id: str) -> None:
        self._looking.add(message_id)
        self._stale[message_id] = False
        self._effect(m.Look(message_id=message_id))

    def _changed(self, message_id: str) -> None:
        if message_id in self._looking:
            self._stale[message_id] = True  # the answer under way may be older than this

    def _looked(self, message_id: str, message: Json | None) -> None:
        if message_id not in self._looking:
            return
        self._looking.discard(message_id)
        if message is not None and not self._stale[message_id]:
            self._op(m.UpdateMessage(message=message))
        if message is not None and self._stale[message_id]:
            self._look(message_id)
            return
        del self._stale[message_id]
        self._op(m.SetStale(message_id=message_id, stale=False))

    # -- one's own ------------------------------------------------------------------------------------

    def _send(self, given: m.Send) -> None:
        frame = send_frame(given.chat_id, given.client_msg_id, given.content, given.reply_to, given.mentions)
        if given.expires_in is not None:
            frame["expiresIn"] = given.expires_in
        self._op(
            m.PutOptimistic(
                chat_id=given.chat_id, client_msg_id=given.client_msg_id, content=given.content,
                created_at=given.created_at, reply_to=given.reply_to, mentions=given.mentions,
            )
        )  # fmt: skip
        self._enqueue(m.Entry(id=given.client_msg_id, chat_id=given.chat_id, frame=frame))

    def _enqueue(self, entry: m.Entry) -> None:
        self._outbox.add(entry)
        self._op(m.OutboxPut(entry=entry))

    def _done(self, entry_id: str) -> m.Entry | None:
        entry = self._outbox.done(entry_id)
        if entry is not None:
            self._op(m.OutboxDone(id=entry_id))
        return entry

    def _sent(self, frame: Json) -> None:
        entry = self._done(frame["clientMsgId"])
        if entry is None:
            return  # the log brought it before its answer
        self._op(
            m.MarkSent(
                chat_id=frame["chatId"], client_msg_id=frame["clientMsgId"], message_id=frame["messageId"],
                seq=frame["seq"], created_at=frame["createdAt"],
            )
        )  # fmt: skip
        # It takes its place in the log as any other entry; what a page tells of it later replaces it.
        own: Json = {
            "type": "message.new", "kind": "message", "messageId": frame["messageId"], "chatId": frame["chatId"],
            "senderId": self.user_id, "seq": frame["seq"], "clientMsgId": frame["clientMsgId"],
            "content": entry.frame["content"], "mentions": entry.frame.get("mentions", []),
            "createdAt": frame["createdAt"],
        }  # fmt: skip
        if "replyTo" in entry.frame:
            own["replyTo"] = {"messageId": entry.frame["replyTo"]}
        self._entry(frame["chatId"], frame["seq"], own)

    def _refused(self, frame: Json) -> None:
        entry_id: str = frame.get("clientMsgId") or frame.get("ref") or ""
        wait = frame.get("retryAfterMs")
        if entry_id not in self._outbox:
            self._effect(m.Tell(frame=frame))
        elif not is_final(frame["code"], wait):
            self._outbox.refused(entry_id, wait, self._now)
        elif (entry := self._done(entry_id)) is not None and entry.frame["type"] == "message.send":
            code, why = frame["code"], frame["message"]
            self._op(m.MarkFailed(chat_id=entry.chat_id, client_msg_id=entry.id, code=code, message=why))
        else:
            self._effect(m.Tell(frame=frame))

    def _read(self, chat_id: str, seq: int) -> None:
        if seq <= self._read_to.get(chat_id, 0):
            return
        self._unsent_reads[chat_id] = self._read_to[chat_id] = seq
        self._op(m.SetMark(chat_id=chat_id, user_id=self.user_id, status="read", seq=seq))
        self._op(m.SetUnsentRead(chat_id=chat_id, seq=seq))
        if self._online:
            self._send_read(chat_id, seq)

    def _send_read(self, chat_id: str, seq: int) -> None:
        self._frame_out({"type": "message.read", "chatId": chat_id, "seq": seq, "ref": f"read:{chat_id}:{seq}"})

    def _acknowledged(self, ref: str) -> None:
        kind, _, rest = ref.partition(":")
        chat_id, _, seq = rest.partition(":")
        if kind == "read" and seq == str(self._unsent_reads.get(chat_id)):
            self._read_done(chat_id)
        else:
            self._done(ref)

    def _read_done(self, chat_id: str) -> None:
        del self._unsent_reads[chat_id]
        self._op(m.SetUnsentRead(chat_id=chat_id, seq=None))

    # -- time -----------------------------------------------------------------------------------------

    def _due(self) -> None:
        """What time or the input made due, and when to come back."""
        if not self._online:
            return
        if self._sync_at is not None and self._sync_at <= self._now:
            self._sync()
        for chat_id, at in list(self._gap_at.items()):
            if at <= self._now and not self._syncing:
                self._fetch(chat_id)
        for entry in self._outbox.due(self._now):
            self._frame_out(entry.frame)
        self._deliver()
        times: list[Callable[[], int | None]] = [
            lambda: self._sync_at,
            lambda: min(self._gap_at.values(), default=None) if not self._syncing else None,
            self._outbox.next_due,
            lambda: self._deliver_at,
        ]
        found = [at for at in (time() for time in times) if at is not None]
        if found:
            self._effect(m.Wake(at_ms=min(found)))

    def _deliver(self) -> None:
        """Tell how far we hold each chat without a hole: once per chat and 50 ms."""
        if self._syncing or not self._undelivered:
            self._deliver_at = None
            return
        if self._deliver_at is None:
            self._deliver_at = self._now + DELIVERED_MS
        if self._deliver_at > self._now:
            return
        for chat_id in sorted(self._undelivered):
            seq = self.position(chat_id)
            if seq > self._delivered.get(chat_id, 0):
                self._delivered[chat_id] = seq
                self._frame_out({"type": "message.delivered", "chatId": chat_id, "seq": seq})
        self._undelivered.clear()
        self._deliver_at = None

    def _frame_out(self, frame: Json) -> None:
        self._effect(m.SendFrame(frame=frame))

    def _op(self, op: m.Op) -> None:
        self._step.ops.append(op)

    def _effect(self, effect: m.Effect) -> None:
        self._step.effects.append(effect)
