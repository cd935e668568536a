"""Hostile input, rows 40 to 47 of docs/protocol.md: files that are not what they seem, and signed URLs."""

import io
import struct
import time
import zlib
from typing import Any

import httpx
import pytest
from PIL import Image
from tests.support import shapes
from tests.support.people import Person
from tests.support.samples import picture
from tests.support.waiting import wait_until

HTML = b"<!doctype html><html><script>alert(document.cookie)</script></html>"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"><script>alert(1)</script></svg>'
ACTIVE: dict[str, tuple[bytes, str]] = {
    "HTML": (HTML, "text/html"), "HTML as text": (HTML, "text/plain"), "SVG": (SVG, "image/svg+xml"),
    "XML": (b"<?xml version='1.0'?><a/>", "application/xml"), "script": (b"alert(1)", "application/javascript"),
    "GIF and script": (b"GIF89a/*" + b"*/=1;alert(1)//", "application/javascript"),
    "PDF and HTML": (b"%PDF-1.4\n" + HTML, "text/html"), "nothing known": (b"\x00\x01\x02" + HTML, "x/y\r\nz: 1"),
}  # fmt: skip


@pytest.mark.parametrize("name", ACTIVE)
def test_row_40_what_a_browser_would_run_is_downloaded(ann: Person, name: str) -> None:
    data, claimed = ACTIVE[name]
    answer = ann.upload(data, "x", claimed)
    assert answer.status_code in (201, 415), answer.text
    if answer.status_code == 415 or answer.json()["state"] == "failed":
        return
    shown = httpx.get(answer.json()["url"])
    assert shown.headers["x-content-type-options"] == "nosniff"
    assert shown.headers["content-security-policy"] == "sandbox; default-src 'none'"
    assert shown.headers["content-disposition"].startswith("attachment")
    assert not any(word in shown.headers["content-type"] for word in ("html", "svg", "xml", "javascript"))
    told = httpx.get(answer.json()["url"], params={"response-content-type": "text/html"})
    assert told.status_code == 403 or "html" not in told.headers["content-type"]


@pytest.mark.parametrize("claimed", ["image/png", "image/jpeg", "image/gif", "image/webp"])
@pytest.mark.parametrize("data", [HTML, b"PK\x03\x04zip", b"MZ\x90", b"#!/bin/sh"], ids=["HTML", "zip", "exe", "sh"])
def test_row_40_what_claims_to_be_an_image_is_one(ann: Person, data: bytes, claimed: str) -> None:
    answer = ann.upload(data, "x.png", claimed)
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media")


def test_row_40_what_stands_behind_a_picture_is_gone(ann: Person) -> None:
    media = ann.upload(picture() + HTML, "x.png", "image/png").json()
    assert media["state"] == "ready"
    assert b"script" not in httpx.get(media["url"]).content


