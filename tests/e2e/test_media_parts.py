"""Uploads in parts through the gateway: what is put straight into the object store, joined and shown."""

import hashlib
import secrets
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

import httpx
from tests.support import shapes
from tests.support.people import Person
from tests.support.samples import NOBODY, picture
from tests.support.waiting import eventually

PART = 8 * 1024 * 1024
FILM = b"%PDF-1.4 " + secrets.token_bytes(2 * PART)  # three parts, the last of some bytes


def begin(person: Person, size: int, name: str = "plan.pdf", kind: str = "application/pdf") -> dict[str, Any]:
    found = person.ask("POST", "/media/uploads", {"fileName": name, "mimeType": kind, "size": size}, gives=201)
    assert set(found) == {"id", "partSize", "parts", "expiresAt"}
    assert [part["number"] for part in found["parts"]] == list(range(1, -(-size // found["partSize"]) + 1))
    return dict(found)


def put(upload: dict[str, Any], data: bytes, numbers: Iterable[int] | None = None) -> list[dict[str, Any]]:
    done = []
    for part in upload["parts"]:
        if numbers is None or part["number"] in numbers:
            start = (part["number"] - 1) * upload["partSize"]
            answer = httpx.put(part["url"], content=data[start : start + upload["partSize"]], timeout=30)
            assert answer.status_code == 200, answer.text
            done.append({"number": part["number"], "etag": answer.headers["etag"]})
    return done


def test_a_large_file_goes_in_parts_and_goes_on_after_a_break(ann: Person, ben: Person, chat: str) -> None:
    upload = begin(ann, len(FILM))
    assert upload["partSize"] == PART
    assert urlsplit(upload["parts"][0]["url"]).netloc == urlsplit(ann.base_url).netloc
    path = f"/media/uploads/{upload['id']}"
    first = put(upload, FILM, {2})
    resumed = ann.ask("GET", path)
    assert [part["number"] for part in resumed["parts"] if "etag" in part] == [2]
    errors = ann.refused("POST", f"{path}/complete", {"parts": first}, code="invalid_request")["errors"]
    assert errors[0]["field"] == "parts"
    all_parts = put(resumed, FILM, {1, 3}) + first
    media = ann.ask("POST", f"{path}/complete", {"parts": all_parts}, gives=201, of=shapes.Media)
    assert (media["state"], media["kind"], media["mimeType"]) == ("ready", "document", "application/pdf")
    assert (media["size"], media["sha256"]) == (len(FILM), hashlib.sha256(FILM).hexdigest())
    answer = httpx.get(media["url"], timeout=30)
    assert answer.content == FILM
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.headers["content-disposition"].startswith('attachment; filename="plan.pdf"')
    again = ann.ask("POST", f"{path}/complete", {"parts": all_parts}, gives=200, of=shapes.Media)
    assert again["sha256"] == media["sha256"]
    ann.refused("GET", path, code="conflict")
    content = {"kind": "document", "mediaId": media["id"], "fileName": "plan.pdf", "size": len(FILM)}
    ann.say(chat, content)
    assert ben.ask("GET", f"/media/{media['id']}")["sha256"] == media["sha256"]


def test_a_picture_in_parts_is_cleaned_like_any_other(ann: Person) -> None:
    data = picture()
    upload = begin(ann, len(data), "teal.png", "image/png")
    done = put(upload, data)
    media = ann.ask("POST", f"/media/uploads/{upload['id']}/complete", {"parts": done}, gives=201, of=shapes.Media)
    assert (media["kind"], media["state"], media["width"]) == ("image", "ready", 64)
    assert httpx.get(media["thumbnailUrl"]).status_code == 200


async def test_what_is_not_what_it_claims_fails_and_is_gone(ann: Person) -> None:
    data = b"<svg onload=alert(1)>" * 100
    upload = begin(ann, len(data), "x.png", "image/png")
    media = ann.ask("POST", f"/media/uploads/{upload['id']}/complete", {"parts": put(upload, data)}, gives=201)
    await eventually(lambda: ann.ask("GET", f"/media/{media['id']}")["state"] == "failed", "it has failed")
    assert ann.ask("GET", f"/media/{media['id']}")["url"] is None


def test_row_47_a_signed_url_takes_one_part_of_one_size(ann: Person) -> None:
    upload = begin(ann, 1000)
    url = upload["parts"][0]["url"]
    assert httpx.put(url, content=bytes(1001)).status_code == 403
    assert httpx.get(url).status_code == 403
    assert httpx.put(url.replace("partNumber=1", "partNumber=2"), content=bytes(1000)).status_code == 403
    assert httpx.put(url, content=bytes(1000)).status_code == 200
    told = {"parts": [{"number": 1, "etag": "0" * 32}]}
    ann.refused("POST", f"/media/uploads/{upload['id']}/complete", told, code="invalid_request")


def test_uploads_are_their_owners_and_bounded(ann: Person, eve: Person) -> None:
    upload = begin(ann, 1000)
    told = {"parts": [{"number": 1, "etag": "x"}]}
    for person, name in ((eve, upload["id"]), (ann, NOBODY), (ann, "nonsense")):
        person.refused("GET", f"/media/uploads/{name}", code="not_found")
        person.refused("POST", f"/media/uploads/{name}/complete", told, code="not_found")
    eve.refused("GET", f"/media/{upload['id']}", code="not_found")
    good = {"fileName": "a", "mimeType": "application/pdf", "size": 1000}
    for bad in ({"size": 0}, {"size": 1.5}, {"fileName": ""}, {"mimeType": 7}):
        ann.refused("POST", "/media/uploads", good | bad, code="invalid_request")
    ann.refused("POST", "/media/uploads", good | {"size": 101 * 1024 * 1024}, code="too_large")
    ann.refused("POST", "/media/uploads", good | {"size": 17 * 1024 * 1024, "mimeType": "image/png"}, code="too_large")
    for bad_parts in ([], [{"number": 0, "etag": "x"}], [{"number": 1}]):
        path = f"/media/uploads/{upload['id']}/complete"
        ann.refused("POST", path, {"parts": bad_parts}, code="invalid_request")
    for _ in range(49):
        begin(eve, 10)
    begin(eve, 10)
    eve.refused("POST", "/media/uploads", good, code="limit_exceeded")
