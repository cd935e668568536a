"""Structured logs: one JSON object a line on stdout, with request and trace id, and never a secret."""

import logging as stdlib
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import msgspec
import structlog
from opentelemetry import trace

from tidings.platform.context import request_id

_SECRET_KEYS = re.compile(r"token|ticket|secret|password|authorization|otp|code_hash|cookie", re.IGNORECASE)
_PHONE = re.compile(r"\+\d{6,15}")
_URL_CREDENTIALS = re.compile(r"//[^/@\s]+@")
_QUERY_SECRETS = re.compile(r"((?:ticket|token|X-Amz-Signature|X-Amz-Credential)=)[^&\s\"]+", re.IGNORECASE)
_JWT = re.compile(r"eyJ[\w-]{8,}\.[\w-]+\.[\w-]+")
MAX_DEPTH = 8
_ENCODER = msgspec.json.Encoder(enc_hook=str)

Logger = structlog.typing.FilteringBoundLogger


def setup(service: str, instance: str, level: str) -> None:
    """Configure structlog, and send what libraries log through it too."""
    threshold = stdlib.getLevelNamesMapping().get(level.upper(), stdlib.INFO)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _with(service, instance),
            structlog.processors.format_exc_info,
            redact,
            _render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.PrintLoggerFactory(sys.stdout),
        cache_logger_on_first_use=True,
    )
    root = stdlib.getLogger()
    root.handlers = [_Forward()]
    root.setLevel(max(threshold, stdlib.WARNING))


def get(name: str) -> Logger:
    """The logger of a module."""
    logger: Logger = structlog.get_logger(module=name)
    return logger


class _Forward(stdlib.Handler):
    """Library logs, in our format."""

    def emit(self, record: stdlib.LogRecord) -> None:
        event = record.getMessage()
        get(record.name).log(record.levelno, event, exc_info=record.exc_info if record.exc_info else None)


def _with(service: str, instance: str) -> structlog.typing.Processor:
    def add(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event["service"] = service
        event["instance"] = instance
        if request := request_id.get():
            event.setdefault("requestId", request)
        span = trace.get_current_span().get_span_context()
        if span.is_valid:
            event["traceId"] = f"{span.trace_id:032x}"
        return event

    return add


def redact(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Hide what must never be read in a log, at any depth: keys that name secrets, phone numbers, credentials in URLs,
    and tokens wherever they stand, such as in the text of an exception."""
    for key, value in event.items():
        event[key] = _redacted(key, value)
    return event


def _redacted(key: object, value: Any, depth: int = 0) -> Any:
    if depth > MAX_DEPTH:
        return "[deep]"
    if isinstance(key, str) and _SECRET_KEYS.search(key):
        return "[hidden]"
    if isinstance(value, str):
        text = _URL_CREDENTIALS.sub("//[hidden]@", _PHONE.sub("[phone]", value))
        return _JWT.sub("[token]", _QUERY_SECRETS.sub(r"\1[hidden]", text))
    if isinstance(value, dict):
        return {_redacted("", name): _redacted(name, inner, depth + 1) for name, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_redacted("", inner, depth + 1) for inner in value]
    return value


def _render(_: Any, __: str, event: MutableMapping[str, Any]) -> str:
    return _ENCODER.encode(dict(event)).decode()