def png_of(width: int, height: int) -> bytes:
    """The head of a PNG of that size, and little else."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    size = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"IDAT", zlib.compress(bytes(10_000))) + chunk(b"IEND", b"")
    )


def finished(person: Person, answer: httpx.Response) -> dict[str, Any]:
    """The file when it is `ready` or `failed`."""
    assert answer.status_code == 201, answer.text
    path = f"/media/{answer.json()['id']}"

    def done() -> dict[str, Any] | None:
        media: dict[str, Any] = person.ask("GET", path, of=shapes.Media)
        return media if media["state"] in ("ready", "failed") else None

    found: dict[str, Any] = wait_until(done, "the file is finished", 60)
    return found


def test_row_41_a_picture_larger_than_reason_fails_quickly(ann: Person) -> None:
    began = time.monotonic()
    for data, kind in (
        (png_of(50_000, 50_000), "image/png"), (png_of(2**31 - 1, 1), "image/png"),
        (picture("GIF") + b"\x2c" * 100_000, "image/gif"), (picture()[:60], "image/png"),
        (b"\xff\xd8\xff" + b"\xff" * 100_000, "image/jpeg"),
        (b"RIFF\x10\x00\x00\x00WEBPVP8 " + bytes(20), "image/webp"),
    ):  # fmt: skip
        media = finished(ann, ann.upload(data, "x", kind))
        if media["state"] == "failed":
            assert media["url"] is None
            content = {"kind": "image", "mediaId": media["id"], "width": 1, "height": 1}
            body = {"clientMsgId": media["id"], "content": content}
            ann.refused("POST", f"/chats/{ann.direct(ann)}/messages", body, code="unsupported_media")
    assert finished(ann, ann.upload(png_of(50_000, 50_000), "x", "image/png"))["state"] == "failed"
    assert time.monotonic() - began < 60


def test_row_41_an_endless_animation_fails(ann: Person) -> None:
    frames = [Image.new("P", (2000, 2000), n % 2) for n in range(10)]
    out = io.BytesIO()
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:], loop=0, duration=10)
    head, body = out.getvalue()[:-1], out.getvalue()[800:-1]
    media = finished(ann, ann.upload(head + body * 100, "x.gif", "image/gif"))
    assert media["state"] in ("failed", "ready")
    assert media["size"] < 16 * 1024 * 1024


@pytest.mark.parametrize("claimed", ["video/mp4", "video/x-msvideo", "audio/mpeg", "application/vnd.apple.mpegurl"])
@pytest.mark.parametrize("data", [b"#EXTM3U\nfile:///etc/passwd", b"ffconcat version 1.0\nfile /etc/passwd"])
def test_row_42_a_playlist_is_no_film(ann: Person, data: bytes, claimed: str) -> None:
    answer = ann.upload(data, "film.avi", claimed)
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media")


def test_row_43_where_a_picture_was_taken_is_gone(ann: Person, ben: Person, chat: str) -> None:
    exif = Image.Exif()
    exif[0x010E] = "secret description"
    exif[0x8825] = {1: "N", 2: (52.0, 31.0, 12.0), 3: "E", 4: (13.0, 24.0, 36.0)}
    exif[0x0112] = 6  # lying on its side
    data = picture("JPEG", exif=exif, comment=b"secret comment")
    assert b"secret" in data
    media = ann.upload(data, "x.jpg", "image/jpeg").json()
    assert (media["width"], media["height"]) == (48, 64)  # set upright
    for url in (media["url"], media["thumbnailUrl"]):
        shown = httpx.get(url).content
        assert b"secret" not in shown
        assert not Image.open(io.BytesIO(shown)).getexif()
    other = media["url"].replace("/files/", "/incoming/")
    assert other != media["url"]
    assert httpx.get(other).status_code == 403


NAMES = {
    "../../etc/passwd": "passwd", "..\\..\\boot.ini": "boot.ini", "a\r\nSet-Cookie: x=1": None,
    "\u202egpj.exe": "gpj.exe", "x" * 4096 + ".pdf": None, "": None, ".": None, "a\x00b.txt": None,
    "con<>:\"|?*.txt": None, "\U0001f600.png": "\U0001f600.png",
}  # fmt: skip


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_row_44_a_file_name_is_a_clean_basename(ann: Person, name: str) -> None:
    boundary = "b" * 20
    disposition = 'form-data; name="file"; filename="' + name.replace('"', "%22").replace("\r\n", "%0D%0A") + '"'
    head = f"--{boundary}\r\nContent-Disposition: {disposition}\r\nContent-Type: text/plain\r\n\r\n"
    body = f"{head}text\r\n--{boundary}--\r\n"
    headers = {"content-type": f"multipart/form-data; boundary={boundary}"}
    answer = ann.http.post("/media/upload", content=body.encode(), headers=headers)
    if answer.status_code == 400:
        assert answer.json()["code"] == "invalid_request"
        return
    assert answer.status_code == 201, answer.text
    kept = answer.json()["fileName"]
    assert NAMES[name] in (None, kept)
    assert 0 < len(kept.encode()) <= 255
    assert not set(kept) & set('/\\\r\n\x00"\u202e')
    shown = httpx.get(answer.json()["url"])
    assert "set-cookie" not in shown.headers
    assert shown.headers["content-disposition"].isascii()


def test_row_46_a_signed_url_is_for_one_thing(ann: Person, ben: Person) -> None:
    media, other = (ann.upload(picture(), "x.png", "image/png").json() for _ in range(2))
    url = media["url"]
    assert httpx.get(url).status_code == 200
    swapped = url.replace(media["id"], other["id"])
    signature = httpx.URL(url).params["X-Amz-Signature"]
    altered = url.replace(signature, signature[:-1] + ("0" if signature[-1] != "0" else "1"))
    longer = url.replace("X-Amz-Expires=600", "X-Amz-Expires=60000")
    assert longer != url
    late = str(httpx.URL(url).copy_set_param("X-Amz-Date", "20200101T000000Z"))
    for wrong in (swapped, altered, longer, late):
        assert httpx.get(wrong).status_code == 403, wrong
    assert httpx.put(url, content=b"x").status_code == 403
    for method in ("DELETE", "POST"):
        assert httpx.request(method, url).status_code in (403, 404, 405)
    assert httpx.get(url).status_code == 200
    bare = url.partition("?")[0]
    for path in (bare, bare.rpartition("/")[0] + "/", f"{ann.base_url}/media/"):
        assert httpx.get(path).status_code in (401, 403, 404)
