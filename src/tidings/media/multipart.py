"""The one file of a multipart form, read as it arrives: at most one chunk of it is in memory."""

from collections import deque
from collections.abc import AsyncIterator
from typing import Final

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from tidings.contracts.errors import ApiError, invalid

_MOST_HEADER_BYTES: Final = 8192


class Form:
    """A `multipart/form-data` body. Owner: the request that reads it; first `open`, then `read` to the end."""

    def __init__(self, content_type: str, chunks: AsyncIterator[bytes], field: str = "file") -> None:
        kind, options = parse_options_header(content_type)
        boundary = options.get(b"boundary", b"")
        if kind != b"multipart/form-data" or not 0 < len(boundary) <= 200:
            raise ApiError("invalid_request", f"send multipart/form-data with a field `{field}`")
        self.file_name = ""
        self.content_type = ""
        self._field = field
        self._chunks = chunks
        self._ready: deque[bytes] = deque()
        self._header: list[bytes] = [b"", b""]
        self._headers: dict[bytes, bytes] = {}
        self._inside = self._found = self._complete = False
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._on_part_begin,
                "on_header_field": self._on_header_field,
                "on_header_value": self._on_header_value,
                "on_header_end": self._on_header_end,
                "on_headers_finished": self._on_headers_finished,
                "on_part_data": self._on_part_data,
                "on_part_end": self._on_part_end,
            },
        )

    async def open(self) -> None:
        """Read up to the file's content. Raises ApiError `invalid_request` when the form has no file."""
        while not self._found:
            if not await self._feed():
                raise invalid(self._field, "the form has no such file")

    async def read(self) -> bytes:
        """The next bytes of the file; empty at its end. Raises ApiError when the form ends before it."""
        while not self._ready:
            if self._complete:
                return b""
            if not await self._feed():
                raise ApiError("invalid_request", "the form ends before its file does")
        return self._ready.popleft()

    async def drain(self) -> None:
        """Read on to the end of the request, so that an answer given early reaches its client."""
        async for _ in self._chunks:
            pass

    async def _feed(self) -> bool:
        chunk = await anext(self._chunks, None)
        if chunk is None:
            return False
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise ApiError("invalid_request", f"the form cannot be read: {error}") from None
        return True

    def _on_part_begin(self) -> None:
        self._headers = {}
        self._header = [b"", b""]

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._grow(0, data[start:end])

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._grow(1, data[start:end])

    def _grow(self, part: int, data: bytes) -> None:
        if len(self._header[part]) + len(data) > _MOST_HEADER_BYTES:
            raise ApiError("invalid_request", "a header of the form is too long")
        self._header[part] += data

    def _on_header_end(self) -> None:
        if len(self._headers) < 16:
            self._headers[self._header[0].lower()] = self._header[1]
        self._header = [b"", b""]

    def _on_headers_finished(self) -> None:
        kind, options = parse_options_header(self._headers.get(b"content-disposition"))
        wanted = kind == b"form-data" and options.get(b"name") == self._field.encode()
        if not wanted or self._found:
            return
        self._found = self._inside = True
        self.file_name = options.get(b"filename", b"").decode(errors="replace")
        self.content_type = self._headers.get(b"content-type", b"").decode("latin-1")

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._inside:
            self._ready.append(data[start:end])

    def _on_part_end(self) -> None:
        if self._inside:
            self._inside = False
            self._complete = True
