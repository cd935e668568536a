"""What a message can hold. `check` turns a client's JSON into a valid content; nothing behind it checks again.

Contents are stored and sent on as canonical JSON, so they are encoded once in their life.
"""

import unicodedata
from typing import Annotated, Any, Final

import msgspec
import regex
from msgspec import Meta

from tidings.contracts.errors import ApiError, FieldError, invalid
from tidings.contracts.ids import Id
from tidings.contracts.limits import MAX_INT, Limits

Pixels = Annotated[int, Meta(ge=1, le=65_535)]
Millis = Annotated[int, Meta(ge=0, le=MAX_INT)]
Short = Annotated[str, Meta(min_length=1, max_length=256)]
Waveform = Annotated[list[Annotated[int, Meta(ge=0, le=255)]], Meta(min_length=64, max_length=64)]
Phone = Annotated[str, Meta(min_length=1, max_length=32)]


class _Content(msgspec.Struct, tag_field="kind", rename="camel", kw_only=True, omit_defaults=True): ...


class Text(_Content, tag="text", kw_only=True):
    text: Annotated[str, Meta(min_length=1)]


class Image(_Content, tag="image", kw_only=True):
    media_id: Id
    width: Pixels
    height: Pixels
    caption: str | None = None
    blurhash: Annotated[str, Meta(max_length=128)] | None = None


class Video(_Content, tag="video", kw_only=True):
    media_id: Id
    width: Pixels
    height: Pixels
    caption: str | None = None
    blurhash: Annotated[str, Meta(max_length=128)] | None = None
    duration_ms: Millis | None = None


class Audio(_Content, tag="audio", kw_only=True):
    media_id: Id
    duration_ms: Millis
    waveform: Waveform | None = None


class Voice(_Content, tag="voice", kw_only=True):
    media_id: Id
    duration_ms: Millis
    waveform: Waveform | None = None


class Document(_Content, tag="document", kw_only=True):
    media_id: Id
    file_name: Short
    size: Annotated[int, Meta(ge=0, le=MAX_INT)]
    caption: str | None = None


class Location(_Content, tag="location", kw_only=True):
    lat: Annotated[float, Meta(ge=-90, le=90)]
    lon: Annotated[float, Meta(ge=-180, le=180)]
    name: Short | None = None


class Contact(_Content, tag="contact", kw_only=True):
    name: Short
    phones: Annotated[list[Phone], Meta(min_length=1, max_length=20)]
    user_id: Id | None = None


class Sticker(_Content, tag="sticker", kw_only=True):
    media_id: Id


class PollOption(msgspec.Struct, rename="camel"):
    id: Annotated[str, Meta(min_length=1, max_length=64)]
    text: Annotated[str, Meta(min_length=1)]


class Poll(_Content, tag="poll", kw_only=True, omit_defaults=False):  # clients rely on `multiple`
    question: Annotated[str, Meta(min_length=1)]
    options: list[PollOption]
    multiple: bool = False


Content = Text | Image | Video | Audio | Voice | Document | Location | Contact | Sticker | Poll
HasMedia = Image | Video | Audio | Voice | Document | Sticker

_DECODER: Final[msgspec.json.Decoder[Content | str]] = msgspec.json.Decoder(Content | str)
_ENCODER: Final = msgspec.json.Encoder()
_GRAPHEME: Final = regex.compile(r"\X")
_PICTOGRAPH: Final = regex.compile(r"[\p{Emoji}--[0-9#*\p{Alphabetic}]]|\u20e3", regex.V1)


