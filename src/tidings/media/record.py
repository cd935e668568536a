"""What is known of a file, and who may see it. Pure."""

from collections.abc import Iterable
from typing import Literal

import msgspec

from tidings.contracts.limits import Limits
from tidings.media.sniff import Kind

State = Literal["pending", "processing", "ready", "failed"]


class Record(msgspec.Struct, rename="camel", kw_only=True, frozen=True):
    """A file. `pending`: its bytes are on their way; `processing`: they are all here, not yet as they will be
    shown; times in Unix milliseconds."""

    id: str = msgspec.field(name="_id")
    owner_id: str
    state: State
    kind: Kind
    mime_type: str
    file_name: str
    size: int = 0
    sha256: str | None = None
    width: int | None = None
    height: int | None = None
    duration_ms: int | None = None
    blurhash: str | None = None
    thumbnail: bool = False
    created_at: int
    changed_at: int
    tries: int = 0
    upload_id: str | None = None  # of a file that comes in parts: the object store's name for them
    part_bytes: int = 0

    @property
    def incoming_key(self) -> str:
        """Where the bytes as they were sent go. A picture's are never shown: they may tell where it was taken. What
        comes in parts is known for what it is only when it is whole."""
        return f"incoming/{self.id}" if self.kind == "image" or self.upload_id else self.key

    @property
    def key(self) -> str:
        """Where the object is that is shown."""
        return f"files/{self.id}"

    @property
    def thumbnail_key(self) -> str:
        return f"thumbnails/{self.id}"


def most_bytes(kind: Kind, limits: Limits) -> int:
    """How large a file of a kind may be."""
    return {
        "image": limits.image_bytes,
        "audio": limits.audio_bytes,
        "video": limits.video_bytes,
        "document": limits.document_bytes,
    }[kind]


class Grant(msgspec.Struct, rename="camel", frozen=True):
    """A message above `floor` in `chat_id` shows the file."""

    media_id: str
    chat_id: str
    floor: int


class Window(msgspec.Struct, frozen=True):
    """The part of a chat's log that one person may see; `left_seq` 0: still a member."""

    chat_id: str
    joined_seq: int
    left_seq: int


def may_read(grants: Iterable[Grant], windows: Iterable[Window]) -> bool:
    """Whether one of the messages that show the file lies in one of the windows. The message was to get the
    number after the grant's floor, so that one is asked for."""
    of_chat = {window.chat_id: window for window in windows}
    for grant in grants:
        window = of_chat.get(grant.chat_id)
        if window is None:
            continue
        if window.joined_seq <= grant.floor + 1 and (not window.left_seq or window.left_seq > grant.floor):
            return True
    return False
