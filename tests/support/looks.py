"""Pictures of the web client compared with stored ones, block by block.

A stored picture is half as large as the screen and slightly blurred, so that the rasterizer's smoothing does not count.
What differs by more than LIMIT in one block of 16 px of the screen, or by MEAN over all, is another look.
"""

import io
import os
from pathlib import Path

from PIL import Image, ImageChops, ImageFilter

IMAGES = Path(__file__).parents[1] / "e2e" / "web" / "images"
FAILED = Path(__file__).parents[2] / ".cache" / "looks"
RENEW = bool(os.environ.get("LOOKS_RENEW"))
BLOCK = 8  # of the stored picture
LIMIT, MEAN = 24, 2.0  # of 255; as they are stored they differ by 6 and 1.2 already


def small(png: bytes) -> Image.Image:
    """As it is stored."""
    shot = Image.open(io.BytesIO(png)).convert("RGB")
    half = shot.resize((shot.width // 2, shot.height // 2), Image.Resampling.BOX)
    return half.filter(ImageFilter.GaussianBlur(0.7))


def difference(shot: Image.Image, stored: Image.Image) -> tuple[float, float]:
    """The largest of any block and the mean of all, each of the channel that differs most."""
    size = (-(-shot.width // BLOCK), -(-shot.height // BLOCK))
    blocks = ImageChops.difference(*(one.resize(size, Image.Resampling.BOX) for one in (shot, stored)))
    channels = blocks.split()
    worst = ImageChops.lighter(ImageChops.lighter(channels[0], channels[1]), channels[2])
    levels = worst.tobytes()
    return float(max(levels)), sum(levels) / len(levels)


def differs(name: str, png: bytes) -> str:
    """What is wrong with the picture of this name, in words; nothing if it looks as it did. A new look is written
    to FAILED with what differs."""
    shot, path = small(png), IMAGES / f"{name}.webp"
    if RENEW:
        shot.save(path, quality=82, method=6)
        return ""
    if not path.is_file():
        return f"{name}: no stored picture"
    stored = Image.open(path).convert("RGB")
    if stored.size != shot.size:
        return f"{name}: {shot.size} instead of {stored.size}"
    most, mean = difference(shot, stored)
    if most <= LIMIT and mean <= MEAN:
        return ""
    FAILED.mkdir(parents=True, exist_ok=True)
    shot.save(FAILED / f"{name}.new.png")
    ImageChops.difference(shot, stored).point(lambda level: min(255, level * 4)).save(FAILED / f"{name}.difference.png")
    return f"{name}: a block differs by {most:.0f} (limit {LIMIT}), all by {mean:.2f} (limit {MEAN}); see {FAILED}"
