"""HTTP: `POST /media/upload` and `GET /media/{id}`."""

from typing import Any

from litestar import Request, get, post
from litestar.handlers import HTTPRouteHandler

from tidings.contracts.errors import ApiError
from tidings.contracts.ids import is_id
from tidings.contracts.objects import Media
from tidings.media.attach import Access
from tidings.media.objects import Objects
from tidings.media.show import show
from tidings.media.upload import Uploads
from tidings.platform.http import Caller

FORM_BYTES = 64 * 1024  # boundaries and headers around the file


def routes(uploads: Uploads, access: Access, objects: Objects, upload_bytes: int) -> list[HTTPRouteHandler]:
    """The handlers."""

    @post(
        "/api/v1/media/upload",
        status_code=201,
        request_max_body_size=upload_bytes + FORM_BYTES,
        summary="Upload a file",
        description="`multipart/form-data` with a field `file`, at most 16 MB.",
    )
    async def upload(request: Request[Any, Any, Any], caller: Caller) -> Media:
        content_type = request.headers.get("content-type", "")
        record = await uploads.receive(caller.user_id, content_type, aiter(request.stream()))
        return (await show([record], objects, caller.base_url))[0]

    @get("/api/v1/media/{media_id:str}", summary="A file and its URLs")
    async def read(media_id: str, caller: Caller) -> Media:
        if not is_id(media_id):
            raise ApiError("not_found")
        record = await access.open(media_id, caller.user_id)
        return (await show([record], objects, caller.base_url))[0]

    return [upload, read]
