"""What goes into the sync core and what comes out, as values a client in any language can mirror.

Frames, messages, chats and pages stay decoded JSON as they came (`Json`): an older client keeps fields it does not
know. Names on the outside are camelCase; `tests/scenarios/README.md` describes them.
"""

from typing import Any, Literal

import msgspec

Json = dict[str, Any]


# -- in ---------------------------------------------------------------------------------------------


class _Input(msgspec.Struct, tag_field="in", rename="camel", kw_only=True): ...


class Frame(_Input, tag="frame", kw_only=True):
    """A frame came. `ready` begins a connection."""

    frame: Json


class Closed(_Input, tag="closed", kw_only=True):
    """The socket is gone."""


class Synced(_Input, tag="synced", kw_only=True):
    """The answer to the effect `sync` of this round."""

    round: int
    answer: Json


class SyncFailed(_Input, tag="syncFailed", kw_only=True):
    round: int
    code: str
    retry_after_ms: int | None = None


class Fetched(_Input, tag="fetched", kw_only=True):
    """The answer to the effect `fetch` of this round."""

    round: int
    chat_id: str
    after: int
    page: Json


class FetchFailed(_Input, tag="fetchFailed", kw_only=True):
    round: int
    chat_id: str
    code: str


class Looked(_Input, tag="looked", kw_only=True):
    """The answer to the effect `look`: the message as it is now, null when there is none."""

    message_id: str
    message: Json | None


class LookFailed(_Input, tag="lookFailed", kw_only=True):
    message_id: str


class Send(_Input, tag="send", kw_only=True):
    """The user sends a message."""

    chat_id: str
    client_msg_id: str
    content: Json
    created_at: str
    reply_to: str | None = None
    mentions: list[str] = []
    expires_in: int | None = None


class Ask(_Input, tag="ask", kw_only=True):
    """The user edits, deletes, reacts or votes: `frame` is sent, with `ref`, until it is answered."""

    chat_id: str
    ref: str
    frame: Json


class Read(_Input, tag="read", kw_only=True):
    """The user has read everything up to `seq`."""

    chat_id: str
    seq: int


class Again(_Input, tag="again", kw_only=True):
    """The user sends a refused message once more, as it was."""

    entry: "Entry"


class Tick(_Input, tag="tick", kw_only=True):
    """Time has passed."""


Input = (
    Frame
    | Closed
    | Synced
    | SyncFailed
    | Fetched
    | FetchFailed
    | Looked
    | LookFailed
    | Send
    | Ask
    | Read
    | Again
    | Tick
)


# -- out: operations on the local store, one transaction per step ----------------------------------------


class _Op(msgspec.Struct, tag_field="op", rename="camel", kw_only=True): ...


class Entry(msgspec.Struct, rename="camel", kw_only=True):
    """A frame that waits for its answer. `id` is the clientMsgId of a send, the ref of anything else."""

    id: str
    chat_id: str
    frame: Json


class PutOptimistic(_Op, tag="putOptimistic", kw_only=True):
    """A row of one's own that has no number yet."""

    chat_id: str
    client_msg_id: str
    content: Json
    created_at: str
    reply_to: str | None = None
    mentions: list[str] = []


class PutMessage(_Op, tag="putMessage", kw_only=True):
    """A stored message or notice; takes the place of the optimistic row of its clientMsgId if it is one's own."""

    message: Json


class UpdateMessage(_Op, tag="updateMessage", kw_only=True):
    """A message as it is now. A message that is not held stays so: changes never make a row."""

    message: Json


class MarkSent(_Op, tag="markSent", kw_only=True):
    """The optimistic row got its id and number."""

    chat_id: str
    client_msg_id: str
    message_id: str
    seq: int
    created_at: str


class MarkFailed(_Op, tag="markFailed", kw_only=True):
    """The optimistic row was refused for good."""

    chat_id: str
    client_msg_id: str
    code: str
    message: str


class MarkPending(_Op, tag="markPending", kw_only=True):
    """A refused row is on its way again."""

    chat_id: str
    client_msg_id: str


class SetContent(_Op, tag="setContent", kw_only=True):
    chat_id: str
    message_id: str
    content: Json
    edited_at: str | None


class SetDeleted(_Op, tag="setDeleted", kw_only=True):
    """Deleted for everyone: the row stays, empty."""

    chat_id: str
    message_id: str
    user_id: str
    at: str | None


