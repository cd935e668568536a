"""Photos for the demo, painted: skies, hills and suns, different for each number and the same at each run."""

import io
import random

from PIL import Image, ImageDraw, ImageFilter

SKIES = (
    ((255, 183, 120), (90, 110, 180)), ((250, 220, 190), (120, 170, 210)), ((40, 50, 100), (240, 120, 110)),
    ((200, 230, 240), (60, 130, 180)), ((255, 210, 160), (200, 90, 120)), ((20, 30, 60), (70, 120, 150)),
)  # fmt: skip


def landscape(number: int, width: int = 1200, height: int = 800) -> bytes:
    """A JPEG of hills under a sky."""
    dice = random.Random(number)  # noqa: S311
    low, high = SKIES[number % len(SKIES)]
    picture = Image.new("RGB", (width, height))
    draw = ImageDraw.Draw(picture)
    for y in range(height):
        draw.line([(0, y), (width, y)], fill=_mix(high, low, min(1.0, y / (height * 0.7))))
    x, y, r = dice.randint(width // 5, width * 4 // 5), dice.randint(height // 6, height // 2), height // 14
    draw.ellipse([x - r, y - r, x + r, y + r], fill=(255, 244, 214))
    picture = picture.filter(ImageFilter.GaussianBlur(2))
    draw = ImageDraw.Draw(picture)
    for layer in range(5):
        base = height * (0.5 + layer * 0.11)
        shade = _mix(low, (18, 34, 40), 0.35 + layer * 0.15)
        points, at = [(0.0, float(height))], base
        for step in range(0, width + 40, 40):
            at = min(max(at + dice.uniform(-26, 26), base - 90), base + 60)
            points.append((float(step), at))
        draw.polygon([*points, (float(width), float(height))], fill=shade)
    return _jpeg(picture)


def portrait(number: int, size: int = 480) -> bytes:
    """A JPEG for a profile: a calm pattern of circles."""
    dice = random.Random(1000 + number)  # noqa: S311
    low, high = SKIES[number % len(SKIES)]
    picture = Image.new("RGB", (size, size), _mix(low, high, 0.3))
    draw = ImageDraw.Draw(picture)
    for _ in range(7):
        r, x, y = dice.randint(size // 8, size // 2), dice.randint(0, size), dice.randint(0, size)
        draw.ellipse([x - r, y - r, x + r, y + r], fill=_mix(low, high, dice.random()))
    return _jpeg(picture.filter(ImageFilter.GaussianBlur(1)))


def _mix(a: tuple[int, int, int], b: tuple[int, int, int], share: float) -> tuple[int, int, int]:
    mixed = [round(x + (y - x) * share) for x, y in zip(a, b, strict=True)]
    return mixed[0], mixed[1], mixed[2]


def _jpeg(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=86)
    return out.getvalue()
