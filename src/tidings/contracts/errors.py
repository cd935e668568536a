"""The closed set of error codes a client may see, and the exception that carries one."""

from typing import Final

import msgspec

STATUS: Final[dict[str, int]] = {
    "invalid_request": 400,
    "invalid_frame": 400,
    "otp_invalid": 400,
    "otp_expired": 400,
    "unauthenticated": 401,
    "token_expired": 401,
    "token_revoked": 401,
    "forbidden": 403,
    "blocked": 403,
    "privacy": 403,
    "not_found": 404,
    "method_not_allowed": 405,
    "request_timeout": 408,
    "conflict": 409,
    "cursor_expired": 410,
    "edit_window_closed": 410,
    "delete_window_closed": 410,
    "too_large": 413,
    "unsupported_media": 415,
    "limit_exceeded": 422,
    "rate_limited": 429,
    "internal": 500,
    "unavailable": 503,
    "overloaded": 503,
}
"""Code to HTTP status (contract section 1)."""

TITLES: Final[dict[str, str]] = {
    "invalid_request": "The request is not valid",
    "invalid_frame": "The frame is not valid",
    "otp_invalid": "The code is wrong",
    "otp_expired": "The code has expired",
    "unauthenticated": "Sign in first",
    "token_expired": "The access token has expired",
    "token_revoked": "The session was ended",
    "forbidden": "Not allowed",
    "blocked": "One of you has blocked the other",
    "privacy": "Their privacy settings do not allow this",
    "not_found": "Not found",
    "method_not_allowed": "This method does not exist here",
    "request_timeout": "The request took too long to arrive",
    "conflict": "In conflict with the present state",
    "cursor_expired": "The cursor is too old: begin anew",
    "edit_window_closed": "Too late to edit",
    "delete_window_closed": "Too late to delete for everyone",
    "too_large": "Too large",
    "unsupported_media": "This kind of content is not supported",
    "limit_exceeded": "A limit was exceeded",
    "rate_limited": "Too many requests",
    "internal": "Something went wrong on our side",
    "unavailable": "Not available at the moment",
    "overloaded": "Too busy at the moment",
}

RETRYABLE: Final = frozenset({"rate_limited", "internal", "unavailable", "overloaded"})
"""What a client may send again; everything else is final (contract section 1)."""


class FieldError(msgspec.Struct, frozen=True):
    """One wrong field of a request."""

    field: str
    message: str


class Problem(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=False):
    """An RFC 9457 `application/problem+json` body."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str
    errors: list[FieldError] | None = None


class ApiError(Exception):
    """A refusal with a stable code; raised where the rule is, translated once at the edge.

    `retry_after_ms` tells the caller when to try again, for the retryable codes; `limit` how many
    are allowed in its window, of a `rate_limited`.
    """

    def __init__(
        self,
        code: str,
        detail: str = "",
        *,
        errors: list[FieldError] | None = None,
        retry_after_ms: int | None = None,
        limit: int | None = None,
    ) -> None:
        super().__init__(f"{code}: {detail}" if detail else code)
        self.code = code
        self.detail = detail or TITLES[code]
        self.errors = errors
        self.retry_after_ms = retry_after_ms
        self.limit = limit

    @property
    def status(self) -> int:
        """The HTTP status of this code."""
        return STATUS[self.code]

    def problem(self, request_id: str) -> Problem:
        """This error as the body of an HTTP answer."""
        return Problem(
            type=f"urn:tidings:problem:{self.code}",
            title=TITLES[self.code],
            status=self.status,
            detail=self.detail,
            code=self.code,
            request_id=request_id,
            errors=self.errors,
        )


def invalid(field: str, message: str) -> ApiError:
    """An `invalid_request` about one field."""
    return ApiError("invalid_request", f"{field}: {message}", errors=[FieldError(field, message)])
