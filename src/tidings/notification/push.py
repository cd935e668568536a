"""From what was collected to pushes: who concerns it, who has targets, who still has not seen it."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Final, TypeVar

import msgspec
from prometheus_client import Counter

from tidings.contracts.errors import ApiError
from tidings.contracts.events import LogBatch, LogEvent, StatusBatch, StatusEvent, partition
from tidings.notification.decide import Candidate, badge, candidates, is_due
from tidings.notification.payload import Payload, ReadPush, message_push
from tidings.notification.people import Participants, People
from tidings.notification.provider import Provider, Push, Target
from tidings.notification.store import Store
from tidings.platform import logging, metrics

_log = logging.get(__name__)

PUSHES: Final = Counter("tidings_pushes_total", "Pushes by what was decided", ["type", "outcome"])

Letter = tuple[str, bytes]  # a subject, and an event for it
Bury = Callable[[str, bytes, Exception], Awaitable[None]]
T = TypeVar("T")


class Pusher:
    """Works off what was collected. `bury` keeps an entry that cannot be worked on, so that the rest goes on."""

    def __init__(
        self,
        participants: Participants,
        people: People,
        store: Store,
        providers: Sequence[Provider],
        bury: Bury,
        people_at_once: int,
        partitions: int,
    ) -> None:
        self._participants = participants
        self._people = people
        self._store = store
        self._providers = providers
        self._bury = bury
        self._partitions = partitions
        self._at_once = asyncio.Semaphore(people_at_once)

    async def messages(self, events: Sequence[LogEvent]) -> None:
        """Push new messages. Raises ApiError `unavailable`: then all of it can be given again."""
        by_chat: dict[str, list[LogEvent]] = {}
        for event in events:
            by_chat.setdefault(event.chat_id, []).append(event)
        chats = await self._participants.of({c: max(event.members_at for event in by_chat[c]) for c in by_chat})
        found = [one for chat_id, chat in chats.items() for one in candidates(chat, by_chat[chat_id])]
        by_person: dict[str, list[Candidate]] = {}
        for candidate in found:
            by_person.setdefault(candidate.user_id, []).append(candidate)
        targets = await self._people.targets(list(by_person))
        wanted = {user_id: by_person[user_id] for user_id in targets if user_id in by_person}
        online = await self._store.online(list(wanted))

        async def one(user_id: str) -> None:
            await self._tell(user_id, wanted[user_id], targets[user_id], online[user_id])

        await self._each(
            wanted, one, lambda user_id: [self._message_letter(candidate.event) for candidate in wanted[user_id]]
        )

    async def reads(self, events: Sequence[StatusEvent]) -> None:
        """Take notifications away that were read on another device. Raises as `messages`."""
        newest: dict[tuple[str, str], StatusEvent] = {}
        for event in events:
            if event.status == "read":
                key = (event.user_id, event.chat_id)
                if key not in newest or newest[key].seq < event.seq:
                    newest[key] = event

        async def one(key: tuple[str, str]) -> None:
            await self._tell_read(newest[key])

        await self._each(newest, one, lambda key: [self._read_letter(newest[key])])

    async def _each(
        self, keys: Mapping[T, object], work: Callable[[T], Awaitable[None]], letters: Callable[[T], list[Letter]]
    ) -> None:
        """Work on every key. What fails for good is buried; what only cannot be done now is raised at the end."""

        async def bounded(key: T) -> Exception | None:
            async with self._at_once:
                try:
                    await work(key)
                except ApiError as error:
                    if error.code in ("unavailable", "overloaded"):
                        return error
                    await self._bury_all(letters(key), error)
                except Exception as error:
                    metrics.FAULTS.labels("push").inc()
                    await self._bury_all(letters(key), error)
            return None

        failures = [failure for failure in await asyncio.gather(*map(bounded, keys)) if failure is not None]
        if failures:
            raise failures[0]

    async def _bury_all(self, letters: Sequence[Letter], error: Exception) -> None:
        for subject, body in letters:
            await self._bury(subject, body, error)

    def _message_letter(self, event: LogEvent) -> Letter:
        return self._subject("msg.new", event.chat_id), msgspec.json.encode(LogBatch([event]))

    def _read_letter(self, event: StatusEvent) -> Letter:
        return self._subject("msg.status.updated", event.chat_id), msgspec.json.encode(StatusBatch([event]))

    def _subject(self, family: str, chat_id: str) -> str:
        return f"{family}.{partition(chat_id, self._partitions)}"

    async def _tell(self, user_id: str, found: Sequence[Candidate], targets: Sequence[Target], online: bool) -> None:
        unread = await self._people.unread(user_id)
        due = [
            candidate for candidate in found if is_due(candidate.event.seq, unread.get(candidate.chat.chat_id), online)
        ]
        PUSHES.labels("message", "not needed").inc(len(found) - len(due))
        if not due:
            return
        senders = {candidate.event.sender_id for candidate in due if candidate.event.sender_id}
        names = await self._people.names(user_id, sorted(senders))
        total = badge(unread)
        for candidate in due:
            event = candidate.event
            was = await self._store.claim_message(user_id, event.chat_id, event.seq)
            if was is None:
                PUSHES.labels("message", "repeated").inc()
                continue
            payload = message_push(event, candidate.chat, names.get(event.sender_id or "", ""), total)
            try:
                await self._send(targets, payload, event.chat_id)
            except ApiError:
                await self._store.give_back(user_id, event.chat_id, "p", was)
                raise

    async def _tell_read(self, event: StatusEvent) -> None:
        was = await self._store.claim_read(event.user_id, event.chat_id, event.seq)
        if was is None:
            return
        try:
            targets = (await self._people.targets([event.user_id])).get(event.user_id, [])
            if targets:
                unread = await self._people.unread(event.user_id)
                payload = ReadPush(chat_id=event.chat_id, seq=event.seq, badge=badge(unread))
                await self._send(targets, payload, event.chat_id)
        except ApiError:
            await self._store.give_back(event.user_id, event.chat_id, "r", was)
            raise

    async def _send(self, targets: Iterable[Target], payload: Payload, chat_id: str) -> None:
        pushes = [Push(target, payload, collapse_key=chat_id) for target in targets]
        kind = "read" if isinstance(payload, ReadPush) else "message"
        try:
            for provider in self._providers:
                await provider.send(pushes)
        except ApiError:
            PUSHES.labels(kind, "failed").inc(len(pushes))
            raise
        PUSHES.labels(kind, "decided").inc(len(pushes))