class SetVotes(_Op, tag="setVotes", kw_only=True):
    chat_id: str
    message_id: str
    votes: list[Json]


class SetPinned(_Op, tag="setPinned", kw_only=True):
    chat_id: str
    message_id: str
    pinned: bool


class SetStale(_Op, tag="setStale", kw_only=True):
    """What is held of this message is not what it is now: look it up (again after a restart, too)."""

    message_id: str
    stale: bool


class Hide(_Op, tag="hide", kw_only=True):
    """Deleted for oneself: rows go, and do not come back."""

    message_ids: list[str]


class SetPosition(_Op, tag="setPosition", kw_only=True):
    """Everything up to `seq` is held or does not exist for us. In one transaction with what it covers."""

    chat_id: str
    seq: int


class PutChat(_Op, tag="putChat", kw_only=True):
    chat: Json


class DropChat(_Op, tag="dropChat", kw_only=True):
    """The chat is none of ours any more, its unsent messages neither."""

    chat_id: str


class DropLog(_Op, tag="dropLog", kw_only=True):
    """A restore took entries back: stored messages and positions go, optimistic rows and the outbox stay."""


class SetSince(_Op, tag="setSince", kw_only=True):
    since: str | None


class SetEpoch(_Op, tag="setEpoch", kw_only=True):
    log_epoch: str


class OutboxPut(_Op, tag="outboxPut", kw_only=True):
    entry: Entry


class OutboxDone(_Op, tag="outboxDone", kw_only=True):
    id: str


class SetMark(_Op, tag="setMark", kw_only=True):
    """A watermark of someone, oneself included; moves forward only."""

    chat_id: str
    user_id: str
    status: Literal["delivered", "read"]
    seq: int


class SetUnsentRead(_Op, tag="setUnsentRead", kw_only=True):
    """A read mark the server has not acknowledged; null when it has."""

    chat_id: str
    seq: int | None


Op = (
    PutOptimistic
    | PutMessage
    | UpdateMessage
    | MarkSent
    | MarkFailed
    | MarkPending
    | SetContent
    | SetDeleted
    | SetVotes
    | SetPinned
    | SetStale
    | Hide
    | SetPosition
    | PutChat
    | DropChat
    | DropLog
    | SetSince
    | SetEpoch
    | OutboxPut
    | OutboxDone
    | SetMark
    | SetUnsentRead
)


def chat_of(op: Op) -> str | None:
    """The chat whose rows an operation changes; None where it does not say (a change by message id) or has none."""
    match op:
        case PutMessage(message=message) | UpdateMessage(message=message):
            return str(message["chatId"])
        case PutChat(chat=chat):
            return str(chat["id"])
        case OutboxPut(entry=entry):
            return entry.chat_id
        case _:
            return getattr(op, "chat_id", None)


# -- out: what is to be done, after the operations are committed ---------------------------------------


class _Effect(msgspec.Struct, tag_field="effect", rename="camel", kw_only=True): ...


class SendFrame(_Effect, tag="sendFrame", kw_only=True):
    frame: Json


class CallSync(_Effect, tag="sync", kw_only=True):
    round: int
    since: str | None
    positions: dict[str, int]


class Fetch(_Effect, tag="fetch", kw_only=True):
    """The page of entries after `after`."""

    round: int
    chat_id: str
    after: int


class Look(_Effect, tag="look", kw_only=True):
    """One message as it is now."""

    message_id: str


class Wake(_Effect, tag="wake", kw_only=True):
    """Tick at this time at the latest."""

    at_ms: int


class Tell(_Effect, tag="tell", kw_only=True):
    """A frame that concerns nothing stored: typing, presence, media, refusals."""

    frame: Json


Effect = SendFrame | CallSync | Fetch | Look | Wake | Tell


class Step(msgspec.Struct, kw_only=True):
    """What one input leads to."""

    ops: list[Op] = []
    effects: list[Effect] = []


class State(msgspec.Struct, rename="camel", kw_only=True):
    """What the core is started with: the part of the local store it decides on."""

    user_id: str
    since: str | None = None
    log_epoch: str | None = None
    positions: dict[str, int] = {}
    outbox: list[Entry] = []
    unsent_reads: dict[str, int] = {}
    stale: list[str] = []