def check(raw: bytes | msgspec.Raw, limits: Limits) -> Content:
    """Decode and check what a client wants to send; a bare string is a text.

    Raises ApiError: `limit_exceeded` over a limit, `invalid_request` for everything else, also for a kind that is
    unknown here: what cannot be checked is not stored.
    """
    try:
        content = _DECODER.decode(raw)
    except (msgspec.ValidationError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ApiError("invalid_request", f"content: {error}", errors=[FieldError("content", str(error))]) from None
    if isinstance(content, str):
        content = Text(text=content)
    _check_limits(content, limits)
    if not isinstance(content, Text):
        _refuse_nul(msgspec.to_builtins(content))
    return content


def encode(content: Content) -> bytes:
    """Canonical JSON: fields in the order of the Struct, absent ones left out."""
    return _ENCODER.encode(content)


def _check_limits(content: Content, limits: Limits) -> None:
    if isinstance(content, Text):
        if not content.text.strip():
            raise ApiError("invalid_request", "content.text: must not be blank")
        bound("content.text", content.text, limits.text_chars)
    elif isinstance(content, Poll):
        _check_poll(content, limits)
    elif isinstance(content, Image | Video | Document) and content.caption is not None:
        bound("content.caption", content.caption, limits.text_chars)
    elif isinstance(content, Contact):
        bound("content.name", content.name, limits.user_name_chars * 4)
    elif isinstance(content, Location) and content.name is not None:
        bound("content.name", content.name, 256)


def _check_poll(poll: Poll, limits: Limits) -> None:
    bound("content.question", poll.question, limits.text_chars)
    if not limits.poll_options_min <= len(poll.options) <= limits.poll_options_max:
        raise ApiError("limit_exceeded", f"a poll has {limits.poll_options_min} to {limits.poll_options_max} options")
    if len({option.id for option in poll.options}) != len(poll.options):
        raise ApiError("invalid_request", "content.options: two options have the same id")
    for option in poll.options:
        bound("content.options.text", option.text, limits.poll_option_chars)


def _refuse_nul(value: Any) -> None:
    """In every text of a content: PostgreSQL, which may be given a part of it, stores none."""
    if isinstance(value, str):
        bound("content", value, len(value))
    elif isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            _refuse_nul(part)


def bound(field: str, text: str, most: int) -> None:
    """Refuse a text that is too long or holds a NUL, which PostgreSQL cannot store."""
    if len(text) > most:
        raise ApiError("limit_exceeded", f"{field}: at most {most} characters, got {len(text)}")
    if "\x00" in text:
        raise ApiError("invalid_request", f"{field}: must not contain NUL")


def clean_name(field: str, name: str, most: int) -> str:
    """A name of a person or group, without control and direction characters, which could make it read as another.
    Raises ApiError."""
    bound(field, name, most)
    plain = "".join(c for c in name if unicodedata.category(c) not in ("Cc", "Cf") or c == "\u200d").strip()
    if not plain:
        raise invalid(field, "must not be empty")
    return plain


def media_ids(content: Content) -> list[str]:
    """The media a content uses, to be granted before it is stored."""
    return [content.media_id] if isinstance(content, HasMedia) else []


def searchable(content: Content) -> str:
    """What search looks through; empty when there is nothing."""
    match content:
        case Text(text=text):
            return text
        case Image(caption=caption) | Video(caption=caption):
            return caption or ""
        case Document(file_name=name, caption=caption):
            return f"{name} {caption}" if caption else name
        case Location(name=name):
            return name or ""
        case Contact(name=name):
            return name
        case Poll(question=question, options=options):
            return " ".join([question, *(option.text for option in options)])
        case _:
            return ""


def preview(content: Content) -> str:
    """A line for replies, chat lists and push, at most 120 characters."""
    text = searchable(content)
    label = {Image: "Photo", Video: "Video", Audio: "Audio", Voice: "Voice message", Document: "Document"}.get(
        type(content)
    )
    match content:
        case Sticker():
            text = "Sticker"
        case Location():
            text = f"Location: {text}" if text else "Location"
        case Contact():
            text = f"Contact: {text}"
        case Poll(question=question):
            text = f"Poll: {question}"
        case _ if label:
            text = f"{label}: {text}" if text else label
        case _:
            pass
    return text if len(text) <= 120 else text[:119] + "…"


def is_emoji(text: str) -> bool:
    """Whether a reaction is one grapheme and not a plain letter, digit or space."""
    if not text or len(text) > 32 or not _GRAPHEME.fullmatch(text):
        return False
    return _PICTOGRAPH.search(text) is not None
