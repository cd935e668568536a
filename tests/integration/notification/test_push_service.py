"""The push service of the tests refuses what a real one refuses; TLS to an address that was checked still checks the
name."""

import datetime
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpcore
import httpx
import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests.support.push_service import PushService, running_push_service

from tidings.notification.dial import OuterBackend
from tidings.notification.webpush import Keys, encrypt, topic
from tidings.platform.vapid import public_key

KEY, OTHER = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))


@pytest.fixture(scope="module")
def push_service() -> Iterator[PushService]:
    with running_push_service() as found:
        yield found


def signed(origin: str, *, by: Any = KEY, told: Any = KEY, **claims: Any) -> str:
    claims = {"aud": origin, "exp": int(time.time()) + 3600, "sub": "mailto:a@b.example"} | claims
    return f"vapid t={jwt.encode(claims, by, 'ES256')}, k={public_key(told)}"


WRONG: dict[str, Any] = {
    "ttl": {"ttl": None},
    "urgency": {"urgency": "urgent"},
    "no topic": {"topic": None},
    "long topic": {"topic": "A" * 33},
    "encoding": {"content-encoding": "aesgcm"},
    "unsigned": {"authorization": None},
    "audience": {"aud": "https://elsewhere.example"},
    "expired": {"exp": int(time.time()) - 60},
    "two days": {"exp": int(time.time()) + 2 * 86_400},
    "contact": {"sub": "somebody"},
    "signature": {"by": OTHER},
    "key": {"by": OTHER, "told": OTHER},
    "body": {"body": b"x" * 200},
}


@pytest.mark.parametrize("what", ["nothing", *WRONG])
def test_what_is_wrong_is_refused(push_service: PushService, what: str) -> None:
    browser = push_service.subscribe(server_key=public_key(KEY))
    wrong = dict(WRONG.get(what, {}))
    body = wrong.pop("body", encrypt(b"{}", Keys(**browser.subscription["keys"])))  # type: ignore[arg-type]
    claims = {name: wrong.pop(name) for name in ("aud", "exp", "sub", "by", "told") if name in wrong}
    headers = {
        "ttl": "60", "urgency": "high", "topic": topic("c", "t"), "content-encoding": "aes128gcm",
        "authorization": signed(push_service.origin, **claims), **wrong,
    }  # fmt: skip
    given = {name: value for name, value in headers.items() if value is not None}
    answer = httpx.post(str(browser.subscription["endpoint"]), content=body, headers=given)
    assert (answer.status_code == 201) == (what == "nothing"), (answer.status_code, browser.refused)
    assert len(browser.received) == (what == "nothing")


def certificate(name: str, folder: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = folder / "push.pem"
    file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return file


class Here(OuterBackend):
    """Every name leads to this machine, as if that were on the internet."""

    async def _addresses(self, host: str, port: int) -> list[str]:
        return ["127.0.0.1"]


async def test_tls_checks_the_name_though_an_address_is_dialled(tmp_path: Path) -> None:
    file = certificate("push.example.com", tmp_path)
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(file)
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]

    def serve() -> None:
        while True:
            try:
                plain, _ = listener.accept()
            except OSError:
                return
            try:
                with serving.wrap_socket(plain, server_side=True) as sealed:
                    asked = b""
                    while not asked.endswith(b"\r\n\r\nx"):
                        asked += sealed.recv(4096)
                    sealed.sendall(b"HTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n")
            except OSError:
                plain.close()

    threading.Thread(target=serve, daemon=True).start()
    trusting = ssl.create_default_context(cafile=str(file))
    async with httpcore.AsyncConnectionPool(ssl_context=trusting, network_backend=Here([])) as pool:
        answer = await pool.request("POST", f"https://push.example.com:{port}/x", content=b"x")
        assert answer.status == 201
        with pytest.raises(httpcore.ConnectError, match="certificate"):
            await pool.request("POST", f"https://other.example.com:{port}/x", content=b"x")
    listener.close()
