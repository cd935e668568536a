"""`POST /sync`: every chat of the caller in pages, and the entries beyond their positions.

Told are the chats whose object may have changed since, by what each service can say of it, and those whose log goes
beyond the client's position. Overlap and doubt make it more than needed, never less.
"""

import asyncio

import msgspec
from msgspec import Raw

from tidings.chat.admission import Admission
from tidings.chat.lookups import Entries, States
from tidings.chat.outbox import Outbox, settled
from tidings.chat.rules import is_settled, window
from tidings.chat.settings import Settings
from tidings.chat.store import Store, seat
from tidings.chat.views import Views, reader
from tidings.contracts.errors import ApiError
from tidings.contracts.objects import Chat
from tidings.contracts.times import now_ms, rfc3339
from tidings.platform.cursors import Cursors
from tidings.platform.http import Caller
from tidings.platform.postgres import Row
from tidings.rpc.v1 import message_pb2, user_pb2

ALL_TOLD = "-"
AFTER_ALL = "~"  # above every chat id
RECEIPTS_OF = 64  # members of a group whose marks others see: message-service looks at no more


class Since(msgspec.Struct, array_like=True):
    """`base_ms`: what the client had; `start_ms`: when this round began; `after`: the last chat told; `hidden`: how far
    what the person deleted for themselves was told."""

    base_ms: int
    start_ms: int
    after: str
    hidden: str = ""


class Synced(msgspec.Struct, rename="camel", kw_only=True):
    chats: list[Chat]
    removed: list[str]
    log: dict[str, Raw]
    hidden: list[str]
    since: str
    has_more: bool
    log_epoch: str
    server_time: str


