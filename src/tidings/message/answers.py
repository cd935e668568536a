"""The shapes of the answers of `api`, which are encoded by hand: what /openapi.json says of them."""

from typing import TypedDict

from tidings.contracts.objects import Change, Message
from tidings.message.history import Receipt


class Entries(TypedDict):
    """A page of a chat's log: a Page whose items are written out."""

    items: list[Message | Change]
    fromSeq: int
    toSeq: int
    hasMore: bool


class Messages(TypedDict):
    items: list[Message]


class MessageListing(TypedDict):
    items: list[Message]
    nextCursor: str | None


class Hit(TypedDict):
    message: Message
    highlights: list[list[int]]  # from and to, in code points of the text


class Hits(TypedDict):
    items: list[Hit]
    nextCursor: str | None


class ReadPosition(TypedDict):
    chatId: str
    readSeq: int
    unreadCount: int


class ReadPositions(TypedDict):
    chats: list[ReadPosition]


class Receipts(TypedDict):
    items: list[Receipt]
