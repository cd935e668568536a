"""Bugs on purpose: a chaos run puts this folder on PYTHONPATH, and message-service gets the one that is named.

Nothing of this is part of the product: it shows that the run finds what it is there to find.
"""

import os
import sys
from typing import Any

MUTANT = os.environ.get("TIDINGS_TEST_MUTANT", "")


def _forgets_some_writes() -> None:
    """Answered before it is stored: one insert in thirty never happens."""
    from tidings.message.store import Store

    insert, calls = Store.insert, [0]

    async def forget(self: Any, documents: Any) -> Any:
        calls[0] += 1
        return None if calls[0] % 30 == 0 else await insert(self, documents)

    Store.insert = forget  # type: ignore[method-assign]


def _stores_resends_again() -> None:
    """No unique index on the client's id, and nobody looks it up."""
    from tidings.message.store import Store

    prepare = Store.prepare

    async def without_index(self: Any) -> str:
        epoch = await prepare(self)
        await self._entries.drop_index("once")
        return epoch

    async def none_known(self: Any, keys: Any) -> dict[Any, Any]:
        return {}

    Store.prepare = without_index  # type: ignore[method-assign]
    Store.find_keys = none_known  # type: ignore[method-assign]


def _marks_fall_back() -> None:
    """A watermark is set to whatever comes last."""
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


def _shows_what_came_after() -> None:
    """Who was removed goes on reading."""
    from tidings.message import history

    history.window_end = lambda seat, head: head


BUGS = {
    "forget": _forgets_some_writes,
    "resend": _stores_resends_again,
    "fall-back": _marks_fall_back,
    "window": _shows_what_came_after,
}

if MUTANT and "tidings.message" in sys.orig_argv:
    BUGS[MUTANT]()
