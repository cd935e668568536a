"""What the picture worker writes."""

import io
from typing import Any

import pytest
from PIL import Image

from tidings.media.worker import clean


def picture(fmt: str, size: tuple[int, int] = (64, 48), mode: str = "RGB", **options: Any) -> io.BytesIO:
    file = io.BytesIO()
    Image.new(mode, size, 120 if mode in ("L", "P") else (200, 30, 30, 90)[: len(mode)]).save(file, fmt, **options)
    file.seek(0)
    return file


def run(source: io.BytesIO, mime_type: str, most: int = 1_000_000) -> tuple[dict[str, Any], Image.Image, Image.Image]:
    target, thumbnail = io.BytesIO(), io.BytesIO()
    found = clean(source, target, thumbnail, mime_type, most, most, 32)
    return found, Image.open(target), Image.open(thumbnail)


def gps() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    exif[0x010F] = "SECRET-MAKER"
    exif.get_ifd(0x8825)[2] = (52.0, 30.0, 0.0)
    return exif


@pytest.mark.parametrize(("fmt", "mime"), [("JPEG", "image/jpeg"), ("PNG", "image/png"), ("WEBP", "image/webp")])
def test_metadata_is_gone_and_the_turn_stays(fmt: str, mime: str) -> None:
    source = picture(fmt, exif=gps())
    assert b"SECRET-MAKER" in source.getvalue()
    target, thumbnail = io.BytesIO(), io.BytesIO()
    found = clean(source, target, thumbnail, mime, 1_000_000, 1_000_000, 32)
    for written in (target, thumbnail):
        assert b"SECRET-MAKER" not in written.getvalue()
        assert not Image.open(written).getexif()
    assert (found["width"], found["height"]) == (48, 64)
    assert Image.open(target).size == (48, 64)
    assert max(Image.open(thumbnail).size) == 32
    assert len(found["blurhash"]) == 28


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGBA", "LA", "I;16"])
def test_png_modes(mode: str) -> None:
    file = io.BytesIO()
    Image.new(mode, (8, 8)).save(file, "PNG")
    file.seek(0)
    found, written, _ = run(file, "image/png")
    assert found["width"] == 8
    assert written.size == (8, 8)


@pytest.mark.parametrize(("fmt", "mime"), [("GIF", "image/gif"), ("WEBP", "image/webp")])
def test_an_animation_stays_one(fmt: str, mime: str) -> None:
    frames = [Image.new("RGB", (16, 16), (i * 40, 0, 0)) for i in range(4)]
    file = io.BytesIO()
    options: dict[str, Any] = {"comment": b"SECRET"} if fmt == "GIF" else {"exif": gps()}
    frames[0].save(file, fmt, save_all=True, append_images=frames[1:], duration=100, loop=0, **options)
    file.seek(0)
    _, written, _ = run(file, mime)
    assert written.n_frames == 4  # type: ignore[attr-defined]
    assert b"SECRET" not in written.fp.getvalue()  # type: ignore[union-attr]


def test_too_many_pixels_are_refused_before_decoding() -> None:
    with pytest.raises(ValueError, match="pixels"):
        run(picture("PNG", (2000, 2000)), "image/png")


def test_too_many_frames_are_refused() -> None:
    frames = [Image.new("RGB", (100, 100), (i, 0, 0)) for i in range(120)]
    file = io.BytesIO()
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:])
    file.seek(0)
    with pytest.raises(ValueError, match="frames"):
        run(file, "image/gif")


def test_only_the_sniffed_decoder_runs() -> None:
    with pytest.raises(OSError, match="cannot identify"):
        run(picture("PNG"), "image/jpeg")
