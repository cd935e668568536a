"""What a client tells the program around it. Everything here can be missed: the store is the truth."""

import msgspec

from tidings.client.model import Json


class Changed(msgspec.Struct, frozen=True):
    """Rows of these chats changed: read them again. Empty means only that the list of chats is to be read again."""

    chat_ids: frozenset[str]


class Connected(msgspec.Struct, frozen=True):
    """The connection came (`online`) or went; `reason` says why it went. `settled`: nothing known is missing."""

    online: bool
    settled: bool
    reason: str = ""


class Told(msgspec.Struct, frozen=True):
    """A frame that concerns nothing stored: typing, presence, media, or the refusal of a change."""

    frame: Json


class SignedOut(msgspec.Struct, frozen=True):
    """The session is over: it was ended from another device, or reused."""


Event = Changed | Connected | Told | SignedOut
