"""What a file is, decided by its bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidings.contracts.errors import ApiError
from tidings.media.sniff import classify

PNG = b"\x89PNG\r\n\x1a\n" + bytes(32)
JPEG = b"\xff\xd8\xff\xe0" + bytes(32)


@pytest.mark.parametrize(
    ("head", "claimed", "kind", "mime_type"),
    [
        (JPEG, "image/jpeg", "image", "image/jpeg"),
        (PNG, "application/octet-stream", "image", "image/png"),
        (PNG, "image/jpeg", "image", "image/png"),
        (b"GIF89a....", "", "image", "image/gif"),
        (b"RIFF\x10\0\0\0WEBPVP8 ", "image/webp", "image", "image/webp"),
        (b"RIFF\x10\0\0\0WAVEfmt ", "", "audio", "audio/wav"),
        (b"ID3\x04" + bytes(16), "audio/mpeg", "audio", "audio/mpeg"),
        (b"\xff\xfb\x90\x64" + bytes(16), "", "audio", "audio/mpeg"),
        (b"\xff\xf1\x50\x80" + bytes(16), "", "audio", "audio/aac"),
        (b"OggS" + bytes(24) + b"OpusHead", "audio/ogg", "audio", "audio/ogg"),
        (bytes(4) + b"ftypM4A " + bytes(8), "", "audio", "audio/mp4"),
        (bytes(4) + b"ftypisom" + bytes(8), "", "video", "video/mp4"),
        (bytes(4) + b"ftypisom" + bytes(8), "audio/mp4", "audio", "audio/mp4"),
        (b"\x1a\x45\xdf\xa3....webm", "video/webm", "video", "video/webm"),
        (b"%PDF-1.7", "application/pdf", "document", "application/pdf"),
        (b"%PDF-1.7", "text/html", "document", "application/pdf"),
        (b"PK\x03\x04....", "application/zip", "document", "application/zip"),
        (b"hello", "text/plain; charset=utf-8", "document", "text/plain"),
        (b"hello", "text/javascript", "document", "application/octet-stream"),
        (b"<!DOCTYPE html><script>", "text/html", "document", "application/octet-stream"),
        (b"<!DOCTYPE html><script>", "text/plain", "document", "application/octet-stream"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'>", "image/svg+xml", "document", "application/octet-stream"),
        (b"\n\n <script>alert(1)</script>", "application/pdf", "document", "application/octet-stream"),
        (b"\0\1\2\3", "not a type", "document", "application/octet-stream"),
        (b"\0\1\2\3", "video/mp4", "document", "application/octet-stream"),
    ],
)
def test_bytes_decide(head: bytes, claimed: str, kind: str, mime_type: str) -> None:
    found = classify(head, claimed)
    assert (found.kind, found.mime_type) == (kind, mime_type)
    assert found.inline == (kind != "document")


@pytest.mark.parametrize(
    ("head", "claimed"),
    [
        (b"<html><body onload=alert(1)>", "image/png"),
        (b"<svg onload=alert(1)>", "image/jpeg"),
        (b"MZ\x90\0", "image/gif"),
        (b"#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:0\nfile:///etc/passwd", "video/mp4"),
        (b"\xef\xbb\xbf  #extm3u\n", "video/x-msvideo"),
        (b"ffconcat version 1.0\nfile /etc/passwd", "audio/mpeg"),
    ],
)
def test_false_claims_are_refused(head: bytes, claimed: str) -> None:
    with pytest.raises(ApiError) as raised:
        classify(head, claimed)
    assert raised.value.code == "unsupported_media"


@given(st.binary(max_size=64), st.text(max_size=40))
def test_never_answers_a_type_that_browsers_run(head: bytes, claimed: str) -> None:
    try:
        found = classify(head, claimed)
    except ApiError:
        return
    assert not any(word in found.mime_type for word in ("html", "xml", "svg", "script"))
    assert found.mime_type.isascii()
    assert "/" in found.mime_type
