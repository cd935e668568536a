"""Bugs on purpose, each by its name: a chaos run is to find every one of them."""

import asyncio
from typing import Any


def _answer_first() -> None:
    """message: answered before it is stored; the insert comes a moment later."""
    from tidings.message.store import Store

    insert, under_way = Store.insert, set[asyncio.Task[Any]]()

    async def later(self: Any, documents: Any) -> None:
        async def work() -> None:
            await asyncio.sleep(0.15)
            await insert(self, documents)

        task = asyncio.create_task(work())
        under_way.add(task)
        task.add_done_callback(under_way.discard)

    Store.insert = later  # type: ignore[assignment]


def _skip_checkpoint() -> None:
    """message: the checkpoint says that everything is published, whatever is still in flight."""
    from tidings.message.writer import InFlight

    InFlight.through = lambda self: self._last  # type: ignore[method-assign]


def _unordered() -> None:
    """message: batches are stored by `ordered=False`."""
    from pymongo.errors import BulkWriteError

    from tidings.message.store import Store

    async def insert(self: Any, documents: Any) -> int | None:
        try:
            await self._entries.insert_many(documents, ordered=False)
        except BulkWriteError as error:
            return min(int(failure["index"]) for failure in error.details["writeErrors"])
        return None

    Store.insert = insert  # type: ignore[method-assign]


def _no_unique_index() -> None:
    """message: numbers and clientMsgIds may be taken twice."""
    from tidings.message.store import Store

    prepare = Store.prepare

    async def without(self: Any) -> str:
        epoch = await prepare(self)
        for name in ("number", "once"):
            if name in await self._entries.index_information():
                await self._entries.drop_index(name)
        await self._entries.create_index([("chatId", 1), ("seq", 1)], name="plain number")
        await self._entries.create_index([("chatId", 1), ("senderId", 1), ("clientMsgId", 1)], name="plain once")
        return epoch

    Store.prepare = without  # type: ignore[method-assign]


def _fall_back() -> None:
    """message: a watermark is set to whatever comes last."""
    from pymongo import UpdateOne

    from tidings.message.store import Store

    async def set_it(self: Any, marks: Any) -> None:
        await self._watermarks.bulk_write(
            [
                UpdateOne(
                    {"_id": f"{chat}:{user}"},
                    {"$set": {"chatId": chat, "userId": user, f"{status}Seq": max(1, seq - 3), "at": at}},
                    upsert=True,
                )
                for chat, user, status, seq, at in marks
            ]
        )

    Store.advance = set_it  # type: ignore[method-assign]


def _stale_membership() -> None:
    """message: who was a member once may write for ever."""
    from tidings.contracts.errors import ApiError
    from tidings.message.log import Chat

    check, known = Chat.check_send, set[tuple[str, str]]()

    def remembered(self: Any, user_id: str, mentions: Any = ()) -> None:
        try:
            check(self, user_id, mentions)
            known.add((self.chat_id, user_id))
        except ApiError:
            if (self.chat_id, user_id) not in known:
                raise

    Chat.check_send = remembered  # type: ignore[method-assign]


def _ack_first() -> None:
    """websocket: an event is acknowledged before its frames are sent."""
    from tidings.platform.consumer import Consumer

    work = Consumer._work

    async def hasty(self: Any, message: Any) -> None:
        await message.ack()
        await asyncio.sleep(0.3)
        await work(self, message)

    Consumer._work = hasty  # type: ignore[method-assign]


def _no_resync() -> None:
    """websocket: nobody is told that frames were lost."""
    from tidings.websocket.hub import Hub

    Hub.resync = lambda *_: None  # type: ignore[method-assign]


def _assume_delivered() -> None:
    """websocket: what was written to a socket counts as delivered."""
    import msgspec

    from tidings.contracts import frames
    from tidings.websocket.hub import Hub
    from tidings.websocket.requests import Requests

    deliver, begin, made = Hub.deliver, Requests.__init__, list[Any]()

    def remember(self: Any, *args: Any) -> None:
        begin(self, *args)
        made.append(self)

    def assume(self: Any, user_ids: Any, frame: bytes, *args: Any, **more: Any) -> None:
        people = list(user_ids)
        deliver(self, people, frame, *args, **more)
        told = msgspec.json.decode(frame)
        if told["type"] == "message.new":
            for socket in (socket for person in people for socket in self.of(person)):
                made[0].mark(socket, frames.Delivered(chat_id=told["chatId"], seq=told["seq"]))

    Requests.__init__ = remember  # type: ignore[method-assign]
    Hub.deliver = assume  # type: ignore[method-assign]


def _push_read() -> None:
    """notification: nobody looks whether a message was read."""
    from tidings.notification import push

    push.is_due = lambda *_: True


BUGS = {
    "tidings.message": {
        "answer-first": _answer_first,
        "skip-checkpoint": _skip_checkpoint,
        "unordered": _unordered,
        "no-unique-index": _no_unique_index,
        "fall-back": _fall_back,
        "stale-membership": _stale_membership,
    },
    "tidings.websocket": {
        "ack-first": _ack_first,
        "no-resync": _no_resync,
        "assume-delivered": _assume_delivered,
    },
    "tidings.notification": {"push-read": _push_read},
}


def install(names: str, service: str) -> None:
    """Put those of the named bugs that are of this service into it."""
    for name in filter(None, names.split(",")):
        if bug := BUGS.get(service, {}).get(name):
            bug()
