"""`POST /sync`: every chat of the caller in pages, and the entries beyond their positions.

All chats are told, not only those changed: read marks and people move without a trace in our tables, and the
contract allows more, never less.
"""

import asyncio
from collections import defaultdict
from typing import Any

import msgspec
from msgspec import Raw

from tidings.chat.outbox import Outbox, settled
from tidings.chat.rules import window
from tidings.chat.settings import Settings
from tidings.chat.store import Store, seat
from tidings.chat.views import Views
from tidings.contracts.errors import ApiError
from tidings.contracts.objects import Chat
from tidings.contracts.times import now_ms, rfc3339
from tidings.platform.cursors import Cursors
from tidings.platform.http import Caller
from tidings.rpc.v1 import message_pb2

MARGIN_MS = 10_000  # clocks of two services may differ


class Since(msgspec.Struct, array_like=True):
    """`base_ms`: what the client had; `start_ms`: when this round began; `after`: the last chat told."""

    base_ms: int
    start_ms: int
    after: str


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
        self._running = 0

    async def sync(self, caller: Caller, since: str | None, positions: dict[str, int], limit: int) -> Synced:
        """Raises ApiError `cursor_expired`, `overloaded`."""
        if self._running >= self._settings.sync_at_once:
            raise ApiError("overloaded", retry_after_ms=1000)
        self._running += 1
        try:
            return await self._sync(caller, since, positions, limit)
        finally:
            self._running -= 1

    async def _sync(self, caller: Caller, since: str | None, positions: dict[str, int], limit: int) -> Synced:
        me, now = caller.user_id, now_ms()
        state = self._cursors.open("sync", me, since, Since) if since else Since(0, now, "")
        if since and state.start_ms < now - self._settings.since_age_s * 1000:
            raise ApiError("cursor_expired")
        if since and not state.after:
            state = Since(state.base_ms, now, "")
        every = [row for row in await settled(self._store, self._outbox, me) if window(seat(row))]
        rest = [row for row in every if row["id"] > state.after]
        rows = rest[: self._settings.sync_chats]
        messages = self._views.messages
        shown, hidden = await asyncio.gather(
            self._views.show(me, rows, caller.base_url),
            messages.call(
                messages.stub().GetHidden,
                message_pb2.GetHiddenRequest(user_id=me, since_ms=max(0, state.base_ms - MARGIN_MS)),
            ),
        )
        behind = {c.id: positions.get(c.id, 0) for c in shown if positions.get(c.id, 0) < c.last_seq}
        log, epoch, unfinished = await self._entries(me, rows, behind, limit)
        more_chats = len(rest) > len(rows)
        last = rows[-1]["id"] if more_chats else ""
        # Unfinished: the same chats once more, from the positions the client has then.
        after = state.after if unfinished else last
        has_more = unfinished or more_chats
        done = Since(state.start_ms, state.start_ms, "")
        known = {row["id"] for row in every}
        return Synced(
            chats=shown,
            removed=[chat_id for chat_id in positions if chat_id not in known],
            log=log,
            hidden=list(hidden.message_ids),
            since=self._cursors.seal("sync", me, Since(state.base_ms, state.start_ms, after) if has_more else done),
            has_more=has_more,
            log_epoch=epoch,
            server_time=rfc3339(now),
        )

    async def _entries(
        self, me: str, rows: list[Any], behind: dict[str, int], limit: int
    ) -> tuple[dict[str, Raw], str, bool]:
        messages = self._views.messages
        homes: dict[int, list[message_pb2.EntryRange]] = defaultdict(list)
        for row in rows:
            seen = window(seat(row))
            if row["id"] in behind and seen:
                span = message_pb2.Window(chat_id=row["id"], joined_seq=seen[0], left_seq=seen[1])
                homes[messages.home(row["id"])].append(message_pb2.EntryRange(window=span, after=behind[row["id"]]))
        log: dict[str, Raw] = {}
        epoch, unfinished = "", False
        for index, ranges in homes.items():
            if limit <= 0:
                unfinished = True
                break
            answer = await messages.call(
                messages.at(index).GetEntries,
                message_pb2.GetEntriesRequest(user_id=me, ranges=ranges, limit=limit),
            )
            epoch = answer.log_epoch
            for page in answer.pages:
                unfinished = unfinished or page.has_more
                if page.page_json:
                    log[page.chat_id] = Raw(page.page_json)
                    limit -= len(msgspec.json.decode(page.page_json, type=_Items).items)
        if not epoch:
            epoch = (await messages.call(messages.stub().GetHeads, message_pb2.GetHeadsRequest())).log_epoch
        return log, epoch, unfinished


class _Items(msgspec.Struct):
    items: list[Raw]
