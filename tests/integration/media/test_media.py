"""media-service as a process of its own, on real MongoDB, S3 and NATS; chat-service stands behind it as a small
gRPC server of the test, which answers who is in which chat."""

import asyncio
import contextlib
import hashlib
import io
import json
import os
import signal
import struct
import subprocess
import sys
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import msgspec
import pytest
from PIL import Image
from tests.support.running import Stores, free_port
from tests.support.waiting import eventually

from tidings.contracts.events import MEDIA_UPDATED, MediaUpdatedEvent
from tidings.contracts.ids import new_chat_id, new_id
from tidings.contracts.limits import Limits
from tidings.contracts.times import now_ms
from tidings.devstack import envoy
from tidings.devstack.envoy_parts import Site
from tidings.devstack.process import Child, die_with_parent
from tidings.media.events import Events
from tidings.media.objects import Objects
from tidings.media.process import Processing
from tidings.media.record import Record
from tidings.media.settings import Settings
from tidings.media.store import Store
from tidings.media.sweep import Sweeper
from tidings.platform import bus, mongo, rpc
from tidings.platform.rpc import Peers
from tidings.platform.secrets import secret
from tidings.platform.settings import load
from tidings.rpc.v1 import chat_pb2, media_pb2
from tidings.rpc.v1.chat_pb2_grpc import ChatServiceServicer, add_ChatServiceServicer_to_server
from tidings.rpc.v1.media_pb2_grpc import MediaServiceStub

ANN, BEN, EVE = new_id(), new_id(), new_id()


class Rooms(ChatServiceServicer):
    """Who is in which chat: chat id to person to (joinedSeq, leftSeq)."""

    def __init__(self) -> None:
        self.seats: dict[str, dict[str, tuple[int, int]]] = {}

    async def GetUserChats(self, request: Any, context: Any) -> Any:
        return chat_pb2.GetUserChatsResponse(
            chats=[
                chat_pb2.UserChat(chat_id=c, type="group")
                for c, seats in self.seats.items()
                if request.user_id in seats
            ]
        )

    async def GetChatParticipants(self, request: Any, context: Any) -> Any:
        def seated(chat_id: str) -> list[Any]:
            return [
                chat_pb2.Participant(user_id=u, role="member", joined_seq=joined, left_seq=left)
                for u, (joined, left) in self.seats[chat_id].items()
            ]

        return chat_pb2.GetChatParticipantsResponse(
            chats=[
                chat_pb2.ChatParticipants(chat_id=c, type="group", participants=seated(c))
                for c in request.chat_ids
                if c in self.seats
            ]
        )

    CheckChatPermission = GetChatViews = SetPinnedMessage = GetUserChats


class Media:
    """The running service and what stands around it."""

    def __init__(
        self, stores: Stores, environ: dict[str, str], process: "subprocess.Popen[bytes]", rooms: Rooms
    ) -> None:
        self.stores = stores
        self.environ = environ
        self.process = process
        self.rooms = rooms
        self.settings = load(Settings, "media", environ)
        self.token = secret(stores.data_dir, "internal_token")
        self.base = f"http://127.0.0.1:{self.settings.http_port}"
        self.http = httpx.AsyncClient(base_url=self.base, timeout=20)
        self.peers: Any = Peers("media", [f"127.0.0.1:{self.settings.grpc_port}"], MediaServiceStub, self.token)

    def headers(self, user_id: str, host: str = "localhost:30080") -> dict[str, str]:
        return {"x-internal-auth": self.token, "x-user-id": user_id, "host": host}

    async def post(self, body: Any, name: str = "a.bin", mime: str = "", user_id: str = ANN) -> httpx.Response:
        files = {"file": (name, body, mime or "application/octet-stream")}
        return await self.http.post("/api/v1/media/upload", files=files, headers=self.headers(user_id))

    async def upload(self, body: Any, name: str = "a.bin", mime: str = "", user_id: str = ANN) -> dict[str, Any]:
        answer = await self.post(body, name, mime, user_id)
        assert answer.status_code == 201, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def get(self, media_id: str, user_id: str) -> httpx.Response:
        return await self.http.get(f"/api/v1/media/{media_id}", headers=self.headers(user_id))

    async def attach(self, user_id: str, media_id: str, chat_id: str, after_seq: int = 0) -> str:
        item = media_pb2.Attachment(user_id=user_id, media_ids=[media_id], chat_id=chat_id, after_seq=after_seq)
        answer = await self.peers.call(self.peers.stub().AttachMedia, media_pb2.AttachMediaRequest(attachments=[item]))
        return str(answer.results[0].code)


