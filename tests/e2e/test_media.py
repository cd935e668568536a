"""Uploads, what they become, and who may see them: contract section 3, media."""

import hashlib
import io
import uuid
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from PIL import Image
from tests.support import shapes
from tests.support.people import Person, problem
from tests.support.samples import NOBODY, picture


def uploaded(person: Person, data: bytes, name: str = "file", kind: str = "application/octet-stream") -> dict[str, Any]:
    answer = person.upload(data, name, kind)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    shapes.check(found, shapes.Media)
    return found


def test_a_picture_is_ready_with_size_blurhash_and_thumbnail(ann: Person) -> None:
    media = uploaded(ann, picture(), "teal.png", "image/png")
    assert (media["kind"], media["mimeType"], media["state"]) == ("image", "image/png", "ready")
    assert (media["width"], media["height"], media["fileName"]) == (64, 48, "teal.png")
    assert media["blurhash"]
    assert urlsplit(media["url"]).netloc == urlsplit(ann.base_url).netloc
    answer = httpx.get(media["url"])
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
    assert len(answer.content) == media["size"]
    assert hashlib.sha256(answer.content).hexdigest() == media["sha256"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"] == "sandbox; default-src 'none'"
    small = httpx.get(media["thumbnailUrl"])
    assert Image.open(io.BytesIO(small.content)).format == "JPEG"
    assert ann.ask("GET", f"/media/{media['id']}", of=shapes.Media)["sha256"] == media["sha256"]


def test_a_document_is_kept_byte_by_byte_and_downloaded(ann: Person) -> None:
    data = b"%PDF-1.4 " + bytes(range(256)) * 40
    media = uploaded(ann, data, "plan.pdf", "application/pdf")
    assert (media["kind"], media["size"], media["sha256"]) == ("document", len(data), hashlib.sha256(data).hexdigest())
    answer = httpx.get(media["url"])
    assert answer.content == data
    assert answer.headers["content-disposition"].startswith("attachment")
    part = httpx.get(media["url"], headers={"range": "bytes=0-4"})
    assert (part.status_code, part.content) == (206, b"%PDF-")


def test_a_file_is_seen_by_those_who_were_sent_it(ann: Person, ben: Person, eve: Person, chat: str) -> None:
    media = uploaded(ann, picture(), "p.png", "image/png")
    for person in (ben, eve):
        person.refused("GET", f"/media/{media['id']}", code="not_found")
    content = {"kind": "image", "mediaId": media["id"], "width": 64, "height": 48, "caption": "look"}
    eve.refused(
        "POST",
        f"/chats/{eve.group()}/messages",
        {"clientMsgId": uuid.uuid4().hex, "content": content},
        code="not_found",
    )
    sent = ann.say(chat, content)
    assert sent["content"] == content
    assert ben.ask("GET", f"/media/{media['id']}", of=shapes.Media)["url"]
    eve.refused("GET", f"/media/{media['id']}", code="not_found")
    # Who has it may pass it on; who was passed it sees it.
    items = [{"messageId": sent["messageId"], "clientMsgId": uuid.uuid4().hex}]
    ben.ask("POST", "/messages/forward", {"chatId": ben.direct(eve), "items": items}, gives=201)
    assert eve.ask("GET", f"/media/{media['id']}")["id"] == media["id"]


@pytest.mark.parametrize("kind", ["audio", "voice", "document", "sticker", "image"])
def test_each_kind_with_a_file_is_sent(ann: Person, ben: Person, chat: str, kind: str) -> None:
    wave = b"RIFF" + (36).to_bytes(4, "little") + b"WAVEfmt " + bytes(32)
    data = picture("WEBP") if kind in ("sticker", "image") else wave if kind != "document" else b"text"
    media = uploaded(ann, data, "f", "application/octet-stream")
    more: dict[str, Any] = {
        "audio": {"durationMs": 1000}, "voice": {"durationMs": 1000, "waveform": list(range(64))},
        "document": {"fileName": "f.txt", "size": 4, "caption": "c"}, "sticker": {},
        "image": {"width": 64, "height": 48, "blurhash": media["blurhash"]},
    }[kind]  # fmt: skip
    content = {"kind": kind, "mediaId": media["id"], **more}
    sent = ann.say(chat, content)
    assert ben.ask("GET", f"/messages/{sent['messageId']}")["content"] == content


def test_what_is_no_upload_is_refused(ann: Person) -> None:
    url = "/media/upload"
    problem(ann.http.post(url), "invalid_request")
    problem(ann.http.post(url, json={"file": "x"}), "invalid_request")
    problem(ann.http.post(url, files={"other": ("x", b"x")}), "invalid_request")
    problem(ann.upload(b""), "invalid_request")
    problem(ann.upload(b"not a picture", "x.png", "image/png"), "unsupported_media")
    problem(httpx.post(f"{ann.base_url}/api/v1{url}", files={"file": ("x", b"x")}), "unauthenticated")


def test_more_than_16_mb_is_too_large(ann: Person) -> None:
    problem(ann.upload(bytes(16 * 1024 * 1024 + 1), "big"), "too_large")
    assert uploaded(ann, bytes(16 * 1024 * 1024), "just")["size"] == 16 * 1024 * 1024


def test_an_unknown_file_is_not_found(ann: Person) -> None:
    for media_id in (NOBODY, "nonsense"):
        ann.refused("GET", f"/media/{media_id}", code="not_found")


def test_the_picture_of_a_group(ann: Person, ben: Person, eve: Person) -> None:
    group, media = ann.group(ben), uploaded(ann, picture(), "g.png", "image/png")
    document = uploaded(ann, b"text", "t.txt", "text/plain")
    shown = ann.ask("PATCH", f"/chats/{group}", {"avatarMediaId": media["id"]}, of=shapes.Chat)
    assert shown["avatar"]["id"] == media["id"]
    assert httpx.get(ben.chat(group)["avatar"]["url"]).status_code == 200
    ann.refused("PATCH", f"/chats/{group}", {"avatarMediaId": document["id"]}, code="unsupported_media")
    theirs = uploaded(eve, picture(), "e.png", "image/png")
    ann.refused("PATCH", f"/chats/{group}", {"avatarMediaId": theirs["id"]}, code="not_found")
