"""What clients ask of message-service: sends, changes and marks, batched per instance of it."""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import msgspec

from tidings.contracts import frames
from tidings.contracts.errors import RETRYABLE, ApiError
from tidings.contracts.frames import ClientFrame
from tidings.contracts.times import rfc3339
from tidings.platform import tracing
from tidings.platform.rpc import Peers
from tidings.rpc.v1 import message_pb2 as pb
from tidings.websocket.batch import Batcher
from tidings.websocket.settings import Settings
from tidings.websocket.socket import Socket

if TYPE_CHECKING:
    from tidings.rpc.v1.message_pb2_grpc import MessageServiceAsyncStub

RETRY_MS: Final = 500
Asked = tuple[Socket, ClientFrame]


class Requests:
    """Three queues per instance of message-service; a chat is always in the same ones, so its order holds."""

    def __init__(self, messages: "Peers[MessageServiceAsyncStub]", me: str, settings: Settings) -> None:
        self._messages, self._me = messages, me
        self._pressed_items = settings.pressed_items

        def batchers(name: str, work: "type[_Call]", most: int, pause_s: float = 0.0) -> list[Batcher[Asked]]:
            return [
                Batcher(name, work(self, index), fail, most=most, room=settings.queue_items, pause_s=pause_s)
                for index in range(len(messages))
            ]

        self._sends = batchers("sends", _Sends, settings.batch_items)
        self._changes = batchers("changes", _Changes, settings.batch_items)
        self._marks = batchers("marks", _Marks, settings.queue_items, settings.marks_pause_ms / 1000)

    @property
    def pressed(self) -> bool:
        """Whether sends wait in such number that lighter things had better not be done."""
        return any(len(batcher) >= self._pressed_items for batcher in self._sends)

    def loops(self) -> list[Batcher[Asked]]:
        """The batchers, to be run."""
        return [*self._sends, *self._changes, *self._marks]

    def send(self, socket: Socket, frame: frames.Send) -> None:
        """Put a message into the log; answered by `message.sent` or `error`."""
        self._put(self._sends, frame.chat_id, socket, frame)

    def change(self, socket: Socket, frame: frames.Edit | frames.Delete | frames.React | frames.CastVote) -> None:
        """Change a message; answered by the frame that tells of it."""
        self._put(self._changes, frame.message_id, socket, frame)

    def mark(self, socket: Socket, frame: frames.Delivered | frames.Read) -> None:
        """Move a watermark; answered by `ack`, if asked for."""
        self._put(self._marks, frame.chat_id, socket, frame)

    def _put(self, queues: list[Batcher[Asked]], key: str, socket: Socket, frame: ClientFrame) -> None:
        if not queues[self._messages.home(key)].put((socket, frame)):
            fail((socket, frame), ApiError("overloaded", retry_after_ms=RETRY_MS))

    async def drain(self) -> None:
        """Wait for what is under way."""
        await asyncio.gather(*(batcher.drain() for batcher in self.loops()))


def fail(item: Asked, error: ApiError) -> None:
    """Answer a frame that was refused."""
    socket, frame = item
    wait = error.retry_after_ms or (RETRY_MS if error.code in RETRYABLE else None)
    socket.refuse(error.code, error.detail, ask=frame, retry_after_ms=wait)


def _refused(item: Asked, refusal: pb.Refusal) -> None:
    fail(item, ApiError(refusal.code, refusal.detail, retry_after_ms=refusal.retry_after_ms or None))


class _Call:
    """A batch for one instance of message-service."""

    def __init__(self, requests: Requests, index: int) -> None:
        self._peers, self._index, self._me = requests._messages, index, requests._me

    async def __call__(self, items: Sequence[Asked]) -> None:
        raise NotImplementedError


