"""Search: a literal substring, in any script, over the messages that the caller may see."""

import re
from typing import TYPE_CHECKING

import msgspec

from tidings.contracts import content as contents
from tidings.contracts.content import Content
from tidings.contracts.errors import ApiError, invalid
from tidings.contracts.times import now_ms
from tidings.message.log import Document, Seat, is_gone
from tidings.message.lookups import Lookups
from tidings.message.store import Store
from tidings.platform.rpc import Peers
from tidings.rpc.v1 import chat_pb2

if TYPE_CHECKING:
    from tidings.rpc.v1.chat_pb2_grpc import ChatServiceAsyncStub

MAX_QUERY_CHARS = 256
MAX_HIGHLIGHTS = 32
SCAN = 4  # how many candidates are read for each one wanted, at most, before a page ends early


async def search(
    store: Store,
    lookups: Lookups,
    peers: "Peers[ChatServiceAsyncStub]",
    user_id: str,
    query: str,
    chat_id: str | None,
    before: str | None,
    limit: int,
    timeout_ms: int,
) -> tuple[list[tuple[Document, list[tuple[int, int]]]], str | None]:
    """Matches, newest first, with the ranges of characters that match; and where the next page begins."""
    text = query.strip()
    if not text or len(text) > MAX_QUERY_CHARS or "\x00" in text:
        raise invalid("q", f"must be 1 to {MAX_QUERY_CHARS} characters")
    answer = await peers.call(peers.stub().GetUserChats, chat_pb2.GetUserChatsRequest(user_id=user_id))
    seats = {c.chat_id: Seat(role="", joined_seq=c.joined_seq, left_seq=c.left_seq) for c in answer.chats}
    if chat_id is not None:
        if chat_id not in seats:
            raise ApiError("not_found", "there is no such chat")
        seats = {chat_id: seats[chat_id]}
    if not seats:
        return [], None
    found = await store.search(list(seats), re.escape(text.casefold()), before, limit * SCAN + 1, timeout_ms)
    hidden = await lookups.hidden_among(user_id, [d["_id"] for d in found]) if found else set()
    now = now_ms()
    shown = [d for d in found if seats[d["chatId"]].sees(d["seq"]) and d["_id"] not in hidden and not is_gone(d, now)]
    page = shown[:limit]
    more = len(shown) > limit or len(found) > limit * SCAN
    last = page[-1]["_id"] if len(shown) > limit else (found[-1]["_id"] if found else None)
    return [(d, highlights(d, text)) for d in page], last if more else None


def highlights(document: Document, text: str) -> list[tuple[int, int]]:
    """Where the text stands in what the message shows, in characters, found as the search finds it."""
    return spans(contents.searchable(msgspec.json.decode(document["content"], type=Content)), text)[:MAX_HIGHLIGHTS]


def spans(shown: str, text: str) -> list[tuple[int, int]]:
    """Folding may make two characters of one (`ß` is found by `ss`), so each folded one remembers whose it is."""
    of = [position for position, char in enumerate(shown) for _ in char.casefold()]
    wanted = text.casefold()
    found: list[tuple[int, int]] = []
    for match in re.finditer(re.escape(wanted), shown.casefold()):
        span = (of[match.start()], of[match.end() - 1] + 1)
        if span not in found[-1:]:  # both halves of one character
            found.append(span)
    return found
