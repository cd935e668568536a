"""The only file that knows S3: bytes in, bytes out, and signed URLs that clients reach through the gateway."""

import tempfile
import xml.etree.ElementTree as ET
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from io import BufferedRandom
from pathlib import Path
from typing import IO, Final
from urllib.parse import SplitResult, quote, urlsplit, urlunsplit
from xml.sax.saxutils import escape

import httpx
import obstore
from obstore.exceptions import BaseError, NotFoundError
from obstore.store import S3Store

from tidings.contracts.errors import ApiError
from tidings.media import signing
from tidings.platform import logging, metrics

_log = logging.get(__name__)

CALL_TIMEOUT_S: Final = 20.0
PART_BYTES: Final = 5 * 1024 * 1024  # the least that S3 takes as a part: what an upload holds in memory

GATEWAY_PREFIX: Final = "/media"
"""Below this the gateway passes requests on to the object store, without it."""


class Objects:
    """The bucket. `internal_url` is the S3 endpoint as this process reaches it; signatures are made for it."""

    def __init__(
        self,
        internal_url: str,
        bucket: str,
        region: str,
        access_key: str,
        secret_key: str,
        namespace: str,
        url_lifetime_s: int,
    ) -> None:
        self._lifetime = timedelta(seconds=url_lifetime_s)
        self._folder = f"{namespace}/"  # systems that share a bucket must not sweep each other's files
        self._endpoint = internal_url.rstrip("/")
        self._bucket = bucket
        self._region, self._access_key, self._secret_key = region, access_key, secret_key
        self._store = S3Store(
            bucket,
            endpoint=self._endpoint,
            region=region,
            access_key_id=access_key,
            secret_access_key=secret_key,
            virtual_hosted_style_request=False,
            client_options={"allow_http": True, "timeout": "60s", "connect_timeout": "3s"},
            retry_config={"max_retries": 3, "retry_timeout": timedelta(seconds=10)},
        )

    async def ping(self) -> None:
        """Raises when the bucket cannot be read."""
        await self.size("ready")

    async def put(
        self, key: str, body: AsyncIterator[bytes] | IO[bytes], content_type: str, content_disposition: str
    ) -> None:
        """Store an object, all or nothing, with at most two parts of it in memory."""
        attributes = {
            "Content-Type": content_type,
            "Content-Disposition": content_disposition,
            # Signed URLs change with every answer, so shared caches gain nothing and must not keep it.
            "Cache-Control": "private, max-age=31536000, immutable",
        }
        try:
            await obstore.put_async(
                self._store, self._folder + key, body, attributes=attributes, chunk_size=PART_BYTES, max_concurrency=1
            )
        except BaseError as error:
            raise _unavailable(error) from error

    async def fetch(self, key: str, folder: Path) -> BufferedRandom:
        """An object in a nameless file that vanishes with its last descriptor. Raises ApiError `not_found`."""
        file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  the caller closes it
        try:
            async for chunk in self.read(key):
                file.write(chunk)
        except BaseException:
            file.close()
            raise
        file.seek(0)
        return file

    async def read(self, key: str) -> AsyncIterator[bytes]:
        """The bytes of an object. Raises ApiError `not_found`."""
        try:
            found = await obstore.get_async(self._store, self._folder + key)
            async for chunk in found.stream(min_chunk_size=1 << 20):
                yield bytes(chunk)
        except (FileNotFoundError, NotFoundError):
            raise ApiError("not_found") from None
        except BaseError as error:
            raise _unavailable(error) from error

    async def size(self, key: str) -> int | None:
        """The size of an object; None when it is not there."""
        try:
            return int((await obstore.head_async(self._store, self._folder + key))["size"])
        except (FileNotFoundError, NotFoundError):
            return None
        except BaseError as error:
            raise _unavailable(error) from error

    async def head(self, key: str, most: int) -> bytes:
        """The first bytes of an object."""
        taken = b""
        async for chunk in self.read(key):
            taken += chunk
            if len(taken) >= most:
                break
        return taken[:most]

    async def delete(self, *keys: str) -> None:
        """Remove objects; those not there are fine."""
        for key in keys:
            try:
                await obstore.delete_async(self._store, self._folder + key)
            except (FileNotFoundError, NotFoundError):
                continue
            except BaseError as error:
                raise _unavailable(error) from error

    async def older_than(self, age_s: float) -> AsyncIterator[list[str]]:
        """Keys of everything stored longer ago, a page at a time."""
        before = datetime.now(UTC) - timedelta(seconds=age_s)
        for folder in ("incoming", "files", "thumbnails"):
            async for page in obstore.list(self._store, self._folder + folder, chunk_size=500):
                yield [
                    str(entry["path"]).removeprefix(self._folder) for entry in page if entry["last_modified"] < before
                ]

    async def unfinished_parts(self, age_s: float) -> list[tuple[str, str]]:
        """Key and id of uploads in parts that were begun longer ago and never ended: what a killed process
        leaves, and no listing of objects shows."""
        before = datetime.now(UTC) - timedelta(seconds=age_s)
        begun = _elements(await self._call("GET", "", {"uploads": ""}), "Upload")
        return [
            (told["Key"].removeprefix(self._folder), told["UploadId"])
            for told in begun
            if told["Key"].startswith(self._folder) and datetime.fromisoformat(told["Initiated"]) < before
        ]

    async def abort_parts(self, key: str, upload_id: str) -> None:
        """Drop such an upload."""
        await self._call("DELETE", self._folder + key, {"uploadId": upload_id})

    async def begin_parts(self, key: str) -> str:
        """Begin an object that comes in parts; its id at the store."""
        answer = await self._call("POST", self._folder + key, {"uploads": ""})
        return _elements(answer, "InitiateMultipartUploadResult")[0]["UploadId"]

    async def held_parts(self, key: str, upload_id: str) -> dict[int, tuple[str, int]] | None:
        """Tag and size of the parts that are there, by number; None when there is no such upload (any more)."""
        answer = await self._call("GET", self._folder + key, {"uploadId": upload_id, "max-parts": "1000"})
        if answer.status_code == 404:
            return None
        return {
            int(told["PartNumber"]): (told["ETag"].strip('"'), int(told["Size"])) for told in _elements(answer, "Part")
        }

    async def join_parts(self, key: str, upload_id: str, tags: list[str]) -> None:
        """Make the parts 1, 2, ... the object, all or nothing."""
        parts = "".join(
            f"<Part><PartNumber>{number}</PartNumber><ETag>&quot;{escape(tag)}&quot;</ETag></Part>"
            for number, tag in enumerate(tags, 1)
        )
        body = f"<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>".encode()
        await self._call("POST", self._folder + key, {"uploadId": upload_id}, body)

    def part_urls(
        self, key: str, upload_id: str, sizes: Sequence[int], base_url: str, now: datetime
    ) -> tuple[list[str], datetime]:
        """URLs under `base_url` that take the parts 1, 2, ..., each of just its size, and when they end."""
        path, outer = self._path(self._folder + key), urlsplit(base_url)
        urls = []
        for number, size in enumerate(sizes, 1):
            query = signing.presign(
                "PUT", self._endpoint, path, {"partNumber": str(number), "uploadId": upload_id}, now,
                int(self._lifetime.total_seconds()), self._region, self._access_key, self._secret_key, size,
            )  # fmt: skip
            urls.append(_outward(f"{self._origin}{path}?{query}", outer))
        return urls, now + self._lifetime

    @property
    def _origin(self) -> str:
        return self._endpoint.removesuffix(urlsplit(self._endpoint).path)

    def _path(self, key: str) -> str:
        return f"{urlsplit(self._endpoint).path}/{self._bucket}" + (f"/{quote(key)}" if key else "")

    async def _call(self, method: str, key: str, query: dict[str, str], body: bytes = b"") -> httpx.Response:
        path = self._path(key)
        headers = signing.sign(
            method, self._endpoint, path, query, datetime.now(UTC), self._region, self._access_key, self._secret_key,
            body,
        )  # fmt: skip
        url = f"{self._origin}{path}?{signing.query_string(query)}"
        try:
            async with httpx.AsyncClient(timeout=CALL_TIMEOUT_S) as client:
                answer = await client.request(method, url, headers=headers, content=body or None)
        except httpx.HTTPError as error:
            raise _unavailable(error) from error
        # Joining may fail after the status was sent: then the body is an error (S3 API Reference).
        if (answer.status_code >= 300 and answer.status_code != 404) or b"<Error>" in answer.content[:200]:
            raise _unavailable(RuntimeError(f"{method} answered {answer.status_code}"))
        return answer

    async def sign(self, keys: list[str], base_url: str) -> tuple[list[str], datetime]:
        """URLs under `base_url` by which these objects can be read, and when they end.

        The signature covers the Host and path of the internal endpoint, which the gateway puts back.
        """
        ends = datetime.now(UTC) + self._lifetime
        signed = await obstore.sign_async(self._store, "GET", [self._folder + key for key in keys], self._lifetime)
        outer = urlsplit(base_url)
        return [_outward(url, outer) for url in signed], ends


def _elements(answer: httpx.Response, name: str) -> list[dict[str, str]]:
    """The children of each element called `name`, by their names."""
    root = ET.fromstring(answer.content)  # noqa: S314  our own store's
    found = [element for element in root.iter() if element.tag.rpartition("}")[2] == name]
    return [{item.tag.rpartition("}")[2]: item.text or "" for item in element} for element in found]


def _outward(url: str, outer: SplitResult) -> str:
    inner = urlsplit(url)
    return urlunsplit(inner._replace(scheme=outer.scheme, netloc=outer.netloc, path=GATEWAY_PREFIX + inner.path))


def _unavailable(error: Exception) -> ApiError:
    metrics.DEPENDENCY.labels("s3").inc()
    _log.warning("object store failed", error=repr(error)[:500])
    return ApiError("unavailable", "files cannot be reached at the moment")
