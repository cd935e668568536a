"""Highlights: what the search found is shown where it stands, in any script."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidings.message.search import spans


@pytest.mark.parametrize(
    ("shown", "text", "found"),
    [
        ("Hello hello", "HELLO", [(0, 5), (6, 11)]),
        ("Lange Straße 5", "strasse", [(6, 12)]),
        ("STRASSE", "straße", [(0, 7)]),
        ("ß", "s", [(0, 1)]),
        ("ΣΊΣΥΦΟΣ", "σίσυφος", [(0, 7)]),
        ("مرحبا بالعالم", "بال", [(6, 9)]),
        ("👩‍🚀 to the moon", "moon", [(11, 15)]),
        ("nothing", "else", []),
    ],
)
def test_spans(shown: str, text: str, found: list[tuple[int, int]]) -> None:
    assert spans(shown, text) == found


@given(st.text(), st.text(min_size=1, max_size=4))
def test_what_is_found_is_highlighted(shown: str, text: str) -> None:
    found = spans(shown, text)
    assert bool(found) == (text.casefold() in shown.casefold())
    for start, end in found:
        assert 0 <= start < end <= len(shown)
        assert text.casefold() in shown[start:end].casefold()
