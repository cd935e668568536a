"""Values that tests of several areas use."""

import io
from typing import Any

from PIL import Image

NOBODY = "01900000-0000-7000-8000-000000000000"
NOWHERE = "01900000-0000-4000-8000-000000000000"

EVERYONE = {
    "lastSeen": "everyone", "online": "everyone", "avatar": "everyone", "about": "everyone", "groups": "everyone",
    "readReceipts": True,
}  # fmt: skip
"""Privacy settings as they are at first."""


def picture(kind: str = "PNG", size: tuple[int, int] = (64, 48), **options: Any) -> bytes:
    """An image file."""
    out = io.BytesIO()
    Image.new("RGB", size, "teal").save(out, kind, **options)
    return out.getvalue()
