"""People coming and going: registration before `ready`, presence and its watchers, typing."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from tidings.contracts import frames
from tidings.contracts.errors import ApiError
from tidings.contracts.events import PRESENCE_CHANGED, PresenceChanged
from tidings.contracts.frames import CloseCode
from tidings.contracts.times import now_ms, rfc3339, rfc3339_or_none
from tidings.platform import logging, metrics
from tidings.platform.bus import Bus
from tidings.platform.presence import HEARTBEAT_S, Presence
from tidings.platform.redis import UNREACHABLE
from tidings.platform.rpc import Peers
from tidings.rpc.v1 import user_pb2 as pb
from tidings.websocket.bundles import Bundles, Item
from tidings.websocket.hub import Hub
from tidings.websocket.participants import Participants
from tidings.websocket.requests import fail
from tidings.websocket.settings import Settings
from tidings.websocket.socket import Socket

if TYPE_CHECKING:
    from tidings.rpc.v1.user_pb2_grpc import UserServiceAsyncStub

_log = logging.get(__name__)
COALESCE_S: Final = 0.5
PRESSED_ROUNDS: Final = 20  # of those, that changes of presence wait at most while sends are waiting
QUERIES_A_CALL: Final = 1000
TYPING_EVERY_S: Final = 1.0
AGAIN_S: Final = 1.0


class People:
    """Owner of who is arriving and whose presence is to be told anew."""

    def __init__(
        self,
        hub: Hub,
        presence: Presence,
        users: "Peers[UserServiceAsyncStub]",
        participants: Participants,
        bundles: Bundles,
        bus: Bus,
        me: str,
        settings: Settings,
        epoch: Callable[[], str],
        pressed: Callable[[], bool],
    ) -> None:
        self._hub, self._presence, self._users = hub, presence, users
        self._participants, self._bundles, self._bus = participants, bundles, bus
        self._me, self._settings, self._epoch, self._pressed = me, settings, epoch, pressed
        self._arriving: list[Socket] = []
        self._arrived = asyncio.Event()
        self._leaving: dict[str, None] = {}  # each once, however often they come and go while Redis is away
        self._left = asyncio.Event()
        self._registering = asyncio.Lock()  # on several connections a removal could overtake who came back
        self._owed: set[str] = set()  # of whom Redis may know something else than is so
        self._changed: set[str] = set()
        self._asked: dict[tuple[Socket, str], None] = {}
        self._wake = asyncio.Event()
        self._typing: dict[tuple[str, str], float] = {}

    # -- coming and going ----------------------------------------------------------------------------

    def arrive(self, socket: Socket) -> None:
        """A socket is open: it gets `ready` once its person is registered."""
        self._hub.add(socket)
        self._arriving.append(socket)
        self._arrived.set()

    def leave(self, socket: Socket) -> None:
        """A socket is gone."""
        if self._hub.drop(socket):
            self._leaving[socket.user_id] = None
            self._left.set()

    async def welcome(self) -> None:
        """Register all who came while the last were being registered, then greet them."""
        while True:
            self._arrived.clear()
            batch, self._arriving = self._arriving[:1000], self._arriving[1000:]
            if not batch:
                await self._arrived.wait()
                continue
            user_ids = list(dict.fromkeys(socket.user_id for socket in batch))
            new = await self._register(user_ids)
            for socket in batch:
                socket.ready(
                    frames.encode_frame(
                        frames.Ready(
                            user_id=socket.user_id,
                            session_id=socket.session_id,
                            server_time=rfc3339(now_ms()),
                            heartbeat_seconds=self._settings.heartbeat_s,
                            log_epoch=self._epoch(),
                        )
                    )
                )
            await self._came_or_went(new, True)

    async def _register(self, user_ids: list[str]) -> list[str]:
        """Those of them who were not online. Sockets live on without Redis: `_keep` registers them when it is back."""
        try:
            online = await self._presence.online(user_ids)
            async with self._registering:
                await self._presence.add(self._me, self._hub.here(user_ids))  # who left meanwhile would stay for good
        except UNREACHABLE as error:
            self._owed.update(user_ids)
            metrics.DEPENDENCY.labels("redis").inc()
            _log.warning("not registered yet", error=repr(error))
            return user_ids
        return [user_id for user_id, was in zip(user_ids, online, strict=True) if not was]

    async def _came_or_went(self, user_ids: Sequence[str], online: bool) -> None:
        """Tell every instance, all at once: with NATS away each would else hold up the next for a second."""
        at = now_ms()
        if user_ids:
            await self._bus.broadcast(PRESENCE_CHANGED, *(PresenceChanged(u, online, at) for u in user_ids))

    async def farewell(self) -> None:
        """Take those out whose last socket closed; they count as online for some seconds more."""
        while True:
            if not self._leaving:
                self._left.clear()
                await self._left.wait()
            left, self._leaving = list(self._leaving)[:1000], dict.fromkeys(list(self._leaving)[1000:])
            try:
                async with self._registering:
                    await self._presence.remove(self._me, [user_id for user_id in left if not self._hub.of(user_id)])
            except UNREACHABLE as error:
                self._owed.update(left)
                metrics.DEPENDENCY.labels("redis").inc()
                _log.warning("not taken out yet", error=repr(error))

    async def beat(self) -> None:
        """Keep this instance's people registered, and tell of those whose time to come back is over."""
        while True:
            with contextlib.suppress(*UNREACHABLE):
                await self._keep()
            for _ in range(int(HEARTBEAT_S)):
                with contextlib.suppress(*UNREACHABLE):
                    lapsed = await self._presence.lapse()
                    online = await self._presence.online(lapsed, lingering=False)
                    gone = [user_id for user_id, back in zip(lapsed, online, strict=True) if not back]
                    await self._came_or_went(gone, False)
                await asyncio.sleep(1)

    async def _keep(self) -> None:
        """Whoever was not registered for a while has missed what other instances had for them: they sync."""
        owed, self._owed = self._owed, set()
        try:
            async with self._registering:
                back = late = self._hub.here(owed)
                if await self._presence.beat(self._me):
                    await self._presence.add(self._me, late)
                else:
                    late = self._hub.people()
                    await self._presence.register(self._me, late)
                await self._presence.remove(self._me, [user_id for user_id in owed if not self._hub.of(user_id)])
        except UNREACHABLE:
            self._owed |= owed
            raise
        self._hub.resync("registered late", late)
        await self._came_or_went(back, True)  # whoever asked meanwhile was told that they are not there

    # -- presence ------------------------------------------------------------------------------------

    def subscribe(self, socket: Socket, frame: frames.PresenceSubscribe, most: int) -> None:
        """Watch people; answered by one `presence.updated` each, also by who watches them already."""
        user_ids = _named(frame)
        if len(socket.watching.keys() | set(user_ids)) > most:
            fail((socket, frame), ApiError("limit_exceeded", f"a socket watches at most {most} people"))
            return
        for user_id in user_ids:
            self._hub.watch(socket, user_id)
            self._asked[(socket, user_id)] = None
        self._wake.set()
        socket.ack(frame)

    def unsubscribe(self, socket: Socket, frame: frames.PresenceUnsubscribe) -> None:
        """Watch them no longer."""
        for user_id in _named(frame):
            self._hub.unwatch(socket, user_id)
        socket.ack(frame)

    def changed(self, user_id: str) -> None:
        """Someone came, went, or changed who may see it."""
        self._changed.add(user_id)
        self._wake.set()

    async def tell(self) -> None:
        """Answer subscriptions at once; changes are gathered for half a second, and longer while sends are waiting."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            for _ in range(PRESSED_ROUNDS):
                if not self._asked:
                    await asyncio.sleep(COALESCE_S)
                if self._asked or not self._pressed():
                    break
            asked, self._asked = list(self._asked), {}
            changed, self._changed = self._changed, set()
            for start in range(0, len(asked), QUERIES_A_CALL):
                await self._tell(asked[start : start + QUERIES_A_CALL], asked=True)
            followed = [(socket, user_id) for user_id in changed for socket in self._hub.watchers(user_id)]
            for start in range(0, len(followed), QUERIES_A_CALL):
                await self._tell(followed[start : start + QUERIES_A_CALL], asked=False)

    async def _tell(self, pairs: list[tuple[Socket, str]], *, asked: bool) -> None:
        """Who asked is always answered. Who follows is told when what they may see is not what they were told last: a
        frame that says nothing new would tell that someone who hides came or went."""
        request = pb.CheckPresenceRequest(
            queries=[pb.PresenceQuery(viewer_id=socket.user_id, user_id=user_id) for socket, user_id in pairs]
        )
        try:
            results = list((await self._users.call(self._users.stub().CheckPresence, request)).results)
        except ApiError as error:
            # Not known is not offline: whoever still watches is told when it is known.
            _log.warning("presence cannot be told yet", error=repr(error))
            if asked:
                self._asked |= {(s, u): None for s, u in pairs if u in s.watching}
            else:
                self._changed.update(user_id for _, user_id in pairs)
            await asyncio.sleep(AGAIN_S)
            self._wake.set()
            return
        for (socket, user_id), result in zip(pairs, results, strict=True):
            seen = (result.online, result.last_seen_ms)
            before = socket.watching.get(user_id)
            if not asked and before in (None, seen):  # None: watched no longer, or the answer is still to come
                continue
            if user_id in socket.watching:
                socket.watching[user_id] = seen
            told = frames.PresenceUpdated(
                user_id=user_id,
                status="online" if result.online else "offline",
                last_seen=rfc3339_or_none(result.last_seen_ms or None),
            )
            socket.send(frames.encode_frame(told), light=True)

    # -- typing --------------------------------------------------------------------------------------

    async def typing(self, socket: Socket, frame: frames.TypingStart | frames.TypingStop) -> None:
        """Tell the other members; more than one start a second from one person in one chat is not passed on."""
        try:
            chat = await self._participants.one(frame.chat_id)
            if chat is None or socket.user_id not in (members := chat.members()):
                raise ApiError("not_found")
        except ApiError as error:
            fail((socket, frame), error)
            return
        socket.ack(frame)
        now = asyncio.get_running_loop().time()
        key = (socket.user_id, frame.chat_id)
        started = isinstance(frame, frames.TypingStart)
        if chat.blocked or (started and now - self._typing.get(key, -10.0) < TYPING_EVERY_S):
            return
        if len(self._typing) > 10_000:
            self._typing.clear()
        self._typing[key] = now if started else -10.0
        kind = frames.TypingStarted if started else frames.TypingStopped
        shown = frames.encode_frame(kind(chat_id=frame.chat_id, user_id=socket.user_id))
        others = [user_id for user_id in members if user_id != socket.user_id]
        await self._bundles.deliver([Item(others, shown, None, True)])

    # -- the end -------------------------------------------------------------------------------------

    async def close_all(self) -> None:
        """Close every socket with 1012, spread over some seconds so that not all come back at once."""
        sockets = list(self._hub)
        pause = min(0.05, self._settings.close_spread_s / max(1, len(sockets)))
        owed = 0.0
        for socket in sockets:
            socket.close(CloseCode.RESTART, "service restart")
            owed += pause
            if owed > 0.01:
                await asyncio.sleep(owed)
                owed = 0.0
        for _ in range(50):  # a second for peers to answer the close
            if len(self._hub):
                await asyncio.sleep(0.02)
        with contextlib.suppress(*UNREACHABLE):
            await self._presence.remove(self._me, list(self._leaving))
            await self._presence.forget(self._me)


def _named(frame: frames.PresenceSubscribe | frames.PresenceUnsubscribe) -> list[str]:
    return list(dict.fromkeys([*frame.user_ids, *([frame.user_id] if frame.user_id else [])]))
