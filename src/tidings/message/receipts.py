"""Delivered and read: watermarks that only move forward, gathered for 50 ms and written together.

One person's delivered mark in one chat is written at most four times a second: while messages pour in, each is soon
overtaken. Read marks are written with the next batch, and answered when they are stored.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Literal

import msgspec
from pymongo.errors import PyMongoError

from tidings.contracts.errors import RETRYABLE, ApiError
from tidings.contracts.events import PrivacyChanged, StatusEvent
from tidings.contracts.times import now_ms, rfc3339
from tidings.message.chats import Chats
from tidings.message.log import Chat, clamp_mark
from tidings.message.lookups import Lookups
from tidings.message.publish import Publisher
from tidings.message.settings import Settings
from tidings.message.store import Store
from tidings.platform import logging
from tidings.platform.retry import lifetime_s
from tidings.platform.rpc import Peers
from tidings.rpc.v1 import user_pb2

if TYPE_CHECKING:
    from tidings.rpc.v1.user_pb2_grpc import UserServiceAsyncStub

_log = logging.get(__name__)
Status = Literal["delivered", "read"]
Key = tuple[str, str, Status]  # chat, person
KNOWN_MARKS = 200_000
RETRY_S = 0.5
READ_WAIT_S = 3.0  # until a read mark that is not stored is `unavailable`
GROUP_EVERY_S = 1.0  # a group of 1,024 readers would else tell of every mark of every reader


class Mark(msgspec.Struct, frozen=True):
    """Somebody has received or read everything up to `seq`."""

    chat_id: str
    user_id: str
    status: Status
    seq: int


class Privacy:
    """Who sends no read receipts, remembered for half a minute or until told of a change."""

    def __init__(self, peers: "Peers[UserServiceAsyncStub]") -> None:
        self._peers = peers
        self._silent: dict[str, tuple[float, bool]] = {}

    async def silent(self, user_ids: Collection[str]) -> set[str]:
        """Those of the asked who send no read receipts."""
        now = asyncio.get_running_loop().time()
        unknown = [u for u in user_ids if u not in self._silent or self._silent[u][0] < now]
        known = {u: self._silent[u] for u in user_ids if u in self._silent}
        if unknown:
            answer = await self._peers.call(
                self._peers.stub().GetReceiptSettings, user_pb2.GetReceiptSettingsRequest(user_ids=unknown)
            )
            known |= {u: self._silent[u] for u in user_ids if u in self._silent}  # told of a change meanwhile
            silent = set(answer.silent_user_ids)
            known |= {u: (now + lifetime_s(30), u in silent) for u in unknown if u not in known or known[u][0] < now}
            if len(self._silent) > KNOWN_MARKS:
                self._silent.clear()
            self._silent |= known
        return {u for u in user_ids if known[u][1]}

    async def on_changed(self, event: PrivacyChanged) -> None:
        """Take a change over at once."""
        self._silent[event.user_id] = (asyncio.get_running_loop().time() + 30, not event.read_receipts)


class Receipts:
    """Owner of the marks that wait to be written."""

    def __init__(
        self,
        store: Store,
        lookups: Lookups,
        chats: Chats,
        publisher: Publisher,
        privacy: Privacy,
        settings: Settings,
    ) -> None:
        self._store, self._lookups, self._chats, self._publisher = store, lookups, chats, publisher
        self._privacy = privacy
        self._pause_s, self._every_s = settings.receipts_ms / 1000, settings.delivered_every_ms / 1000
        self._waiting: dict[Key, int] = {}
        self._written: OrderedDict[Key, int] = OrderedDict()
        self._before: dict[Key, int] = {}  # of those being written: where they stood at the first attempt
        self._wrote_at: dict[Key, float] = {}  # of those written a moment ago
        self._wake = asyncio.Event()
        self._turn = asyncio.Event()  # set, and replaced, each time a batch was tried
        self._held: dict[Key, tuple[int, int, int]] = {}  # not told yet: seq, old, at
        self._told_at: dict[str, float] = {}
        self._holding = asyncio.Event()

    async def mark(self, marks: Sequence[Mark], *, at_once: bool = False) -> list[ApiError | None]:
        """Take marks; those of strangers are refused. Read marks are stored when this returns. A delivered mark may
        not be yet: a lost one is sent again by the client after `ready`."""
        try:
            chats = await self._chats.get_many({m.chat_id for m in marks})
            heads = await self._newer_heads(marks, chats)
        except ApiError as error:
            return [error] * len(marks)
        except PyMongoError:
            return [ApiError("unavailable", "the messages cannot be reached")] * len(marks)
        out: list[ApiError | None] = []
        reads: dict[Key, int] = {}
        for mark in marks:
            chat = chats.get(mark.chat_id)
            seat = chat.seats.get(mark.user_id) if chat else None
            if chat is None or seat is None:
                out.append(ApiError("not_found", "there is no such chat"))
                continue
            seq = clamp_mark(seat, heads.get(chat.chat_id, chat.head), mark.seq)
            self._put((mark.chat_id, mark.user_id, "delivered"), seq)
            if mark.status == "read":
                key: Key = (mark.chat_id, mark.user_id, "read")
                self._put(key, seq)
                reads[key] = max(seq, reads.get(key, 0))
            out.append(None)
        if at_once:
            await self.flush()
        if reads and not await self._stored(reads):
            away = ApiError("unavailable", "the mark could not be stored at the moment", retry_after_ms=500)
            return [away if m.status == "read" and r is None else r for m, r in zip(marks, out, strict=True)]
        return out

    async def _stored(self, wanted: dict[Key, int]) -> bool:
        """Whether these are written, now or within some time."""
        try:
            async with asyncio.timeout(READ_WAIT_S):
                while any(self._written.get(key, 0) < seq for key, seq in wanted.items()):
                    await self._turn.wait()
        except TimeoutError:
            return False
        return True

    async def _newer_heads(self, marks: Sequence[Mark], chats: dict[str, Chat]) -> dict[str, int]:
        """The heads of chats that are marked above what is known of them. Cached heads are of the moment the membership
        was read, or of what this instance stored: clamping by them would lose the mark, which the client believes
        taken."""
        behind = {m.chat_id for m in marks if m.chat_id in chats and m.seq > chats[m.chat_id].head}
        return await self._store.heads(sorted(behind)) if behind else {}

    def _put(self, key: Key, seq: int) -> None:
        if seq > self._waiting.get(key, 0) and seq > self._written.get(key, 0):
            self._waiting[key] = seq
            self._wake.set()

    def _due(self) -> list[Key]:
        """What is written now: every read mark, with the delivered mark that it implies, and the delivered marks of
        those who did not have one written a moment ago."""
        now = asyncio.get_running_loop().time()
        self._wrote_at = {key: at for key, at in self._wrote_at.items() if now - at < self._every_s}
        return [
            key
            for key in self._waiting
            if key[2] == "read" or key not in self._wrote_at or (key[0], key[1], "read") in self._waiting
        ]

    async def flush(self, keys: Iterable[Key] | None = None) -> None:
        """Write what waits, or what of it is named."""
        chosen = list(self._waiting if keys is None else keys)
        taken = {key: self._waiting.pop(key) for key in chosen}
        if taken:
            await self._write(taken)
        turn, self._turn = self._turn, asyncio.Event()
        turn.set()

    async def _write(self, taken: dict[Key, int]) -> None:
        at = now_ms()
        try:
            await self._learn(taken.keys())
            moved = {key: seq for key, seq in taken.items() if seq > self._before[key]}
            if moved:
                await self._store.advance([(*key, seq, at) for key, seq in moved.items()])
        except (PyMongoError, ApiError) as error:
            _log.warning("watermarks wait for the next try", marks=len(taken), error=repr(error)[:200])
            for key, seq in taken.items():
                self._waiting[key] = max(seq, self._waiting.get(key, 0))
            await asyncio.sleep(RETRY_S)
            self._wake.set()
            return
        before = {key: self._before.pop(key) for key in taken}
        for key, seq in taken.items():
            self._written[key] = max(seq, before[key])
            self._written.move_to_end(key)
        self._wrote_at |= dict.fromkeys(taken, asyncio.get_running_loop().time())
        while len(self._written) > KNOWN_MARKS:
            self._written.popitem(last=False)
        await self._tell_moved({key: (seq, before[key], at) for key, seq in moved.items()})

    async def _learn(self, keys: Collection[Key]) -> None:
        """Where these marks stood before they are written. Kept until they are: an attempt that failed may have written
        them, and what it moved is to be told all the same."""
        for key in keys:
            if key not in self._before and key in self._written:
                self._before[key] = self._written[key]
        unknown = [key for key in keys if key not in self._before]
        if unknown:
            stored = {d["_id"]: d for d in await self._lookups.watermarks({chat_id for chat_id, _, _ in unknown})}
            for chat_id, user_id, status in unknown:
                found = stored.get(f"{chat_id}:{user_id}", {})
                self._before[chat_id, user_id, status] = found.get(f"{status}Seq", 0)

    async def _tell_moved(self, moved: dict[Key, tuple[int, int, int]]) -> None:
        """Tell of what is stored, now; of groups, and where nobody knows which they are, with the next round."""
        try:
            chats = await self._chats.get_many({chat_id for chat_id, _, _ in moved})
        except (PyMongoError, ApiError):
            chats = {}
        now = {key: mark for key, mark in moved.items() if key[0] in chats and chats[key[0]].type != "group"}
        for key in moved.keys() - now.keys():
            self._hold(key, *moved[key])
        await self._publish(now)

    async def _publish(self, marks: dict[Key, tuple[int, int, int]]) -> None:
        """Tell of marks. What cannot be told at the moment is held for the next round."""
        told: dict[Key, set[str]] = {}
        for key, (seq, old, _) in marks.items():
            try:
                told[key] = {key[1]} | await self._told(await self._chats.get(key[0]), old, seq)
            except (PyMongoError, ApiError) as error:
                if not isinstance(error, ApiError) or error.code in RETRYABLE:
                    self._hold(key, *marks[key])
                _log.warning("a mark is not told", chat_id=key[0], error=repr(error)[:200])
        reads = [key for key in told if key[2] == "read"]
        silent: set[str] = set()
        try:
            silent = await self._privacy.silent({user_id for key in reads for user_id in told[key]})
        except ApiError as error:  # nobody learns that these were read; what was delivered is told
            _log.warning("read marks are not told", marks=len(reads), error=repr(error)[:200])
            for key in reads:
                del told[key]
                if error.code in RETRYABLE:
                    self._hold(key, *marks[key])
        try:
            await self._publisher.statuses([_event(key, marks[key], to, silent) for key, to in told.items()])
        except ApiError as error:
            _log.warning("marks wait for the next round", marks=len(told), error=repr(error)[:200])
            for key in told:
                self._hold(key, *marks[key])

    async def run(self) -> None:
        """Write every 50 ms what came in."""
        while True:
            await self._wake.wait()
            await asyncio.sleep(self._pause_s)
            self._wake.clear()
            await self.flush(self._due())
            if self._waiting:
                self._wake.set()

    def _hold(self, key: Key, seq: int, old: int, at: int) -> None:
        known = self._held.get(key)
        self._held[key] = (seq, old, at) if known is None else (max(seq, known[0]), min(old, known[1]), at)
        self._holding.set()

    async def tell(self) -> None:
        """Tell of what is held: at once after a quiet second, else once a second per chat."""
        loop = asyncio.get_running_loop()
        while True:
            await self._holding.wait()
            now = loop.time()
            self._told_at = {c: at for c, at in self._told_at.items() if now - at < GROUP_EVERY_S}
            await self.tell_held({c for c, _, _ in self._held if c not in self._told_at})
            if self._held:
                await asyncio.sleep(GROUP_EVERY_S / 10)
            else:
                self._holding.clear()

    async def tell_held(self, chat_ids: set[str] | None = None) -> None:
        """Tell of what is held for these chats, or for all."""
        due = [key for key in self._held if chat_ids is None or key[0] in chat_ids]
        taken = {key: self._held.pop(key) for key in due}
        self._told_at |= dict.fromkeys({key[0] for key in due}, asyncio.get_running_loop().time())
        await self._publish(taken)

    async def _told(self, chat: Chat, old: int, seq: int) -> set[str]:
        """Who may know of this mark: the peer; in groups the authors of the messages newly covered."""
        if chat.type == "direct":
            return {u for u, seat in chat.seats.items() if seat.is_member} if not chat.blocked else set()
        authors = await self._store.authors(chat.chat_id, old + 1, seq)
        return {a for a in authors if a in chat.seats and chat.seats[a].is_member}


def _event(key: Key, mark: tuple[int, int, int], to: set[str], silent: set[str]) -> StatusEvent:
    """`to`: who may know of it. Of a read mark nobody else if its person is `silent`, and none who is."""
    chat_id, user_id, status = key
    seq, _, at = mark
    if status == "read":
        to = {user_id} if user_id in silent else {t for t in to if t == user_id or t not in silent}
    return StatusEvent(chat_id=chat_id, user_id=user_id, status=status, seq=seq, at=rfc3339(at), to=sorted(to))
