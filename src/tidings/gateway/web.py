"""The web client's files, read once at the start and served from memory.

What has a hash in its name never changes and may be kept for ever; the shell, the worker and the manifest are asked
about each time, which is a 304 unless there is a new release.
"""

import hashlib
import mimetypes
from pathlib import Path
from typing import Any, Final

import msgspec
from litestar import Request, Response, route
from litestar.enums import HttpMethod

from tidings.contracts.errors import ApiError
from tidings.contracts.pages import FILES, FOLDERS, PAGES

SHELL: Final = "/index.html"
FOREVER: Final = "public, max-age=31536000, immutable"
ASK: Final = "no-cache"
KINDS: Final = {
    ".html": "text/html", ".js": "text/javascript", ".css": "text/css",
    ".json": "application/json", ".webmanifest": "application/manifest+json", ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
}  # fmt: skip
ENCODINGS: Final = (("br", ".br"), ("gzip", ".gz"))  # the smaller first

POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob: data:",
        "media-src 'self' blob:",
        "font-src 'self'",
        "connect-src 'self'",
        "worker-src 'self'",
        "manifest-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types tidings",
    )
)
HEADERS: Final = {
    "content-security-policy": POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(self), microphone=(self), geolocation=(self), browsing-topics=()",
    "vary": "accept-encoding",
}


class File(msgspec.Struct, frozen=True):
    """One file: its bytes by encoding, the plain ones under `identity`."""

    bodies: dict[str, bytes]
    headers: dict[str, str]
    etag: str


def found(folder: str) -> Path | None:
    """Where the built client is: the setting, else `web/dist` of this checkout. None when it was never built."""
    path = Path(folder) if folder else Path(__file__).parents[3] / "web" / "dist"
    return path if (path / "index.html").is_file() else None


def load(folder: Path) -> dict[str, File]:
    """Path below `/` to file."""
    files = {}
    for path in sorted(folder.rglob("*")):
        if path.is_dir() or path.suffix in (".br", ".gz"):
            continue
        name = "/" + path.relative_to(folder).as_posix()
        bodies = {"identity": path.read_bytes()}
        for encoding, suffix in ENCODINGS:
            packed = path.with_name(path.name + suffix)
            if packed.is_file():
                bodies[encoding] = packed.read_bytes()
        kind = KINDS.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        etag = f'"{hashlib.sha256(bodies["identity"]).hexdigest()[:20]}"'
        cache = FOREVER if name.startswith("/assets/") else ASK
        files[name] = File(bodies, {"content-type": kind, "cache-control": cache, **HEADERS}, etag)
    return files


def answer(file: File, accepted: str, known: str) -> Response[bytes]:
    """The file in the smallest encoding the client takes, or 304."""
    headers = {**file.headers, "etag": file.etag}
    if file.etag in known or known == "*":
        return Response(b"", status_code=304, headers=headers)
    offered = {part.partition(";")[0].strip() for part in accepted.lower().split(",") if "q=0" not in part.split(";")}
    encoding = next((name for name, _ in ENCODINGS if name in offered and name in file.bodies), "identity")
    if encoding != "identity":
        headers["content-encoding"] = encoding
    return Response(file.bodies[encoding], headers=headers, media_type=headers.pop("content-type"))


def routes(folder: Path) -> list[Any]:
    """The client's addresses."""
    files = load(folder)
    paths = [*FILES, *PAGES, *(root + "/{rest:path}" for root in (*FOLDERS, *PAGES))]

    @route(paths, http_method=[HttpMethod.GET, HttpMethod.HEAD], sync_to_thread=False, include_in_schema=False)
    def serve(request: Request[Any, Any, Any]) -> Response[bytes]:
        path = request.url.path
        inside = path == "/" or any(path == root or path.startswith(root + "/") for root in PAGES)
        file = files.get(SHELL if inside else path)
        if file is None:
            raise ApiError("not_found")
        return answer(file, request.headers.get("accept-encoding", ""), request.headers.get("if-none-match", ""))

    return [serve]
