"""HTTP: uploads in one form and in parts, and `GET /media/{id}`."""

from dataclasses import dataclass
from typing import Any, Final

from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.spec import OpenAPIFormat, OpenAPIMediaType, OpenAPIType, Operation, RequestBody, Schema

from tidings.contracts.errors import ApiError
from tidings.contracts.ids import is_id
from tidings.contracts.objects import Media
from tidings.media.attach import Access
from tidings.media.objects import Objects
from tidings.media.parts import Begin, Complete, PartUploads, Upload
from tidings.media.show import show
from tidings.media.upload import Uploads
from tidings.platform.http import Caller, there_already

# The body is read as it comes, so Litestar does not see it.
FORM: Final = RequestBody(
    required=True,
    content={
        "multipart/form-data": OpenAPIMediaType(
            schema=Schema(
                type=OpenAPIType.OBJECT,
                required=["file"],
                properties={"file": Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.BINARY)},
            )
        )
    },
)
FORM_BYTES = 64 * 1024  # boundaries and headers around the file


@dataclass
class _TakesForm(Operation):
    """The description of a route that takes a file."""

    def __post_init__(self) -> None:
        self.request_body = FORM


def routes(
    uploads: Uploads, parts: PartUploads, access: Access, objects: Objects, upload_bytes: int
) -> list[HTTPRouteHandler]:
    """The handlers."""

    @post(
        "/api/v1/media/upload",
        status_code=201,
        request_max_body_size=upload_bytes + FORM_BYTES,
        operation_class=_TakesForm,
        summary="Upload a file",
        description="`multipart/form-data` with a field `file`, at most 16 MB.",
    )
    async def upload(request: Request[Any, Any, Any], caller: Caller) -> Media:
        content_type = request.headers.get("content-type", "")
        record = await uploads.receive(caller.user_id, content_type, aiter(request.stream()))
        return (await show([record], objects, caller.base_url))[0]

    @post("/api/v1/media/uploads", status_code=201, summary="Begin an upload in parts")
    async def begin(data: Begin, caller: Caller) -> Upload:
        return await parts.begin(caller.user_id, data, caller.base_url)

    @get("/api/v1/media/uploads/{media_id:str}", summary="The parts that are there, and fresh URLs")
    async def resume(media_id: str, caller: Caller) -> Upload:
        return await parts.show(caller.user_id, _id(media_id), caller.base_url)

    @post(
        "/api/v1/media/uploads/{media_id:str}/complete",
        status_code=201,
        summary="Join the parts",
        responses=there_already(Media),
    )
    async def complete(media_id: str, data: Complete, caller: Caller) -> Response[Media]:
        record, made = await parts.complete(caller.user_id, _id(media_id), data.parts)
        return Response((await show([record], objects, caller.base_url))[0], status_code=201 if made else 200)

    @get("/api/v1/media/{media_id:str}", summary="A file and its URLs")
    async def read(media_id: str, caller: Caller) -> Media:
        record = await access.open(_id(media_id), caller.user_id)
        return (await show([record], objects, caller.base_url))[0]

    return [upload, begin, resume, complete, read]


def _id(text: str) -> str:
    if not is_id(text):
        raise ApiError("not_found")
    return text
