"""A push service as browsers' makers run them, on a port of this machine: checks who sends (RFC 8292) and what is asked
of a push (RFC 8030), and opens it with the subscriber's keys (RFC 8291, by `http-ece`). Answers as the test says."""

import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import http_ece
import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tidings.platform.vapid import b64, unb64


@dataclass
class Answer:
    """What a push is answered; `hangs_s` before that nothing happens."""

    status: int = 201
    headers: dict[str, str] = field(default_factory=dict)
    hangs_s: float = 0


@dataclass
class Received:
    """A push that came, opened."""

    at: float
    status: int
    headers: dict[str, str]
    plain: bytes
    size: int

    @property
    def payload(self) -> Any:
        return json.loads(self.plain)


class Subscriber:
    """One browser's subscription. `answers` are given in turn, then 201."""

    def __init__(self, origin: str, server_key: str | None) -> None:
        self._private = ec.generate_private_key(ec.SECP256R1())
        self._auth = secrets.token_bytes(16)
        self.path = f"/push/{secrets.token_urlsafe(24)}"
        self.server_key = server_key  # whose pushes it takes; None: anybody's
        self.answers: list[Answer] = []
        self.received: list[Received] = []
        self.refused: list[str] = []  # why pushes were not taken
        public = self._private.public_key().public_bytes(
            serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
        )
        self.subscription = {
            "endpoint": origin + self.path,
            "keys": {"p256dh": b64(public), "auth": b64(self._auth)},
        }

    @property
    def taken(self) -> list[Any]:
        """The payloads that were answered with 201."""
        return [one.payload for one in self.received if one.status == 201]

    def open(self, body: bytes) -> bytes:
        plain: bytes = http_ece.decrypt(body, private_key=self._private, auth_secret=self._auth, version="aes128gcm")
        return plain


class PushService:
    """The running service. `connections` counts those that were made to it."""

    def __init__(self) -> None:
        self.subscribers: dict[str, Subscriber] = {}
        self.connections = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.origin = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def subscribe(self, *answers: Answer, server_key: str | None = None) -> Subscriber:
        made = Subscriber(self.origin, server_key)
        made.answers += answers
        self.subscribers[made.path] = made
        return made

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def take(self, path: str, headers: dict[str, str], body: bytes) -> Answer:
        """Check and open one push."""
        subscriber = self.subscribers.get(path)
        if subscriber is None:
            return Answer(404)
        fault = self._fault(subscriber, headers, body)
        if fault:
            subscriber.refused.append(fault)
            return Answer(403 if fault.startswith("vapid") else 400)
        try:
            plain = subscriber.open(body)
        except Exception as error:
            subscriber.refused.append(f"cannot be opened: {error!r}")
            return Answer(400)
        answer = subscriber.answers.pop(0) if subscriber.answers else Answer()
        subscriber.received.append(Received(time.time(), answer.status, headers, plain, len(body)))
        return answer

    def _fault(self, subscriber: Subscriber, headers: dict[str, str], body: bytes) -> str:
        if not headers.get("ttl", "").isdigit():
            return "no TTL"
        if headers.get("urgency") not in ("very-low", "low", "normal", "high"):
            return "no Urgency"
        named = headers.get("topic", "")
        if not 1 <= len(named) <= 32 or b64(unb64(named)) != named:
            return f"no Topic of base64url: {named!r}"
        if headers.get("content-encoding") != "aes128gcm":
            return "not aes128gcm"
        if len(body) > 4096:
            return "too large"
        return self._identity_fault(subscriber, headers.get("authorization", ""))

    def _identity_fault(self, subscriber: Subscriber, header: str) -> str:
        scheme, _, rest = header.partition(" ")
        told = dict(part.strip().split("=", 1) for part in rest.split(",") if "=" in part)
        if scheme.lower() != "vapid" or not {"t", "k"} <= set(told):
            return f"vapid: no such header: {header!r}"
        if subscriber.server_key not in (None, told["k"]):
            return "vapid: another key than it was subscribed with"
        key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), unb64(told["k"]))
        try:
            claims = jwt.decode(told["t"], key, ["ES256"], audience=self.origin, options={"require": ["exp", "aud"]})
        except jwt.PyJWTError as error:
            return f"vapid: {error!r}"
        if claims["exp"] - time.time() > 24 * 3600:
            return "vapid: valid for more than a day"
        if not str(claims.get("sub", "")).startswith(("mailto:", "https:")):
            return "vapid: nobody to write to"
        return ""

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                super().setup()
                service.connections += 1

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                answer = service.take(self.path, {k.lower(): v for k, v in self.headers.items()}, body)
                if answer.hangs_s:
                    time.sleep(answer.hangs_s)
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *args: Any) -> None:
                """Nothing."""

        return Handler


@contextmanager
def running_push_service() -> Iterator[PushService]:
    service = PushService()
    try:
        yield service
    finally:
        service.close()
