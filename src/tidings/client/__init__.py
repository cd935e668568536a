"""The Python SDK: a messenger's client as a library. `Client` is the whole of it; docs/sdk.md shows how it is used."""

from tidings.client.client import Client
from tidings.client.events import Changed, Connected, Event, Missed, SignedOut, Told
from tidings.client.rows import ChatRow, Message
from tidings.client.store import StoreInUseError
from tidings.contracts.errors import ApiError
from tidings.contracts.objects import Chat, User

__all__ = [
    "ApiError",
    "Changed",
    "Chat",
    "ChatRow",
    "Client",
    "Connected",
    "Event",
    "Message",
    "Missed",
    "SignedOut",
    "StoreInUseError",
    "Told",
    "User",
]
