"""Many people write some messages each, so that there is something to read, to acknowledge or to catch up on."""

import asyncio
import json
import secrets
from collections.abc import Sequence
from itertools import islice

from bench import people
from bench.target import Target

AT_ONCE = 20  # people
BURST = 40  # messages of one of them
TRIES = 20
ANSWER_S = 30.0

Pair = tuple[people.Person, people.Person]


async def pair_up(target: Target, size: int, *, new: bool = False) -> tuple[list[Pair], list[str]]:
    """So many people of the crowd, or `new` ones who are in no other chats, two and two, and the chat of each pair."""
    async with target.client() as client:
        everyone = await (people.sign_in_many(client, size) if new else target.crowd(client, size))
        pairs = list(zip(everyone[::2], everyone[1::2], strict=True))
        return pairs, await people.direct_many(client, pairs)


async def heads(target: Target, pairs: Sequence[Pair], chats: Sequence[str]) -> list[int]:
    """The newest number of each pair's chat."""
    gate = asyncio.Semaphore(people.SIGN_INS_AT_ONCE)

    async with target.client() as client:

        async def one(chat: str, person: people.Person) -> int:
            async with gate:
                answer = await client.get(f"/chats/{chat}", headers=person.headers)
                return int(answer.raise_for_status().json()["lastSeq"])

        return list(await asyncio.gather(*(one(chat, a) for chat, (a, _) in zip(chats, pairs, strict=True))))


async def write(target: Target, pairs: Sequence[Pair], chats: Sequence[str], each: int) -> None:
    """Let both of each pair write `each` messages. Returns when all are stored."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(person: people.Person, chat: str) -> None:
        async with gate:
            await _Author(chat).write(target.url, person, each)

    both = [(person, chat) for pair, chat in zip(pairs, chats, strict=True) for person in pair]
    await asyncio.gather(*(one(person, chat) for person, chat in both))


class _Author:
    """One person's messages; what is refused is sent again."""

    def __init__(self, chat: str) -> None:
        self._chat = chat
        self._open: set[str] = set()
        self._refused: set[str] = set()
        self._answered = asyncio.Event()

    def _on_text(self, raw: bytes) -> None:
        if raw.startswith(b'{"type":"message.sent"'):
            self._open.discard(json.loads(raw)["clientMsgId"])
        elif raw.startswith(b'{"type":"error"'):
            self._refused.add(json.loads(raw).get("clientMsgId", ""))
        if self._open <= self._refused:
            self._answered.set()

    async def write(self, url: str, person: people.Person, count: int) -> None:
        socket = await people.connect(url, person, self._on_text)
        name = secrets.token_hex(4)
        keys = iter([f"{name}-{number}" for number in range(count)])
        while burst := list(islice(keys, BURST)):
            self._open = set(burst)
            for _ in range(TRIES):
                self._answered.clear()
                self._refused.clear()
                for key in sorted(self._open):
                    socket.say(people.send_frame(self._chat, key, "x" * 100))
                await asyncio.wait_for(self._answered.wait(), ANSWER_S)
                if not self._open:
                    break
                await asyncio.sleep(0.5)
            else:
                raise RuntimeError(f"{len(self._open)} messages were refused {TRIES} times")
        people.hang_up([socket])
