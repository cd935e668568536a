"""The addresses of the web client: what Envoy sends to the gateway, and what anybody may fetch."""

from typing import Final

FILES: Final = ("/", "/sw.js", "/manifest.webmanifest")
FOLDERS: Final = ("/assets", "/icons")
PAGES: Final = ("/chat", "/invite", "/settings", "/new", "/starred", "/share")
"""Addresses inside the client: each answered with its shell."""


def is_page(path: str) -> bool:
    """Whether a path is the web client's."""
    return path in FILES or any(path == root or path.startswith(root + "/") for root in (*FOLDERS, *PAGES))
