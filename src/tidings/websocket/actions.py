"""Which part answers which frame."""

import asyncio
from typing import Final

from prometheus_client import Counter

from tidings.contracts import frames
from tidings.contracts.frames import ClientFrame
from tidings.contracts.limits import Limits
from tidings.websocket.people import People
from tidings.websocket.requests import Requests
from tidings.websocket.sessions import Sessions
from tidings.websocket.socket import Socket

SHED: Final = Counter("tidings_shed_total", "Light work left undone because sends were waiting", ["what"])
MOST_TASKS: Final = 2_000  # light work under way at once; beyond it is refused


class Actions:
    """Owner of the tasks of frames that are not batched: typing and `auth`."""

    def __init__(self, requests: Requests, people: People, sessions: Sessions, limits: Limits) -> None:
        self._requests, self._people, self._sessions, self._limits = requests, people, sessions, limits
        self._tasks: set[asyncio.Task[None]] = set()

    def act(self, socket: Socket, frame: ClientFrame) -> None:
        """Begin what a valid frame asks for. Never waits."""
        match frame:
            case frames.Send():
                self._requests.send(socket, frame)
            case frames.Delivered() | frames.Read():
                self._requests.mark(socket, frame)
            case frames.Edit() | frames.Delete() | frames.React() | frames.CastVote():
                self._requests.change(socket, frame)
            case frames.Ping():
                pong = frames.Pong() if frame.ref is None else frames.Pong(ref=frame.ref)
                socket.send(frames.encode_frame(pong))
            case frames.PresenceSubscribe():
                self._people.subscribe(socket, frame, self._limits.presence_ids)
            case frames.PresenceUnsubscribe():
                self._people.unsubscribe(socket, frame)
            case frames.TypingStart() | frames.TypingStop() if self._requests.pressed:
                SHED.labels("typing").inc()
                socket.ack(frame)
            case frames.TypingStart() | frames.TypingStop() | frames.Auth():
                self._begin(socket, frame)

    def _begin(self, socket: Socket, frame: frames.TypingStart | frames.TypingStop | frames.Auth) -> None:
        if len(self._tasks) >= MOST_TASKS:
            socket.refuse("overloaded", "too busy", ask=frame, retry_after_ms=1000)
            return
        if isinstance(frame, frames.Auth):
            task = asyncio.create_task(self._sessions.extend(socket, frame))
        else:
            task = asyncio.create_task(self._people.typing(socket, frame))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
