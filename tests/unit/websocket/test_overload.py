"""More sends than message-service takes: typing goes first, then sends are refused and told when to come again."""

from typing import Any, cast

import msgspec

from tidings.contracts import frames
from tidings.contracts.limits import Limits
from tidings.websocket.actions import Actions
from tidings.websocket.people import People
from tidings.websocket.requests import Requests
from tidings.websocket.sessions import Sessions
from tidings.websocket.settings import Settings
from tidings.websocket.socket import Socket


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