class Sync:
    """Bounded: more at once than it can serve are told to come again."""

    def __init__(self, store: Store, outbox: Outbox, views: Views, cursors: Cursors, settings: Settings) -> None:
        self._store, self._outbox, self._views, self._cursors = store, outbox, views, cursors
        self._settings = settings
        self._margin_ms = int(settings.sync_margin_s * 1000)
        self._admission = Admission(settings.sync_at_once)

    async def sync(self, caller: Caller, since: str | None, positions: dict[str, int], limit: int) -> Synced:
        """Raises ApiError `cursor_expired`, `overloaded`."""
        async with self._admission.turn():
            return await self._sync(caller, since, positions, limit)

    async def _sync(self, caller: Caller, since: str | None, positions: dict[str, int], limit: int) -> Synced:
        me, now = caller.user_id, now_ms()
        state = self._cursors.open("sync", me, since, Since) if since else Since(0, now, "")
        if since and state.start_ms < now - self._settings.since_age_s * 1000:
            raise ApiError("cursor_expired")
        if since and not state.after:
            state = Since(state.base_ms, now, "", state.hidden)
        found = await settled(self._store, self._outbox, me)
        known = {row["id"] for row in found}  # also those whose window has no number yet
        every = [row for row in found if window(seat(row))]
        since_ms = max(0, state.base_ms - self._margin_ms)
        states, epoch, has_hidden = await self._states(me, every, since_ms)
        ends = {row["id"]: _end(row, states[row["id"]].seq) for row in every}
        behind = {chat_id: positions.get(chat_id, 0) for chat_id, end in ends.items()}
        behind = {chat_id: position for chat_id, position in behind.items() if position < ends[chat_id]}
        wanted = behind.keys() | await self._changed(me, every, states, state.base_ms, now)
        rest = [row for row in every if row["id"] > state.after and row["id"] in wanted]
        rows = rest[: self._settings.sync_chats]
        shown, (log, unfinished), (hidden, hidden_next) = await asyncio.gather(
            self._views.show(rows, caller.base_url),
            self._entries(me, rows, behind, ends, limit),
            self._hidden(me, since_ms, state.hidden if has_hidden else ALL_TOLD),
        )
        more_chats = len(rest) > len(rows)
        last = rows[-1]["id"] if more_chats else AFTER_ALL
        # Unfinished: the same chats once more, from the positions the client has then.
        after = state.after if unfinished else last
        has_more = unfinished or more_chats or hidden_next != ALL_TOLD
        rest_of_round = Since(state.base_ms, state.start_ms, after, hidden_next)
        return Synced(
            chats=shown,
            removed=[chat_id for chat_id in positions if chat_id not in known],
            log=log,
            hidden=hidden,
            since=self._cursors.seal(
                "sync", me, rest_of_round if has_more else Since(state.start_ms, state.start_ms, "")
            ),
            has_more=has_more,
            log_epoch=epoch,
            server_time=rfc3339(now),
        )

    async def _hidden(self, me: str, since_ms: int, after: str) -> tuple[list[str], str]:
        """The next of what this person deleted for themselves, and where the rest begins."""
        if after == ALL_TOLD:
            return [], ALL_TOLD
        request = message_pb2.GetHiddenRequest(
            user_id=me, since_ms=since_ms, after=after, limit=self._settings.sync_hidden
        )
        messages = self._views.messages
        answer = await messages.call(messages.stub().GetHidden, request)
        return list(answer.message_ids), answer.next or ALL_TOLD

    async def _entries(
        self, me: str, rows: list[Row], behind: dict[str, int], ends: dict[str, int], limit: int
    ) -> tuple[dict[str, Raw], bool]:
        log: dict[str, Raw] = {}
        unfinished = False
        missed = [row for row in rows if row["id"] in behind and window(seat(row))]
        for index, some in self._views.homes(missed).items():
            if limit <= 0:
                unfinished = True
                break
            ask = Entries(me, tuple((reader(row), behind[row["id"]]) for row in some), limit)
            missing = sum(ends[row["id"]] - behind[row["id"]] for row in some)
            for page in (await self._views.lookups.entries(index, ask, missing)).pages:
                unfinished = unfinished or page.has_more
                if page.page_json:
                    log[page.chat_id] = Raw(page.page_json)
                    limit -= len(msgspec.json.decode(page.page_json, type=_Items).items)
        return log, unfinished

    async def _states(
        self, me: str, rows: list[Row], since_ms: int
    ) -> tuple[dict[str, message_pb2.ChatState], str, bool]:
        """Where each log ends and whether it changed for this person; the log's epoch; whether they deleted anything
        for themselves since."""
        homes = self._views.homes(rows) or {self._views.messages.home(""): []}
        answers = await asyncio.gather(
            *(
                self._views.lookups.states(index, States(me, tuple(row["id"] for row in some), since_ms))
                for index, some in homes.items()
            )
        )
        states = {s.chat_id: s for answer, _ in answers for s in answer.states}
        return states, answers[0][1], any(answer.has_hidden for answer, _ in answers)

    async def _changed(
        self, me: str, rows: list[Row], states: dict[str, message_pb2.ChatState], base_ms: int, now: int
    ) -> set[str]:
        """The chats whose object may have changed since `base_ms`."""
        every = {row["id"] for row in rows}
        if base_ms == 0:
            return every
        since = base_ms - self._margin_ms
        changed = {row["id"] for row in rows if row["changed_ms"] >= since or not is_settled(seat(row))}
        changed |= {row["id"] for row in rows if since <= (row["muted_until_ms"] or 0) <= now}
        changed |= {chat_id for chat_id in every if states[chat_id].changed}
        users = self._views.users
        small = [row["id"] for row in rows if row["type"] == "group" and row["member_count"] <= RECEIPTS_OF]
        members = await self._store.members(small)
        peers = {row["peer_id"] for row in rows if row["peer_id"]}
        asked = user_pb2.GetChangedPeopleRequest(
            viewer_id=me, user_ids=sorted({me, *peers, *(u for _, u in members)}), since_ms=since
        )
        people = await users.call(users.stub().GetChangedPeople, asked)
        anew, seen = set(people.changed_ids), set(people.seen_ids)
        if me in anew:  # one's own privacy shows in every chat
            return every
        changed |= {row["id"] for row in rows if row["peer_id"] in anew or row["peer_id"] in seen}
        return changed | {chat_id for chat_id, user_id in members if user_id in anew}


def _end(row: Row, head: int) -> int:
    seen = window(seat(row)) or (0, 0)
    return min(head, seen[1]) if seen[1] else head


class _Items(msgspec.Struct):
    items: list[Raw]
