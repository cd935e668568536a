"""Messages of many pairs at a given rate, open loop, with an account of every answer to compare with the log."""

import asyncio
import json
import random
import secrets
import time
from collections import Counter

from bench import people
from bench.figures import Figures
from bench.target import Target

TICK_S = 0.005
TYPING_SHARE = 0.1  # of the rate of messages
READERS_AT_ONCE = 8
PAGE = 100


class Stream:
    """Owner of the account: what was sent, stored, refused and received."""

    def __init__(self) -> None:
        self._name = secrets.token_hex(4)
        self._chats: list[str] = []
        self._people: list[people.Person] = []
        self._senders: list[people.Socket] = []
        self._receivers: list[people.Socket] = []
        self._sent_at: dict[str, float] = {}
        self._running = False
        self.sent = self.typing_said = self.typing_heard = 0
        self.stored: dict[str, int] = {}  # clientMsgId to seq, as answered
        self.refused: set[str] = set()
        self.codes: Counter[str] = Counter()
        self.without_retry_after = 0
        self.refusal_s: list[float] = []
        self.receipt_s: list[float] = []
        self.received = self.received_in_time = self.stored_in_time = 0
        self.latest_s = 0.0  # how far the generator itself fell behind

    @classmethod
    async def prepare(cls, target: Target, pairs: int) -> "Stream":
        """Sign in, make the chats, connect."""
        stream = cls()
        async with target.client() as client:
            stream._people = await people.sign_in_many(client, 2 * pairs)
            both = list(zip(stream._people[::2], stream._people[1::2], strict=True))
            stream._chats = await people.direct_many(client, both)
        for a, b in both:
            stream._senders.append(await people.connect(target.url, a, stream._on_sender))
            stream._receivers.append(await people.connect(target.url, b, stream._on_receiver))
        return stream

    def _on_sender(self, raw: bytes) -> None:
        if raw.startswith(b'{"type":"message.sent"'):
            frame = json.loads(raw)
            self.stored[frame["clientMsgId"]] = frame["seq"]
            self.stored_in_time += self._running
        elif raw.startswith(b'{"type":"error"'):
            frame = json.loads(raw)
            key = frame.get("clientMsgId")
            if key is None:
                return  # typing may be refused too
            self.refused.add(key)
            self.codes[frame["code"]] += 1
            self.without_retry_after += "retryAfterMs" not in frame
            self.refusal_s.append(time.perf_counter() - self._sent_at[key])

    def _on_receiver(self, raw: bytes) -> None:
        if raw.startswith(b'{"type":"message.new"'):
            at = raw.find(b'"clientMsgId":"') + 15
            sent_at = self._sent_at.get(raw[at : raw.index(b'"', at)].decode())
            if sent_at is not None:
                self.received += 1
                self.received_in_time += self._running
                self.receipt_s.append(time.perf_counter() - sent_at)
        elif raw.startswith(b'{"type":"typing.start"'):
            self.typing_heard += 1

    async def run(self, rate: float, seconds: float) -> None:
        """Send at `rate`, every 5 ms, whatever the answers are."""
        dice, owed, typing_owed = random.Random(1), 0.0, 0.0
        at = began = time.perf_counter()
        self._running = True
        while at < began + seconds:
            await asyncio.sleep(TICK_S)
            now = time.perf_counter()
            self.latest_s = max(self.latest_s, now - at - TICK_S)
            owed += dice.gammavariate(rate * (now - at), 1.0)  # the sum of so many exponential gaps
            typing_owed += rate * (now - at) * TYPING_SHARE
            while owed >= 1:
                owed -= 1
                self._send(at)  # dated to the beginning of the tick: nothing looks quicker than it was
            while typing_owed >= 1:
                typing_owed -= 1
                self._type()
            at = now
        self._running = False

    def _send(self, at: float) -> None:
        key = f"{self._name}-{self.sent}"
        number = self.sent % len(self._senders)
        self.sent += 1
        self._sent_at[key] = at
        self._senders[number].say(people.send_frame(self._chats[number], key, "x" * 100))

    def _type(self) -> None:
        number = self.typing_said % len(self._senders)
        self.typing_said += 1
        kind = "typing.start" if self.typing_said // len(self._senders) % 2 else "typing.stop"
        self._senders[number].say(f'{{"type":"{kind}","chatId":"{self._chats[number]}"}}')

    async def settle(self, timeout_s: float) -> None:
        """Wait until every message is answered and every stored one received."""
        end = time.perf_counter() + timeout_s
        while time.perf_counter() < end:
            if len(self.stored) + len(self.refused) >= self.sent and self.received >= len(self.stored):
                return
            await asyncio.sleep(0.1)

    async def check_log(self, target: Target) -> Figures:
        """What the log says against what was answered."""
        gate, in_log = asyncio.Semaphore(READERS_AT_ONCE), dict[str, int]()
        async with target.client() as client:

            async def read(person: people.Person, chat: str) -> None:
                after, more = 0, True
                while more:
                    params = {"after": after, "limit": PAGE}
                    async with gate:
                        answer = await client.get(f"/chats/{chat}/messages", params=params, headers=person.headers)
                    if answer.status_code == 429:
                        await asyncio.sleep(float(answer.headers["retry-after"]))
                        continue
                    page = answer.raise_for_status().json()
                    in_log.update((i["clientMsgId"], i["seq"]) for i in page["items"] if i["kind"] == "message")
                    after, more = page["toSeq"], page["hasMore"]

            await asyncio.gather(*(read(p, c) for p, c in zip(self._people[::2], self._chats, strict=True)))
        return compare(self.sent, self.stored, self.refused, in_log)

    def close(self) -> None:
        """Hang up."""
        people.hang_up([*self._senders, *self._receivers])


def compare(sent: int, stored: dict[str, int], refused: set[str], in_log: dict[str, int]) -> Figures:
    """Every message has one answer, and the log agrees with it."""
    counts = {
        "unanswered": sent - len(stored.keys() | refused),
        "answered_both_ways": len(stored.keys() & refused),
        "refused_but_stored": len(refused & in_log.keys()),
        "stored_but_missing": len(stored.keys() - in_log.keys()),
        "stored_elsewhere": sum(in_log.get(key, seq) != seq for key, seq in stored.items()),
    }
    return counts | {
        "broken": [f"{count} messages {what.replace('_', ' ')}" for what, count in counts.items() if count]
    }
