"""Drives the sync core, from sign-in to sign-out.

Inputs come from the socket, from REST answers, from time and from the user; each batch of steps is one transaction of
the store, and only then are the effects performed.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from tidings.client import events as e
from tidings.client import model as m
from tidings.client.api import Api
from tidings.client.core import Core
from tidings.client.model import Json
from tidings.client.socket import Socket
from tidings.client.store import Store
from tidings.contracts.errors import ApiError

CALLS_AT_ONCE: Final = 6
INPUTS: Final = 1_000  # that wait; who hands in more waits too
STEPS: Final = 100  # in one transaction
PAGE: Final = 500
OTHERS_EVERY_S: Final = 1.0  # a group is asked at most so often how far its slowest member is
OTHERS_AGAIN_S: Final = 5.0  # after no answer

T = TypeVar("T")


class Engine:
    """Joins the core, the store and the wire of one person. `tell` is told what happens."""

    def __init__(self, api: Api, store: Store, tell: Callable[[e.Event], None]) -> None:
        self._api, self._store, self._tell = api, store, tell
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="tidings-store")
        self._core: Core | None = None
        self._socket = Socket(api, self._received, self._lost)
        self._inputs: asyncio.Queue[tuple[m.Input, asyncio.Future[None] | None]] = asyncio.Queue(INPUTS)
        self._calls = asyncio.Semaphore(CALLS_AT_ONCE)
        self._tasks: asyncio.TaskGroup | None = None
        self._running: asyncio.Task[None] | None = None
        self._alarm: asyncio.TimerHandle | None = None
        self._told_state = (False, False)
        self._marked: set[str] = set()  # chats in which somebody got further
        self._mark = asyncio.Event()

    @property
    def online(self) -> bool:
        """Whether there is a connection."""
        return self._core is not None and self._core.online

    @property
    def settled(self) -> bool:
        """Connected, and everything known to exist is held."""
        return self._core is not None and self._core.settled

    async def start(self, user_id: str) -> None:
        """Begin to sync what is this person's."""
        await self.on_store(lambda: self._store.begin(user_id))
        self._core = Core(await self.on_store(self._store.load))
        started = asyncio.Event()
        self._running = asyncio.create_task(self._run(started), name="tidings-client")
        await started.wait()

    async def stop(self) -> None:
        """End what runs; `start` may be called again."""
        if self._running is not None:
            self._running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._running
        self._running = self._core = None
        if self._alarm is not None:
            self._alarm.cancel()
        while not self._inputs.empty():
            _, done = self._inputs.get_nowait()
            if done is not None:
                done.cancel()

    async def close_store(self) -> None:
        """The last thing: nothing can be asked of the store after it."""
        await self.on_store(self._store.close)
        self._thread.shutdown()

    async def do(self, given: m.Input) -> None:
        """Hand in what the user did, and wait until it is committed. Raises ApiError when nobody is signed in."""
        if self._running is None:
            raise ApiError("unauthenticated")
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        await self._inputs.put((given, done))
        await asyncio.wait({done, self._running}, return_when=asyncio.FIRST_COMPLETED)
        if not done.done():
            await self._running  # raises what ended it
        await done

    async def say(self, frame: Json) -> None:
        """A frame for this connection alone, such as typing."""
        await self._socket.send(frame)

    async def on_store(self, work: Callable[[], T]) -> T:
        """Do this in the thread that owns the store."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def _run(self, started: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            tasks.create_task(self._connect())
            tasks.create_task(self._follow_others())
            started.set()
            while True:
                await self._turn([await self._inputs.get()])

    async def _connect(self) -> None:
        try:
            await self._socket.run()
        except ApiError:
            await self._take(m.Closed())
            self._tell(e.SignedOut())

    async def _turn(self, batch: list[tuple[m.Input, asyncio.Future[None] | None]]) -> None:
        """Everything that waits, in one transaction; then the effects."""
        core = self._core
        if core is None:
            return
        while not self._inputs.empty() and len(batch) < STEPS:
            batch.append(self._inputs.get_nowait())
        ops: list[m.Op] = []
        effects: list[m.Effect] = []
        for given, _ in batch:
            step = core.handle(given, int(time.monotonic() * 1000))
            ops += step.ops
            effects += step.effects
        await self.on_store(lambda: self._store.apply(ops))
        for _, done in batch:
            if done is not None and not done.done():
                done.set_result(None)
        if ops:
            self._tell(e.Changed(frozenset(chat for op in ops if (chat := m.chat_of(op)))))
        for effect in effects:
            await self._perform(effect)
        state = (core.online, core.settled)
        if state != self._told_state:
            self._told_state = state
            self._tell(e.Connected(*state))

    async def _perform(self, effect: m.Effect) -> None:
        match effect:
            case m.SendFrame(frame=frame):
                await self._socket.send(frame)
            case m.Tell(frame=frame):
                self._tell(e.Told(frame))
            case m.Wake(at_ms=at_ms):
                if self._alarm is not None:
                    self._alarm.cancel()
                delay = max(0.0, at_ms / 1000 - time.monotonic())
                self._alarm = asyncio.get_running_loop().call_later(delay, self._ring)
            case m.CallSync() | m.Fetch() | m.Look():
                if self._tasks is not None:
                    self._tasks.create_task(self._call(effect))

    def _ring(self) -> None:
        with contextlib.suppress(asyncio.QueueFull):  # whatever fills it makes the core look at the clock
            self._inputs.put_nowait((m.Tick(), None))

    async def _call(self, effect: m.CallSync | m.Fetch | m.Look) -> None:
        async with self._calls:
            try:
                answer = await self._answer(effect)
            except ApiError as problem:
                answer = _failed(effect, problem)
        await self._take(answer)

    async def _answer(self, effect: m.CallSync | m.Fetch | m.Look) -> m.Input:
        match effect:
            case m.CallSync(round=turn):
                body = {"since": effect.since, "positions": effect.positions, "limit": PAGE}
                return m.Synced(round=turn, answer=await self._api.post("/sync", body))
            case m.Fetch(round=turn, chat_id=chat_id, after=after):
                page = await self._api.get(f"/chats/{chat_id}/messages", after=after, limit=100)
                return m.Fetched(round=turn, chat_id=chat_id, after=after, page=page)
            case m.Look(message_id=message_id):
                return m.Looked(message_id=message_id, message=await self._api.get(f"/messages/{message_id}"))

    async def _received(self, frame: Json) -> None:
        await self._take(m.Frame(frame=frame))
        if frame["type"] == "message.status.updated" and frame["userId"] != self._store.user_id:
            self._marked.add(frame["chatId"])
            self._mark.set()

    async def _follow_others(self) -> None:
        """A receipt of a group tells of one member; a tick says what all have done."""
        wait_s = OTHERS_EVERY_S
        while True:
            await self._mark.wait()
            await asyncio.sleep(wait_s)  # what comes meanwhile is asked about together
            self._mark.clear()
            marked, self._marked = self._marked, set()
            wait_s = OTHERS_EVERY_S
            for chat_id in marked:
                try:
                    await self._ask_others(chat_id)
                except ApiError as problem:
                    if problem.status < 500 and problem.status != 429:  # left, or signed out
                        continue
                    wait_s = OTHERS_AGAIN_S
                    self._marked.add(chat_id)
                    self._mark.set()

    async def _ask_others(self, chat_id: str) -> None:
        if not await self.on_store(lambda: self._store.awaits_others(chat_id)):
            return
        chat = await self._api.get(f"/chats/{chat_id}")
        read, delivered = chat["othersReadSeq"], chat["othersDeliveredSeq"]
        if await self.on_store(lambda: self._store.set_others(chat_id, read, delivered)):
            self._tell(e.Changed(frozenset({chat_id})))

    async def _lost(self, reason: str) -> None:
        await self._take(m.Closed())
        self._tell(e.Connected(online=False, settled=False, reason=reason))

    async def _take(self, given: m.Input) -> None:
        await self._inputs.put((given, None))


def _failed(effect: m.CallSync | m.Fetch | m.Look, problem: ApiError) -> m.Input:
    match effect:
        case m.CallSync(round=turn):
            return m.SyncFailed(round=turn, code=problem.code, retry_after_ms=problem.retry_after_ms)
        case m.Fetch(round=turn, chat_id=chat_id):
            return m.FetchFailed(round=turn, chat_id=chat_id, code=problem.code)
        case m.Look(message_id=message_id):
            if problem.code == "not_found":
                return m.Looked(message_id=message_id, message=None)
            return m.LookFailed(message_id=message_id)