@asynccontextmanager
async def running(stores: Stores, namespace: str, **more: str) -> AsyncIterator[Media]:
    rooms = Rooms()
    chat = rpc.server(
        secret(stores.data_dir, "internal_token"), [lambda s: add_ChatServiceServicer_to_server(rooms, s)]
    )
    chat_port = chat.add_insecure_port("127.0.0.1:0")
    await chat.start()
    environ = {
        **stores.environ,
        "TIDINGS_DATA_DIR": str(stores.data_dir),
        "TIDINGS_NAMESPACE": namespace,
        "TIDINGS_CHAT_GRPC": f"127.0.0.1:{chat_port}",
        "TIDINGS_MEDIA_HTTP_PORT": str(free_port()),
        "TIDINGS_MEDIA_GRPC_PORT": str(free_port()),
        **more,
    }
    process = subprocess.Popen(  # noqa: ASYNC220
        [sys.executable, "-m", "tidings.media"], env={**os.environ, **environ}, preexec_fn=die_with_parent()
    )
    media = Media(stores, environ, process, rooms)

    async def ready() -> bool:
        assert process.poll() is None, "media-service ended"
        try:
            return (await media.http.get("/ready")).status_code == 200
        except httpx.HTTPError:
            return False

    try:
        await eventually(ready, "media-service is ready", 30)
        yield media
    finally:
        process.send_signal(signal.SIGTERM)
        await asyncio.to_thread(process.wait, 20)
        await media.peers.close()
        await media.http.aclose()
        await chat.stop(0)


@pytest.fixture(scope="module")
async def media(stores: Stores) -> AsyncIterator[Media]:
    async with running(stores, f"tmedia{os.getpid()}") as found:
        yield found


def photo(size: tuple[int, int] = (640, 400), fmt: str = "JPEG") -> bytes:
    exif = Image.Exif()
    exif[0x010F] = "SECRET-MAKER"
    exif.get_ifd(0x8825)[2] = (52.0, 30.0, 0.0)
    file = io.BytesIO()
    Image.effect_noise(size, 60).convert("RGB").save(file, fmt, exif=exif)
    return file.getvalue()


def through_gateway(media: Media, url: str) -> str:
    """What the gateway makes of a signed URL."""
    outer = urlsplit(url)
    assert outer.path.startswith("/media/")
    netloc = urlsplit(media.stores.s3_url).netloc
    return outer._replace(scheme="http", netloc=netloc, path=outer.path.removeprefix("/media")).geturl()


async def download(media: Media, url: str) -> httpx.Response:
    async with httpx.AsyncClient() as client:
        return await client.get(through_gateway(media, url))


async def keys(media: Media) -> set[str]:
    return {key async for page in parts(media)[1].older_than(-60) for key in page}


def parts(media: Media) -> tuple[Settings, Objects]:
    settings = media.settings
    access, hidden = (secret(settings.data_dir, name) for name in ("s3_access_key", "s3_secret_key"))
    return settings, Objects(
        settings.s3_url, settings.s3_bucket, settings.s3_region, access, hidden, settings.namespace, 600
    )


async def test_a_photo_is_cleaned_measured_and_served(media: Media) -> None:
    sent = photo()
    assert b"SECRET-MAKER" in sent
    found = await media.upload(sent, "holiday.jpg", "image/jpeg")
    assert (found["state"], found["kind"], found["mimeType"]) == ("ready", "image", "image/jpeg")
    assert (found["width"], found["height"], found["fileName"]) == (640, 400, "holiday.jpg")
    assert found["blurhash"]
    assert found["urlExpiresAt"]
    whole = await download(media, found["url"])
    assert whole.status_code == 200
    assert b"SECRET-MAKER" not in whole.content
    assert hashlib.sha256(whole.content).hexdigest() == found["sha256"]
    assert len(whole.content) == found["size"]
    assert whole.headers["content-type"] == "image/jpeg"
    assert whole.headers["content-disposition"].startswith("inline")
    small = await download(media, found["thumbnailUrl"])
    assert Image.open(io.BytesIO(small.content)).size == (320, 200)
    # the original, with its place, is nowhere any more
    assert not any(key == f"incoming/{found['id']}" for key in await keys(media))


