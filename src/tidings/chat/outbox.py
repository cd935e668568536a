"""From a committed change to its number in the log, and then to its event: two steps, each in the order of a chat's
changes and by one process at a time, which holds a claim and no connection while it calls others.

Everything may happen twice: the change id makes a notice and an event the same one, and who has lost a claim writes
nothing more. The relay and a request share the work instead of racing for it.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from contextvars import Context
from typing import TYPE_CHECKING, Any, Final

import msgspec

from tidings.chat.rules import is_settled
from tidings.chat.settings import Settings
from tidings.chat.store import Store, seat
from tidings.contracts.errors import ApiError
from tidings.contracts.events import ChatEvent
from tidings.contracts.ids import new_id
from tidings.contracts.times import now_ms, rfc3339
from tidings.platform import context, logging, metrics, retry
from tidings.platform.bus import Bus
from tidings.platform.lifecycle import end
from tidings.platform.postgres import Row
from tidings.platform.rpc import Peers
from tidings.rpc.v1 import message_pb2

if TYPE_CHECKING:
    from tidings.rpc.v1.message_pb2_grpc import MessageServiceAsyncStub

_log = logging.get(__name__)
APPEND_S: Final = 3.0
SPARE_S: Final = 1.0  # left of a request's deadline to answer in
RELAYED_AT_ONCE: Final = 8


async def settled(store: Store, outbox: "Outbox", user_id: str) -> list[Row]:
    """All chats of a person. Windows the log has not numbered are waited for, in vain only when it is away."""
    rows = await store.seen_by(user_id)
    open_ = [row["id"] for row in rows if not is_settled(seat(row))]
    if not open_:
        return rows
    await outbox.settle(open_)
    return await store.seen_by(user_id)


class Outbox:
    """Owner of the tasks at work on chats: one per chat and step."""

    def __init__(
        self, store: Store, bus: Bus, messages: "Peers[MessageServiceAsyncStub]", settings: Settings, instance: str
    ) -> None:
        self._store, self._bus, self._messages = store, bus, messages
        self._settings, self._instance = settings, instance
        self._at_work: dict[str, asyncio.Task[None]] = {}
        self._repeats: set[str] = set()
        self._closed = False

    async def drive(self, chat_id: str) -> None:
        """Until what was committed in this chat has its numbers. Raises ApiError `unavailable` when the deadline is
        near: the change stands, and the relay goes on with it."""
        if not await self.settle([chat_id]):
            raise ApiError(
                "unavailable", "the change is made, but the others do not know of it yet", retry_after_ms=1000
            )

    async def settle(self, chat_ids: Sequence[str]) -> bool:
        """Wait until what was committed in these chats has its numbers, for as long as the caller may wait. False:
        something has none yet."""
        wanted = await self._store.unnumbered(chat_ids)
        for chat_id in set(chat_ids) - wanted.keys():
            self.tell_soon(chat_id)
        if not wanted:
            return True
        deadline = asyncio.get_running_loop().time() + context.remaining_s(self._settings.request_timeout_s) - SPARE_S
        return all(await asyncio.gather(*(self._numbered(c, last, deadline) for c, last in wanted.items())))

    def number_soon(self, chat_id: str) -> None:
        """Do all that is left for this chat, beside whoever asks."""
        self._again(f"{chat_id} all", lambda: self._quietly(chat_id))

    def tell_soon(self, chat_id: str) -> None:
        """Publish what has its number, beside the request."""
        self._again(f"{chat_id} tell", lambda: self._tell(chat_id))

    async def relay(self) -> None:
        """Take up what requests left undone: at once what there is at the start, later what they had time for."""
        if self._settings.slot_restarted:
            await retry.until(
                "postgres", lambda: self._store.drop_claims(self._instance), timeout_s=30, errors=(ApiError,)
            )
        gate = asyncio.Semaphore(RELAYED_AT_ONCE)

        async def one(chat_id: str) -> None:
            async with gate:
                await self._quietly(chat_id)

        due_ms = now_ms() + 10_000
        while True:
            try:
                await asyncio.gather(*(one(chat_id) for chat_id in await self._store.due(due_ms)))
            except ApiError as error:
                _log.warning("the outbox cannot be read", error=str(error))
            await asyncio.sleep(self._settings.relay_interval_s * (0.5 + retry.backoff_s(0, 1.0, 1.0)))
            due_ms = now_ms()

    async def _quietly(self, chat_id: str) -> None:
        try:
            await self._shared(f"{chat_id} number", lambda: self._number(chat_id))
            await self._shared(f"{chat_id} tell", lambda: self._tell(chat_id))
        except Exception as error:  # one chat's trouble must not keep the others: counted, and tried again
            metrics.DEPENDENCY.labels("outbox").inc()
            _log.warning("change not told yet", chat_id=chat_id, error=repr(error))
            await self._store.put_off(chat_id, now_ms() + 500 + int(1000 * retry.backoff_s(4, 0.5, 5.0)))

    async def _numbered(self, chat_id: str, last: int, deadline: float) -> bool:
        loop = asyncio.get_running_loop()
        tries = 0
        while True:
            task = self._shared(f"{chat_id} number", lambda: self._number(chat_id))
            left = deadline - loop.time()
            await asyncio.wait({task}, timeout=max(left, 0.001))
            if task.done() and not task.cancelled() and not task.exception():
                self.tell_soon(chat_id)
                if (await self._store.first_unnumbered(chat_id) or last + 1) > last:
                    return True
            pause = 0.01 + retry.backoff_s(tries, 0.02, 0.3)  # another process is at it, or it failed
            if loop.time() + pause > deadline:
                return False
            tries += 1
            await asyncio.sleep(pause)

    def _shared(self, name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> "asyncio.Task[None]":
        """The task of this name, begun if there is none. It has no caller's deadline, and outlives any caller."""
        task = self._at_work.get(name)
        if task is None:
            task = self._at_work[name] = asyncio.create_task(work(), name=name, context=Context())
            task.add_done_callback(lambda done: self._ended(name, done))
        return task

    def _again(self, name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Begin a task, or do it once more after the one at work: that may have looked before our commit."""
        running = self._at_work.get(name)
        if running is None:
            self._shared(name, work)
        elif name not in self._repeats:
            self._repeats.add(name)
            running.add_done_callback(lambda _: self._repeat(name, work))

    def _repeat(self, name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._repeats.discard(name)
        if not self._closed:
            self._shared(name, work)

    def _ended(self, name: str, task: "asyncio.Task[None]") -> None:
        del self._at_work[name]
        if not task.cancelled() and (error := task.exception()):
            _log.info("left to the relay", work=name, error=repr(error))

    @asynccontextmanager
    async def _claim(self, name: str) -> AsyncIterator[str]:
        """A token, or "" while another process holds the claim."""
        token, lease_ms = new_id(), int(self._settings.claim_s * 1000)
        if not await self._store.claim(name, token, self._instance, now_ms(), lease_ms):
            yield ""
            return
        try:
            yield token
        finally:
            await self._store.release(name, token)

    async def _number(self, chat_id: str) -> None:
        """Put the notices of this chat into the log, and their numbers into its participants."""
        name = f"{chat_id} number"
        async with self._claim(name) as token:
            while token and (row := await self._store.next_unnumbered(chat_id)):
                seq, at_ms = await self._append(row)
                # Refused once the claim is lost: whoever has it may be further, and must not be overwritten.
                if not await self._store.number(name, token, row, seq, at_ms, int(self._settings.claim_s * 1000)):
                    return

    async def _append(self, row: Row) -> tuple[int, int]:
        notice = message_pb2.NoticeEntry(
            chat_id=row["chat_id"], change_id=row["change_id"], notice_json=row["notice"].encode(),
            actor_id=row["actor_id"], membership=True,
        )  # fmt: skip
        method = self._messages.stub(row["chat_id"]).AppendNotice
        answer = await self._messages.call(
            method, message_pb2.AppendNoticeRequest(notices=[notice]), timeout_s=APPEND_S
        )
        told = answer.notices[0]
        if told.refusal.code:
            raise ApiError("unavailable", told.refusal.detail)
        return told.seq, told.at_ms

    async def _tell(self, chat_id: str) -> None:
        """Publish what has its number, then forget it. Who hears of it finds the numbers: they are committed."""
        name = f"{chat_id} tell"
        async with self._claim(name) as token:
            while token and (row := await self._store.next_untold(chat_id)):
                event = ChatEvent(
                    event_id=row["change_id"], chat_id=chat_id, actor_id=row["actor_id"], audience=row["audience"],
                    user_ids=row["joined"] or row["gone"], seq=row["seq"], at=rfc3339(row["at_ms"] or now_ms()),
                )  # fmt: skip
                # One that died after publishing is repeated under the same id, which the stream takes once.
                await self._bus.publish(row["subject"], msgspec.json.encode(event), message_id=row["change_id"])
                if not await self._store.told(name, token, row["id"], int(self._settings.claim_s * 1000)):
                    return

    async def close(self) -> None:
        """End what is at work: the relay of the next process goes on."""
        self._closed = True
        await end(self._at_work.values())
