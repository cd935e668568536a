"""What may stand in a message (contract section 2) and what is refused."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidings.contracts import content
from tidings.contracts.content import Text
from tidings.contracts.errors import ApiError
from tidings.contracts.limits import Limits

LIMITS = Limits()
MEDIA = "01a20af0-fe5f-76e8-b089-d65d2d2cf7d7"


def check(value: object) -> content.Content:
    return content.check(json.dumps(value).encode(), LIMITS)


@pytest.mark.parametrize(
    "value",
    [
        "hello",
        {"kind": "text", "text": "hello"},
        {"kind": "image", "mediaId": MEDIA, "width": 3, "height": 4, "caption": "x"},
        {"kind": "video", "mediaId": MEDIA, "width": 3, "height": 4, "durationMs": 5},
        {"kind": "voice", "mediaId": MEDIA, "durationMs": 5, "waveform": [0] * 64},
        {"kind": "audio", "mediaId": MEDIA, "durationMs": 5},
        {"kind": "document", "mediaId": MEDIA, "fileName": "a.pdf", "size": 1},
        {"kind": "location", "lat": 1.5, "lon": 2, "name": "home"},
        {"kind": "contact", "name": "Ada", "phones": ["+4912345678"]},
        {"kind": "sticker", "mediaId": MEDIA},
        {"kind": "poll", "question": "?", "options": [{"id": "a", "text": "A"}, {"id": "b", "text": "B"}]},
    ],
)
def test_every_kind_of_the_contract_is_taken_and_comes_back_as_an_object(value: object) -> None:
    stored = json.loads(content.encode(check(value)))
    assert stored["kind"] == ("text" if isinstance(value, str) else value["kind"])  # type: ignore[index]


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("", "invalid_request"),
        ("   ", "invalid_request"),
        ("x" * 8193, "limit_exceeded"),
        ("nul\x00", "invalid_request"),
        (5, "invalid_request"),
        (None, "invalid_request"),
        ({"kind": "nosuch"}, "invalid_request"),
        ({"kind": "text", "text": {"$ne": ""}}, "invalid_request"),
        ({"kind": "image", "mediaId": "../etc", "width": 1, "height": 1}, "invalid_request"),
        ({"kind": "location", "lat": 91, "lon": 0}, "invalid_request"),
        ({"kind": "poll", "question": "?", "options": [{"id": "a", "text": "A"}]}, "limit_exceeded"),
        ({"kind": "poll", "question": "?", "options": [{"id": "a", "text": "A"}] * 2}, "invalid_request"),
        ({"kind": "voice", "mediaId": MEDIA, "durationMs": 1, "waveform": [300] * 64}, "invalid_request"),
    ],
)
def test_bad_content_is_refused_with_its_code(value: object, code: str) -> None:
    with pytest.raises(ApiError) as refused:
        check(value)
    assert refused.value.code == code


@pytest.mark.parametrize("raw", [b"", b"{", b'"\xff"', b"[" * 10_000, b'{"kind":"location","lat":NaN,"lon":1}'])
def test_what_is_no_json_is_refused(raw: bytes) -> None:
    with pytest.raises(ApiError) as refused:
        content.check(raw, LIMITS)
    assert refused.value.code == "invalid_request"


@given(st.text(min_size=1, max_size=200).filter(lambda t: t.strip() and "\x00" not in t))
def test_text_survives_storage_unchanged(text: str) -> None:
    found = content.check(content.encode(check(text)), LIMITS)
    assert isinstance(found, Text)
    assert found.text == text


@pytest.mark.parametrize("emoji", ["👍", "❤️", "👨‍👩‍👧", "1️⃣", "🇩🇪"])
def test_one_emoji_is_one_grapheme(emoji: str) -> None:
    assert content.is_emoji(emoji)


@pytest.mark.parametrize("other", ["", "a", "1", " ", "👍👍", "中", "x" * 40])
def test_what_is_no_single_emoji(other: str) -> None:
    assert not content.is_emoji(other)


@given(st.text(max_size=300))
def test_a_preview_is_short(text: str) -> None:
    assert len(content.preview(Text(text=text))) <= 120