async def test_urls_point_to_where_the_client_is(media: Media) -> None:
    found = await media.upload(b"hello", "a.txt", "text/plain")
    answer = await media.http.get(f"/api/v1/media/{found['id']}", headers=media.headers(ANN, "chat.example:30080"))
    url = urlsplit(answer.json()["url"])
    assert (url.scheme, url.netloc) == ("http", "chat.example:30080")
    assert url.path == f"/media/{media.settings.s3_bucket}/{media.settings.namespace}/files/{found['id']}"
    inner = await download(media, url.geturl())
    assert inner.content == b"hello"


async def test_an_altered_url_opens_nothing(media: Media) -> None:
    first, second = await media.upload(b"one"), await media.upload(b"two")
    assert (await download(media, first["url"].replace(first["id"], second["id"]))).status_code == 403
    assert (await download(media, first["url"].partition("?")[0])).status_code == 403
    async with httpx.AsyncClient() as client:
        assert (await client.put(through_gateway(media, first["url"]), content=b"mine")).status_code == 403
        assert (await client.delete(through_gateway(media, first["url"]))).status_code == 403


@pytest.mark.parametrize(
    ("body", "name", "mime"),
    [
        (b"<!doctype html><script>alert(1)</script>", "page.html", "text/html"),
        (b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", "x.svg", "image/svg+xml"),
        (b"\0\1\2\3", "x.bin", "application/x-whatever"),
    ],
)
async def test_what_browsers_might_run_is_downloaded(media: Media, body: bytes, name: str, mime: str) -> None:
    found = await media.upload(body, name, mime)
    assert found["kind"] == "document"
    answer = await download(media, found["url"])
    assert answer.content == body
    assert answer.headers["content-disposition"].startswith("attachment")
    assert not any(word in answer.headers["content-type"] for word in ("html", "svg", "xml"))


async def test_a_page_that_claims_to_be_a_picture_is_refused(media: Media) -> None:
    answer = await media.post(b"<html>" + b"x" * 300_000, "a.png", "image/png")
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media")


@pytest.mark.parametrize(
    "body",
    [
        b"\x89PNG\r\n\x1a\n" + b"broken" * 50,
        b"\xff\xd8\xff\xe0 no jpeg",
        b"GIF89a" + bytes(50),
    ],
)
async def test_a_broken_picture_fails(media: Media, body: bytes) -> None:
    found = await media.upload(body, "a.png", "image/png")
    assert (found["state"], found["url"], found["thumbnailUrl"]) == ("failed", None, None)
    assert await media.attach(ANN, found["id"], new_chat_id()) == "unsupported_media"
    assert not any(key.endswith(found["id"]) for key in await keys(media))


async def test_a_huge_picture_fails_before_it_is_decoded(media: Media) -> None:
    def piece(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = piece(b"IHDR", struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0))
    bomb = b"\x89PNG\r\n\x1a\n" + header + piece(b"IDAT", zlib.compress(bytes(1 << 20))) + piece(b"IEND", b"")
    found = await media.upload(bomb, "bomb.png", "image/png")
    assert found["state"] == "failed"


async def test_16_mb_pass_and_more_does_not(media: Media) -> None:
    most = 16 * 1024 * 1024
    found = await media.upload(os.urandom(most), "big.bin")
    assert found["size"] == most
    for size in (most + 1, most + 200_000):
        answer = await media.post(bytes(size), "big.bin")
        assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


@pytest.mark.parametrize(
    ("content", "content_type"),
    [
        (b"{}", "application/json"),
        (b"", "multipart/form-data; boundary=x"),
        (b"--x\r\n", "multipart/form-data; boundary=x"),
        (
            b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n\r\n--x--\r\n',
            "multipart/form-data; boundary=x",
        ),
        (
            b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\ncut o',
            "multipart/form-data; boundary=x",
        ),
        (
            b'--x\r\nContent-Disposition: form-data; name="other"\r\n\r\nabc\r\n--x--\r\n',
            "multipart/form-data; boundary=x",
        ),
    ],
)
async def test_a_bad_form_is_refused(media: Media, content: bytes, content_type: str) -> None:
    headers = {**media.headers(ANN), "content-type": content_type}
    answer = await media.http.post("/api/v1/media/upload", content=content, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")


async def test_a_client_that_goes_away_leaves_nothing(media: Media) -> None:
    port = media.settings.http_port
    before = await keys(media)
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    lines = [
        "POST /api/v1/media/upload HTTP/1.1",
        "Host: x",
        f"x-internal-auth: {media.token}",
        f"x-user-id: {EVE}",
        "content-type: multipart/form-data; boundary=x",
        "content-length: 10000000",
        "",
        '--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n',
    ]
    writer.write("\r\n".join(lines).encode() + bytes(6_000_000))
    await writer.drain()

    async with mongo.connect(media.settings.mongo_url, f"{media.settings.namespace}_media") as database:
        await eventually(lambda: database["media"].find_one({"ownerId": EVE}), "the record is pending")
        writer.close()

        async def gone() -> bool:
            return await database["media"].find_one({"ownerId": EVE}) is None

        await eventually(gone, "the record is gone")
    assert await keys(media) == before


async def test_names_are_cleaned(media: Media) -> None:
    found = await media.upload(b"x", "../../e\u202evil\u200b.txt", "text/plain")
    assert found["fileName"] == "evil.txt"


async def test_a_file_is_seen_by_its_owner_and_by_whom_it_was_shown(media: Media) -> None:
    found = await media.upload(b"for ben", "a.txt", "text/plain")
    chat_id, later = new_chat_id(), new_id()
    media.rooms.seats[chat_id] = {ANN: (1, 0), BEN: (1, 0), later: (8, 0)}
    assert (await media.get(found["id"], ANN)).status_code == 200
    assert (await media.get(found["id"], BEN)).status_code == 404
    assert await media.attach(ANN, found["id"], chat_id, after_seq=5) == ""
    assert await media.attach(ANN, found["id"], chat_id, after_seq=5) == ""
    assert (await media.get(found["id"], BEN)).status_code == 200
    assert (await media.get(found["id"], later)).status_code == 404
    assert (await media.get(found["id"], EVE)).status_code == 404
    media.rooms.seats[chat_id][BEN] = (1, 5)  # he left just before it
    assert (await media.get(found["id"], BEN)).status_code == 404


async def test_only_readers_may_forward(media: Media) -> None:
    found = await media.upload(b"x")
    first, second = new_chat_id(), new_chat_id()
    media.rooms.seats |= {first: {ANN: (1, 0), BEN: (1, 0)}, second: {BEN: (1, 0), EVE: (1, 0)}}
    assert await media.attach(BEN, found["id"], second) == "not_found"
    assert await media.attach(ANN, found["id"], first) == ""
    assert await media.attach(BEN, found["id"], second) == ""
    assert (await media.get(found["id"], EVE)).status_code == 200
    assert await media.attach(ANN, new_id(), first) == "not_found"


async def test_a_profile_picture_is_a_picture(media: Media) -> None:
    picture, text = await media.upload(photo((64, 64)), "a.jpg", "image/jpeg"), await media.upload(b"x")
    assert await media.attach(ANN, picture["id"], "") == ""
    assert await media.attach(ANN, text["id"], "") == "unsupported_media"
    assert await media.attach(EVE, picture["id"], "") == "not_found"


async def test_metadata_for_other_services(media: Media) -> None:
    found = await media.upload(b"x")
    request = media_pb2.GetMediaMetadataRequest(media_ids=[new_id(), found["id"]], base_url="https://chat.example")
    answer = await media.peers.call(media.peers.stub().GetMediaMetadata, request)
    assert [item.media_id for item in answer.media] == [found["id"]]
    shown = json.loads(answer.media[0].media_json)
    assert shown["url"].startswith("https://chat.example/")
    assert shown["sha256"] == found["sha256"]


@pytest.mark.parametrize("media_id", ["nonsense", "0190f0a0-0000-7000-8000-000000000000", "%7B%22$ne%22:1%7D"])
async def test_unknown_ids_are_not_found(media: Media, media_id: str) -> None:
    assert (await media.get(media_id, ANN)).status_code == 404


async def test_nothing_without_the_internal_token(media: Media) -> None:
    for headers in ({}, {"x-user-id": ANN}, {"x-internal-auth": "wrong", "x-user-id": ANN}):
        answer = await media.http.get(f"/api/v1/media/{new_id()}", headers=headers)
        assert answer.status_code == 401


async def test_the_owner_is_told_when_it_is_ready(media: Media) -> None:
    told: list[MediaUpdatedEvent] = []

    async def hear(event: MediaUpdatedEvent) -> None:
        told.append(event)

    async with bus.connect(media.settings.nats_url, media.settings.namespace, "test") as listening:
        await listening.listen(MEDIA_UPDATED, MediaUpdatedEvent, hear)
        await listening.ping()
        found = await media.upload(photo(), "a.jpg", "image/jpeg")
        await eventually(lambda: [e for e in told if msgspec.json.decode(e.media)["id"] == found["id"]], "told")
    assert told[-1].owner_id == ANN
    assert msgspec.json.decode(told[-1].media)["state"] == "ready"


async def test_a_killed_upload_is_finished_or_forgotten(media: Media) -> None:
    """What `kill -9` leaves: records with and without their bytes, and bytes without a record."""
    settings, objects = parts(media)
    old = now_ms() - 2 * 3600 * 1000

    def record(state: str, kind: str = "image", tries: int = 0) -> Record:
        mime_type = "image/jpeg" if kind == "image" else "text/plain"
        values = {"_id": new_id(), "ownerId": ANN, "state": state, "kind": kind, "mimeType": mime_type, "tries": tries}
        return msgspec.convert(values | {"fileName": "a", "createdAt": old, "changedAt": old}, Record)

    async with (
        mongo.connect(settings.mongo_url, f"{settings.namespace}_media") as database,
        bus.connect(settings.nats_url, settings.namespace, "test") as events_bus,
    ):
        store = Store(database)
        processing = Processing(settings, Limits(), store, objects, Events(events_bus, objects, "http://x"))
        sweeper = Sweeper(settings, store, objects, processing)
        nothing, half, whole, text, cursed = (
            record("pending"), record("processing"), record("pending"), record("pending", "document"),
            record("processing", tries=9),
        )  # fmt: skip
        for item in (nothing, half, whole, text, cursed):
            await store.insert(item)
        for item in (half, whole, cursed):
            await objects.put(item.incoming_key, io.BytesIO(photo()), "image/jpeg", "inline")
        await objects.put(text.key, io.BytesIO(b"hello"), "text/plain", "attachment")
        assert await sweeper.unfinished() == 5
        found = await store.find([item.id for item in (nothing, half, whole, text, cursed)])
        assert {item.id: item.state for item in found.values()} == {
            half.id: "ready", whole.id: "ready", text.id: "ready", cursed.id: "failed",
        }  # fmt: skip
        assert found[text.id].sha256 == hashlib.sha256(b"hello").hexdigest()
        assert await sweeper.unfinished() == 0

        stray = f"files/{new_id()}"
        await objects.put(stray, io.BytesIO(b"stray"), "text/plain", "attachment")
        assert await objects.size(stray) == 5
        aging = msgspec.structs.replace(settings, orphan_age_s=1)
        await asyncio.sleep(2)
        assert await Sweeper(aging, store, objects, processing).orphans() == 1
        assert await objects.size(stray) is None
        assert await objects.size(found[text.id].key) == 5


async def test_a_process_killed_in_an_upload_leaves_nothing(stores: Stores, namespace: str) -> None:
    chunk = bytes(1 << 20)
    dead = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        for _ in range(12):
            yield chunk
        await dead.wait()

    async with running(stores, namespace) as killed:

        async def begun() -> bool:
            return len(await parts(killed)[1].unfinished_parts(-60)) == 1

        headers = {**killed.headers(ANN), "content-type": "multipart/form-data; boundary=x"}
        upload = asyncio.create_task(killed.http.post("/api/v1/media/upload", content=endless(), headers=headers))
        await eventually(begun, "parts of it are in the object store")
        killed.process.kill()
        dead.set()
        with pytest.raises(httpx.HTTPError):
            await upload
        objects = parts(killed)[1]
        kept = await keys(killed)
    async with (
        mongo.connect(stores.mongo_url, f"{namespace}_media") as database,
        running(stores, namespace, TIDINGS_MEDIA_PENDING_TIMEOUT_S="1", TIDINGS_MEDIA_SWEEP_INTERVAL_S="0.3") as again,
    ):

        async def gone() -> bool:
            return await database["media"].count_documents({}) == 0 and await objects.unfinished_parts(-60) == []

        await eventually(gone, "record and parts are gone")
        assert await keys(again) == kept


async def test_urls_work_through_the_real_gateway(media: Media, tmp_path: Path) -> None:
    names = ("auth", "user", "chat", "message", "media", "websocket", "gateway", "policy")
    site = Site(
        listen="127.0.0.1",
        port=free_port(),
        admin_port=free_port(),
        upstreams={name: [media.settings.http_port if name == "media" else 1] for name in names},
        s3_url=media.stores.s3_url,
        internal_token=media.token,
        access_log=tmp_path / "access.log",
    )
    edge = envoy.process(tmp_path, site, 1, [])
    await edge.prepare()
    child = await Child.spawn(edge, os.environ, tmp_path / "envoy.log")

    async def ready() -> bool:
        assert child.alive, (tmp_path / "envoy.log").read_text()
        with contextlib.suppress(OSError, TimeoutError):
            return await edge.probe()
        return False

    try:
        await eventually(ready, "Envoy is ready", 20)
        found = await media.upload(photo(), "a.jpg", "image/jpeg")
        host = f"127.0.0.1:{site.port}"
        shown = (await media.http.get(f"/api/v1/media/{found['id']}", headers=media.headers(ANN, host))).json()
        async with httpx.AsyncClient() as client:
            for url in (shown["url"], shown["thumbnailUrl"]):
                answer = await client.get(url)
                assert answer.status_code == 200, answer.text
                assert answer.headers["x-content-type-options"] == "nosniff"
                assert answer.headers["content-security-policy"] == "sandbox; default-src 'none'"
            assert hashlib.sha256((await client.get(shown["url"])).content).hexdigest() == found["sha256"]
            assert (await client.get(shown["url"][:-4] + "0000")).status_code == 403
            assert (await client.put(shown["url"], content=b"mine")).status_code == 403
            assert (await client.get(shown["url"].partition("?")[0])).status_code in (403, 404)
            part = await client.get(shown["url"], headers={"range": "bytes=0-1"})
            assert (part.status_code, part.content) == (206, b"\xff\xd8")
    finally:
        await child.stop(signal.SIGTERM, 5)


async def test_a_child_over_its_limits_is_a_failed_picture(stores: Stores, namespace: str) -> None:
    file = io.BytesIO()
    Image.new("RGB", (6000, 6000), "red").save(file, "JPEG")
    async with running(stores, namespace, TIDINGS_MEDIA_WORKER_MEMORY_BYTES=str(96 << 20)) as starved:
        found = await starved.upload(file.getvalue(), "a.jpg", "image/jpeg")
        assert found["state"] == "failed"


async def test_an_upload_is_never_whole_in_memory(stores: Stores, namespace: str) -> None:
    size = 160 << 20
    limits = {"TIDINGS_LIMITS_UPLOAD_BYTES": str(size), "TIDINGS_LIMITS_DOCUMENT_BYTES": str(size)}
    async with running(stores, namespace, **limits) as large:

        def most_memory() -> int:
            text = Path(f"/proc/{large.process.pid}/status").read_text()
            return int(next(line.split()[1] for line in text.splitlines() if line.startswith("VmHWM"))) << 10

        await large.upload(bytes(1 << 20))
        before = most_memory()
        found = await large.upload(bytes(size))
        assert found["size"] == size
        assert most_memory() - before < 64 << 20


async def test_a_slow_picture_is_answered_before_it_is_done(stores: Stores, namespace: str) -> None:
    async with running(stores, namespace, TIDINGS_MEDIA_ANSWER_WITHIN_S="0.01") as hasty:
        found = await hasty.upload(photo(), "a.jpg", "image/jpeg")
        assert (found["state"], found["url"]) == ("processing", None)

        async def ready() -> bool:
            return bool((await hasty.get(found["id"], ANN)).json()["state"] == "ready")

        await eventually(ready, "it is ready")
