"""What a file is, by its first bytes; what a client or a file name says about it is only a hint. Pure."""

import re
from typing import Final, Literal

import msgspec

from tidings.contracts.errors import ApiError

Kind = Literal["image", "video", "audio", "document"]

HEAD_BYTES: Final = 4096
"""How much of a file `classify` looks at."""

UNKNOWN: Final = "application/octet-stream"
_TYPE = re.compile(r"^[a-z0-9][a-z0-9!#$&^_.+-]{0,63}/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}$")
# Types a browser would run or render: never told on, even as attachment.
_ACTIVE = re.compile(r"html|xml|svg|script|ecmascript|x-shockwave|mathml|wasm|x-httpd|multipart/|message/")
_MARKUP = re.compile(
    rb"<(?:!doctype|html|head|body|script|svg|iframe|style|title|meta|img|table|a |p>|div|\?xml|!--)", re.IGNORECASE
)
_PLAYLISTS: Final = (b"#EXTM3U", b"ffconcat", b"[playlist]", b"<SMIL", b"<ASX")
_VIDEO_BRANDS: Final = (
    b"isom",
    b"iso2",
    b"iso4",
    b"iso5",
    b"iso6",
    b"mp41",
    b"mp42",
    b"avc1",
    b"dash",
    b"M4V ",
    b"MSNV",
)
_AUDIO_BRANDS: Final = (b"M4A ", b"M4B ", b"M4P ", b"F4A ")
_HEIF_BRANDS: Final = (b"heic", b"heix", b"hevc", b"mif1", b"msf1", b"avif", b"avis")


class Sniffed(msgspec.Struct, frozen=True):
    """A kind of file. `inline`: safe to be shown by a browser; everything else is downloaded."""

    kind: Kind
    mime_type: str

    @property
    def inline(self) -> bool:
        """Images, audio and video of the listed types."""
        return self.kind != "document"


def classify(head: bytes, claimed: str) -> Sniffed:
    """What the file is that begins with `head`. `claimed` settles only what the bytes leave open.

    Raises ApiError `unsupported_media` when it claims to be an image and is none, or is a playlist that claims
    to be audio or video (a player would fetch what it names).
    """
    claim = claimed.partition(";")[0].strip().lower()
    found = _media(head, claim)
    if found is not None:
        return found
    if claim.startswith("image/") and not claim.startswith(("image/svg", "image/heic", "image/heif", "image/avif")):
        raise ApiError("unsupported_media", "this is not the image that it claims to be")
    if claim.startswith(("audio/", "video/", "application/vnd.apple", "application/x-mpegurl")) and _is_playlist(head):
        raise ApiError("unsupported_media", "playlists are not supported")
    return Sniffed("document", _document(head, claim))


def _media(head: bytes, claim: str) -> Sniffed | None:
    if head.startswith(b"\xff\xd8\xff"):
        return Sniffed("image", "image/jpeg")
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return Sniffed("image", "image/png")
    if head.startswith((b"GIF87a", b"GIF89a")):
        return Sniffed("image", "image/gif")
    if head[:4] == b"RIFF":
        riff = {
            b"WEBP": ("image", "image/webp"),
            b"WAVE": ("audio", "audio/wav"),
            b"AVI ": ("video", "video/x-msvideo"),
        }
        kind = riff.get(head[8:12])
        return Sniffed(*kind) if kind else None  # type: ignore[arg-type]
    if head[4:8] == b"ftyp":
        return _iso_media(head[8:12], claim)
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        name = "webm" if b"webm" in head[:64] else "x-matroska"
        return Sniffed("audio", f"audio/{name}") if claim.startswith("audio/") else Sniffed("video", f"video/{name}")
    if head.startswith(b"OggS"):
        is_video = b"theora" in head[:256] or claim.startswith("video/")
        return Sniffed("video", "video/ogg") if is_video else Sniffed("audio", "audio/ogg")
    return _plain_audio(head)


def _iso_media(brand: bytes, claim: str) -> Sniffed | None:
    if brand in _HEIF_BRANDS:
        return None  # no decoder for it here: handed on as a document
    if brand in _AUDIO_BRANDS:
        return Sniffed("audio", "audio/mp4")
    if brand == b"qt  ":
        return Sniffed("video", "video/quicktime")
    if brand.startswith(b"3g"):
        return Sniffed("audio", "audio/3gpp") if claim.startswith("audio/") else Sniffed("video", "video/3gpp")
    if brand in _VIDEO_BRANDS:
        return Sniffed("audio", "audio/mp4") if claim.startswith("audio/") else Sniffed("video", "video/mp4")
    return None


def _plain_audio(head: bytes) -> Sniffed | None:
    if head.startswith(b"ID3"):
        return Sniffed("audio", "audio/mpeg")
    if head.startswith(b"fLaC"):
        return Sniffed("audio", "audio/flac")
    if head.startswith(b"#!AMR"):
        return Sniffed("audio", "audio/amr")
    if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        return Sniffed("audio", "audio/aiff")
    if len(head) >= 4 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0:
        layer = head[1] >> 1 & 3
        if layer == 0 and head[1] & 0xF6 == 0xF0:
            return Sniffed("audio", "audio/aac")  # ADTS
        # MPEG 1, 2 or 2.5, a layer, a bit rate and a sample rate that exist
        if layer != 0 and head[1] >> 3 & 3 != 1 and head[2] >> 4 not in (0, 15) and head[2] >> 2 & 3 != 3:
            return Sniffed("audio", "audio/mpeg")
    return None


def _is_playlist(head: bytes) -> bool:
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    return any(text[: len(mark)].lower() == mark.lower() for mark in _PLAYLISTS)


def _document(head: bytes, claim: str) -> str:
    if head.startswith(b"%PDF-"):
        return "application/pdf"
    if head[4:8] == b"ftyp" and head[8:12] in _HEIF_BRANDS:
        return "image/avif" if head[8:11] == b"avi" else "image/heic"
    if _MARKUP.search(head[:1024]) or not _TYPE.match(claim) or _ACTIVE.search(claim):
        return UNKNOWN
    if claim.startswith(("image/", "audio/", "video/")):
        return UNKNOWN
    if claim.startswith("text/"):
        return "text/plain" if b"\x00" not in head else UNKNOWN
    return claim
