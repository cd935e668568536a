"""Who reads a chat is looked at again when an event comes from after a change that was not heard of."""

import asyncio
from typing import Any

from tidings.rpc.v1 import chat_pb2 as pb
from tidings.websocket.participants import Participants


class Chats:
    """chat-service: what it says of one chat, and how often it was asked."""

    def __init__(self) -> None:
        self.windows = {"ann": (1, 0), "ben": (1, 0)}
        self.asked = 0
        self.GetChatParticipants = None

    def stub(self) -> "Chats":
        return self

    async def call(self, _: Any, request: Any) -> Any:
        self.asked += 1
        await asyncio.sleep(0)
        seats = [pb.Participant(user_id=u, joined_seq=j, left_seq=left) for u, (j, left) in self.windows.items()]
        found = [pb.ChatParticipants(chat_id=c, type="group", participants=seats) for c in request.chat_ids]
        return pb.GetChatParticipantsResponse(chats=found)


async def test_an_entry_from_after_a_removal_is_not_shown_to_the_removed() -> None:
    """The notice of the removal, number 7, is late: its writer died before it was published."""
    chats = Chats()
    known = Participants(chats, age_s=30, kept=10)  # type: ignore[arg-type]
    assert (await known.of(["c"], {"c": 1}))["c"].readers(6) == ["ann", "ben"]
    chats.windows["ben"] = (1, 7)
    assert (await known.of(["c"], {"c": 1}))["c"].readers(6) == ["ann", "ben"]
    assert chats.asked == 1
    assert (await known.of(["c"], {"c": 7}))["c"].readers(8) == ["ann"]
    await known.of(["c"], {"c": 7})
    assert chats.asked == 2


async def test_what_many_ask_for_one_by_one_is_asked_together() -> None:
    chats = Chats()
    known = Participants(chats, age_s=30, kept=1000)  # type: ignore[arg-type]
    found = await asyncio.gather(*(known.one(f"c{number}") for number in range(500)))
    assert all(one and one.members() == ["ann", "ben"] for one in found)
    assert chats.asked == 1


async def test_what_is_dropped_while_it_is_asked_for_is_asked_again() -> None:
    chats = Chats()
    known = Participants(chats, age_s=30, kept=10)  # type: ignore[arg-type]
    asked = asyncio.create_task(known.of(["c"]))
    while not chats.asked:
        await asyncio.sleep(0)
    known.drop("c")
    await asked
    await known.of(["c"])
    assert chats.asked == 2
