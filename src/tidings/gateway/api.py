"""What the gateway answers itself: configuration and the web client."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from litestar import Response, get

from tidings import __version__
from tidings.contracts.limits import Limits, Rates
from tidings.gateway import web

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Tidings</title><style>
:root { color-scheme: light dark; font: 17px/1.55 system-ui, sans-serif }
body { max-width: 40rem; margin: 12vh auto; padding: 0 1.25rem }
h1 { font-size: 2.2rem; margin: 0 } code, pre { font: .92em/1.5 ui-monospace, monospace }
pre { padding: .9rem 1rem; border-radius: .5rem; overflow-x: auto }
pre { background: color-mix(in srgb, currentColor 8%, transparent) }
a { color: inherit } small { opacity: .7 }
</style></head><body>
<h1>Tidings</h1><p>A self-hosted messaging platform is running here.</p>
<h2>Connect</h2>
<p>Every client talks to this address: REST under <code>/api/v1</code>, live messages over <code>/ws</code>.</p>
<pre>POST /api/v1/auth/request-otp   {"phone": "+4915112345678"}
POST /api/v1/auth/verify-otp    {"phone": "+4915112345678", "otp": "......"}
GET  /ws                        Authorization: Bearer ...</pre>
<h2>Look</h2>
<p><a href="/ready">Readiness</a> · <a href="/api/v1/config">Limits</a> ·
<a href="/openapi.json">API description</a></p>
<p><small>Version VERSION</small></p></body></html>
"""


def routes(
    limits: Limits, rates: Rates, client: Path | None, vapid_public_key: str, android: Mapping[str, Sequence[str]]
) -> list[Any]:
    """Public routes. `client`: the built web client; without it a small page stands at `/`. `android`: apps by their
    package name, with the SHA-256 fingerprints of the keys they are signed with."""
    told: dict[str, Any] = msgspec.to_builtins(limits) | {
        "rates": msgspec.to_builtins(rates),
        "vapidPublicKey": vapid_public_key,
        "version": __version__,
    }

    @get("/api/v1/config", sync_to_thread=False)
    def config() -> dict[str, Any]:
        return told

    # Digital Asset Links: these apps may show this site without an address bar.
    links = [
        {
            "relation": ["delegate_permission/common.handle_all_urls"],
            "target": {"namespace": "android_app", "package_name": name, "sha256_cert_fingerprints": list(keys)},
        }
        for name, keys in android.items()
    ]

    @get("/.well-known/assetlinks.json", sync_to_thread=False, include_in_schema=False)
    def asset_links() -> list[dict[str, Any]]:
        return links

    @get("/", sync_to_thread=False, include_in_schema=False)
    def front() -> Response[str]:
        headers = {"content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"}
        return Response(PAGE.replace("VERSION", __version__), media_type="text/html", headers=headers)

    return [config, asset_links, *([front] if client is None else web.routes(client))]
