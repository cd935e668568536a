"""Forms arrive in any pieces."""

from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidings.contracts.errors import ApiError
from tidings.media.multipart import Form

TYPE = "multipart/form-data; boundary=xyz"


def form(content: bytes, name: str = "file", file_name: str = "a.txt") -> bytes:
    return (
        b'--xyz\r\nContent-Disposition: form-data; name="note"\r\n\r\nignored\r\n'
        + f'--xyz\r\nContent-Disposition: form-data; name="{name}"; filename="{file_name}"\r\n'.encode()
        + b"Content-Type: text/plain\r\n\r\n"
        + content
        + b"\r\n--xyz--\r\n"
    )


async def pieces(body: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(body), size):
        yield body[start : start + size]


async def read(body: bytes, size: int = 7, content_type: str = TYPE) -> tuple[Form, bytes]:
    made = Form(content_type, pieces(body, size))
    await made.open()
    content = b""
    while chunk := await made.read():
        content += chunk
    return made, content


@given(st.binary(max_size=300), st.integers(1, 50))
async def test_any_pieces_give_the_file(content: bytes, size: int) -> None:
    made, found = await read(form(content), size)
    assert found == content
    assert made.file_name == "a.txt"
    assert made.content_type == "text/plain"


async def test_names_are_utf8() -> None:
    made, _ = await read(form(b"x", file_name="写真.png"))
    assert made.file_name == "写真.png"


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (form(b"x", name="other"), TYPE),
        (form(b"some content")[:-20], TYPE),
        (b"garbage", TYPE),
        (b"", TYPE),
        (form(b"x"), "application/json"),
        (form(b"x"), "multipart/form-data"),
        (form(b"x"), "multipart/form-data; boundary=" + "b" * 300),
        (b"--xyz\r\nX: " + b"y" * 20_000 + b"\r\n\r\nx\r\n--xyz--\r\n", TYPE),
    ],
)
async def test_bad_forms_are_refused(body: bytes, content_type: str) -> None:
    with pytest.raises(ApiError) as raised:
        await read(body, content_type=content_type)
    assert raised.value.code == "invalid_request"
