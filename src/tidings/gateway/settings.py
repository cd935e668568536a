"""Settings of the gateway's policy."""

from typing import Annotated

import msgspec
from msgspec import Meta

from tidings.platform.settings import Common, Positive, Seconds

Address = Annotated[str, Meta(pattern=r"^[a-z]+=[^\s=]+:\d+$", description="name=host:port")]


class Settings(Common, kw_only=True, frozen=True):
    """Times in seconds."""

    services: list[Address] = msgspec.field(
        default_factory=lambda: [
            "auth=127.0.0.1:8081",
            "user=127.0.0.1:8082",
            "chat=127.0.0.1:8083",
            "message=127.0.0.1:8084",
            "notification=127.0.0.1:8085",
            "media=127.0.0.1:8086",
            "websocket=127.0.0.1:8087",
        ]
    )  # name=host:port of each service's HTTP side: asked for readiness and API descriptions
    token_cache_s: Seconds = 10.0  # how long a validated token is not asked about again; a revocation drops it at once
    token_cache_size: Positive = 50_000
    web_dir: str = ""  # the built web client; empty: web/dist of this checkout, if it was built
    # Package name to SHA-256 fingerprints, for /.well-known/assetlinks.json; a table of the settings file.
    android_apps: dict[str, list[str]] = msgspec.field(default_factory=dict)
    stale_token_s: Seconds = 300.0  # while auth-service is away, tokens validated so recently still pass
