"""File names as they are kept and told."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidings.media.names import clean, disposition


@pytest.mark.parametrize(
    ("given_name", "kept"),
    [
        ("photo.jpg", "photo.jpg"),
        ("../../etc/passwd", "passwd"),
        ("C:\\temp\\a.txt", "a.txt"),
        ("a\r\nSet-Cookie: x=1.txt", "aSet-Cookie_ x=1.txt"),
        ("invoice\u202efdp.exe", "invoicefdp.exe"),
        ("zero\u200bwidth.png", "zerowidth.png"),
        ("  .hidden ", "hidden"),
        ("..", "file"),
        ("", "file"),
        ("\x00\x01", "file"),
        ("Käse \t Brot.pdf", "Käse Brot.pdf"),
        ("写真.png", "写真.png"),
    ],
)
def test_clean(given_name: str, kept: str) -> None:
    assert clean(given_name) == kept


def test_a_long_name_keeps_its_extension() -> None:
    kept = clean("ж" * 4096 + ".jpeg")
    assert kept.endswith("ж.jpeg")
    assert len(kept.encode()) <= 255


@given(st.text(max_size=400))
def test_any_name_ends_harmless(name: str) -> None:
    kept = clean(name)
    assert kept
    assert len(kept.encode()) <= 255
    assert "/" not in kept
    assert "\\" not in kept
    assert kept not in (".", "..")
    assert not any(unicodedata.category(character) in ("Cc", "Cf", "Cs") for character in kept)
    assert clean(kept) == kept


@given(st.text(max_size=100))
def test_disposition_is_one_ascii_header(name: str) -> None:
    value = disposition(clean(name), inline=False)
    assert value.isascii()
    assert value.isprintable()
    assert value.startswith('attachment; filename="')
    assert value.count('"') == 2
