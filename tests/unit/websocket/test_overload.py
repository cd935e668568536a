"""More sends than message-service takes: typing goes first, then sends are refused and told when to come again."""

import asyncio
from typing import Any, cast

import msgspec
from picows import WSTransport
from tests.support.waiting import eventually

from tidings.contracts import frames
from tidings.contracts.limits import Limits, Rates
from tidings.websocket.actions import Actions
from tidings.websocket.people import People
from tidings.websocket.requests import Requests
from tidings.websocket.sessions import Sessions
from tidings.websocket.settings import Settings
from tidings.websocket.socket import REST_S, Identity, Socket, Turn


class Away:
    """One instance of message-service that never takes anything."""

    def __len__(self) -> int:
        return 1

    def home(self, _: str) -> int:
        return 0


class Told:
    """What a socket was told."""

    def __init__(self) -> None:
        self.refusals: list[tuple[str, int | None]] = []
        self.acks = 0

    def refuse(self, code: str, _: str, *, ask: Any, retry_after_ms: int | None) -> None:
        self.refusals.append((code, retry_after_ms))

    def ack(self, _: Any) -> None:
        self.acks += 1


class Wire:
    """The transport of a socket, and the one under it."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.underlying_transport = self

    def pause_reading(self) -> None:
        self.said.append("pause")

    def resume_reading(self) -> None:
        self.said.append("resume")

    def set_write_buffer_limits(self, **_: int) -> None: ...


def acting(settings: Settings) -> Actions:
    requests = Requests(cast("Any", Away()), "ws-1", settings)
    return Actions(requests, cast("People", None), cast("Sessions", None), Limits())


def send(number: int) -> frames.Send:
    return frames.Send(chat_id="c", client_msg_id=f"m{number}", content=msgspec.Raw(b'"x"'))


def test_typing_is_left_undone_while_sends_wait() -> None:
    told = Told()
    actions = acting(Settings(pressed_items=2, queue_items=3))
    for number in range(2):
        actions.act(cast("Socket", told), send(number))
    actions.act(cast("Socket", told), frames.TypingStart(chat_id="c"))
    assert told.acks == 1
    assert told.refusals == []


def test_a_full_queue_refuses_at_once_and_says_when_to_come_again() -> None:
    told = Told()
    actions = acting(Settings(pressed_items=2, queue_items=3))
    for number in range(5):
        actions.act(cast("Socket", told), send(number))
    assert told.refusals == [("overloaded", 500)] * 2


async def test_a_socket_that_rests_is_read_again_and_only_while_it_is_open() -> None:
    def nothing(*_: Any) -> None: ...

    def opened(wire: Wire) -> Socket:
        who = Identity("ann", "s1", 0, "r1")
        found = Socket("ws-1/1", who, Settings(), Limits(), Rates(), Turn(), nothing, nothing, nothing)
        found.on_ws_connected(cast("WSTransport", wire))
        return found

    wires = stays, goes = Wire(), Wire()
    sockets = [opened(wire) for wire in wires]
    for socket in sockets:
        socket.refuse("forbidden", "not yours")
    assert [wire.said for wire in wires] == [[], []]
    for socket in sockets:
        socket.refuse("overloaded", "too busy")
        socket.refuse("overloaded", "too busy")
    sockets[1].on_ws_disconnected(cast("WSTransport", goes))
    assert [wire.said for wire in wires] == [["pause"], ["pause"]]
    await eventually(lambda: stays.said == ["pause", "resume"], "it is read again")
    await asyncio.sleep(2 * REST_S)
    assert goes.said == ["pause"]
    sockets[0].refuse("overloaded", "too busy")
    assert stays.said == ["pause", "resume", "pause"]
