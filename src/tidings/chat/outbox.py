"""From a committed change to its notice, its numbers and its event. The row is locked meanwhile, so that several
instances share the work; everything in it may happen twice, as the change id makes it the same."""

import asyncio
from typing import TYPE_CHECKING

import asyncpg
import msgspec

from tidings.chat.store import Store
from tidings.contracts.errors import ApiError
from tidings.contracts.events import ChatEvent
from tidings.contracts.times import now_ms, rfc3339
from tidings.platform import logging, metrics, postgres, retry
from tidings.platform.bus import Bus
from tidings.platform.rpc import Peers
from tidings.rpc.v1 import message_pb2

if TYPE_CHECKING:
    from tidings.rpc.v1.message_pb2_grpc import MessageServiceAsyncStub

_log = logging.get(__name__)
MEMBERSHIP = ("chat.created", "group.member.added", "group.member.removed")


class Outbox:
    """Drives changes of a chat in their order."""

    def __init__(self, store: Store, bus: Bus, messages: "Peers[MessageServiceAsyncStub]") -> None:
        self._store, self._bus, self._messages = store, bus, messages
        self._settling: set[asyncio.Task[None]] = set()

    async def drive(self, chat_id: str) -> None:
        """Until nothing of this chat is left. Raises ApiError `unavailable`: the relay goes on then."""
        while await self._step(chat_id):
            pass

    async def settle(self, chat_ids: list[str], timeout_s: float) -> None:
        """Drive what is pending in these chats, for a moment."""
        pending = await self._store.pending(chat_ids)
        if not pending:
            return
        tasks = [asyncio.create_task(self._quietly(chat_id)) for chat_id in pending]
        for task in tasks:
            self._settling.add(task)
            task.add_done_callback(self._settling.discard)
        await asyncio.wait(tasks, timeout=timeout_s)

    async def relay(self, interval_s: float) -> None:
        """Take up what requests left undone."""
        while True:
            await asyncio.sleep(interval_s * (0.5 + retry.backoff_s(0, 1.0, 1.0)))
            try:
                rows = await self._store.pool.fetch(
                    "SELECT DISTINCT chat_id FROM outbox WHERE next_ms <= $1 LIMIT 100", now_ms()
                )
            except (*postgres.UNREACHABLE, asyncpg.PostgresError, asyncpg.InterfaceError):
                metrics.DEPENDENCY.labels("postgres").inc()
                continue
            for row in rows:
                await self._quietly(row["chat_id"])

    async def _quietly(self, chat_id: str) -> None:
        try:
            await self.drive(chat_id)
        except Exception as error:  # told again at the next round, and counted
            metrics.DEPENDENCY.labels("outbox").inc()
            _log.warning("change not told yet", chat_id=chat_id, error=repr(error))
            pause = int(1000 * retry.backoff_s(4, 0.5, 5.0)) + 500
            try:
                await self._store.pool.execute(
                    "UPDATE outbox SET tries = tries + 1, next_ms = $2 WHERE id IN (SELECT id FROM outbox"
                    " WHERE chat_id = $1 FOR UPDATE SKIP LOCKED)", chat_id, now_ms() + pause,
                )  # fmt: skip
            except (*postgres.UNREACHABLE, asyncpg.PostgresError, asyncpg.InterfaceError):
                metrics.DEPENDENCY.labels("postgres").inc()

    async def _step(self, chat_id: str) -> bool:
        async with self._store.pool.acquire() as db, db.transaction():
            first = await db.fetchval("SELECT min(id) FROM outbox WHERE chat_id = $1", chat_id)
            if first is None:
                return False
            row = await db.fetchrow("SELECT * FROM outbox WHERE id = $1 FOR UPDATE", first)
            if row is None:  # another was faster
                return True
            seq, at = 0, now_ms()
            if row["notice"] is not None:
                answer = await self._messages.call(
                    self._messages.stub(chat_id).AppendNotice,
                    message_pb2.AppendNoticeRequest(
                        notices=[
                            message_pb2.NoticeEntry(
                                chat_id=chat_id,
                                change_id=row["change_id"],
                                notice_json=row["notice"].encode(),
                                actor_id=row["actor_id"],
                                membership=True,
                            )
                        ]
                    ),
                    timeout_s=3,
                )
                told = answer.notices[0]
                if told.refusal.code:
                    raise ApiError("unavailable", told.refusal.detail)
                seq, at = told.seq, told.at_ms
            # Not who was seated anew since: that later row has their number.
            latest = (
                " AND NOT EXISTS"
                " (SELECT 1 FROM outbox o WHERE o.chat_id = $1 AND o.id > $5 AND user_id = ANY(o.joined))"
            )
            await db.execute(
                "UPDATE participants SET joined_seq = $3, updated_ms = $4"
                " WHERE chat_id = $1 AND user_id = ANY($2::text[])" + latest,
                chat_id, row["joined"], seq, now_ms(), first,
            )  # fmt: skip
            await db.execute(
                "UPDATE participants SET left_seq = $3, updated_ms = $4"
                " WHERE chat_id = $1 AND user_id = ANY($2::text[]) AND membership <> 'member'" + latest,
                chat_id, row["gone"], seq, now_ms(), first,
            )  # fmt: skip
            event = ChatEvent(
                event_id=row["change_id"], chat_id=chat_id, actor_id=row["actor_id"], audience=row["audience"],
                user_ids=row["joined"] or row["gone"], seq=seq, at=rfc3339(at),
            )  # fmt: skip
        # After the commit, so that who hears of it finds the numbers; before the row goes, so that it is not lost.
        await self._bus.publish(row["subject"], msgspec.json.encode(event))
        await self._store.pool.execute("DELETE FROM outbox WHERE id = $1", first)
        return True
