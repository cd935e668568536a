"""What the terminal client saves a file as."""

import pytest

from tidings.cli.chat.actions import file_name


@pytest.mark.parametrize(
    ("content", "media", "name"),
    [
        ({"kind": "image"}, {"mimeType": "image/png", "fileName": None}, "tidings-7.png"),
        ({"kind": "image"}, {"mimeType": "image/jpeg", "fileName": None}, "tidings-7.jpg"),
        ({"kind": "image"}, {"mimeType": "image/webp", "fileName": "Sea.webp"}, "Sea.webp"),
        ({"kind": "voice"}, {"mimeType": "audio/webm", "fileName": "blob"}, "blob.webm"),
        ({"kind": "document", "fileName": "a/../Plan.pdf"}, {"mimeType": "application/pdf"}, "Plan.pdf"),
        ({"kind": "document"}, {"mimeType": "application/x-nobody-knows"}, "tidings-7"),
    ],
)
def test_a_file_keeps_its_name_and_ends_as_what_it_is(
    content: dict[str, object], media: dict[str, object], name: str
) -> None:
    assert file_name(content, media, 7) == name