class _Sends(_Call):
    async def __call__(self, items: Sequence[Asked]) -> None:
        batch = pb.SendMessagesRequest(
            messages=[_new(socket, frame) for socket, frame in items if isinstance(frame, frames.Send)]
        )
        with tracing.span("websocket send batch", messages=len(items)):
            answer = await self._peers.call(self._peers.at(self._index).SendMessages, batch)
        for (socket, frame), result in zip(items, answer.results, strict=True):
            assert isinstance(frame, frames.Send)  # noqa: S101  narrows the type
            if result.HasField("refusal"):
                _refused((socket, frame), result.refusal)
                continue
            sent = frames.Sent(
                client_msg_id=frame.client_msg_id,
                message_id=result.message_id,
                chat_id=frame.chat_id,
                seq=result.seq,
                created_at=rfc3339(result.created_at_ms),
                ref=msgspec.UNSET if frame.ref is None else frame.ref,
            )
            socket.send(frames.encode_frame(sent))


def _new(socket: Socket, frame: frames.Send) -> pb.NewMessage:
    return pb.NewMessage(
        chat_id=frame.chat_id,
        sender_id=socket.user_id,
        client_msg_id=frame.client_msg_id,
        content_json=bytes(frame.content),
        reply_to=frame.reply_to or "",
        mentions=frame.mentions,
        expires_in_s=frame.expires_in or 0,
        origin=socket.id,
    )


class _Changes(_Call):
    async def __call__(self, items: Sequence[Asked]) -> None:
        batch = pb.ChangeMessagesRequest(changes=[_change(socket, frame) for socket, frame in items])
        with tracing.span("websocket change batch", changes=len(items)):
            answer = await self._peers.call(self._peers.at(self._index).ChangeMessages, batch)
        for (socket, frame), result in zip(items, answer.results, strict=True):
            if result.HasField("refusal"):
                _refused((socket, frame), result.refusal)
            else:
                socket.send(with_ref(result.frame_json, frame.ref))


def _change(socket: Socket, frame: ClientFrame) -> pb.MessageChange:
    change = pb.MessageChange(user_id=socket.user_id, origin=socket.id)
    match frame:
        case frames.Edit():
            change.message_id, change.edit_content_json = frame.message_id, bytes(frame.content)
        case frames.Delete():
            change.message_id, change.delete_for = frame.message_id, frame.for_
        case frames.React():
            change.message_id, change.reaction = frame.message_id, frame.emoji or ""
        case frames.CastVote():
            change.message_id = frame.message_id
            change.ballot.CopyFrom(pb.Ballot(option_ids=frame.option_ids))
        case _:
            raise TypeError(type(frame).__name__)
    return change


def with_ref(frame: bytes, ref: str | None) -> bytes:
    """A frame's JSON with a `ref` put in at its end."""
    return frame if ref is None else frame[:-1] + b',"ref":' + msgspec.json.encode(ref) + b"}"


class _Marks(_Call):
    async def __call__(self, items: Sequence[Asked]) -> None:
        highest: dict[tuple[str, str, str], int] = {}  # of many marks of one person in one chat the highest is all
        keys = []
        for socket, frame in items:
            assert isinstance(frame, frames.Delivered | frames.Read)  # noqa: S101  narrows the type
            key = (frame.chat_id, socket.user_id, "read" if isinstance(frame, frames.Read) else "delivered")
            keys.append(key)
            highest[key] = max(frame.seq, highest.get(key, 0))
        marks = [pb.StatusMark(chat_id=c, user_id=u, status=status, seq=seq) for (c, u, status), seq in highest.items()]
        with tracing.span("websocket mark batch", marks=len(items)):
            answer = await self._peers.call(
                self._peers.at(self._index).UpdateMessageStatus, pb.UpdateMessageStatusRequest(marks=marks)
            )
        refusals = dict(zip(highest, answer.refusals, strict=True))
        for (socket, frame), key in zip(items, keys, strict=True):
            if refusals[key].code:
                _refused((socket, frame), refusals[key])
            else:
                socket.ack(frame)
