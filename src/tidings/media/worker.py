"""Decodes one picture and writes it anew, in a process of its own that can be starved, crashed or taken over by
the file without harm: it has no secrets, and limits on memory, CPU time and output.

`python -m tidings.media.worker SETTINGS`: the file is stdin; the clean picture and its thumbnail go to the
descriptors that SETTINGS (JSON) names; what was found goes to stdout as JSON. Exit 1: not a picture we take.
"""

import contextlib
import io
import json
import os
import resource
import sys
from typing import IO, Any, Final

_FORMATS: Final = {
    "image/jpeg": ("JPEG",),  # also opens what phones write as MPO
    "image/png": ("PNG",),
    "image/webp": ("WEBP",),
    "image/gif": ("GIF",),
}
_FILE_BYTES: Final = 128 * 1024 * 1024


def limit(memory_bytes: int, cpu_s: int) -> None:
    """Bound this process. The second CPU limit kills where the first is ignored."""
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s + 1))
    resource.setrlimit(resource.RLIMIT_FSIZE, (_FILE_BYTES, _FILE_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (32, 32))


def clean(
    source: IO[bytes],
    target: IO[bytes],
    thumbnail: IO[bytes],
    mime_type: str,
    max_pixels: int,
    max_animation_pixels: int,
    thumbnail_pixels: int,
) -> dict[str, Any]:
    """Write the picture in `source` without metadata to `target`, small to `thumbnail`; returns what it is.

    Raises ValueError or OSError for what is no such picture or too large: sizes are looked at before decoding.
    """
    import blurhash
    from PIL import Image, ImageOps

    Image.MAX_IMAGE_PIXELS = None  # our own bound, below, is stricter
    with Image.open(source, formats=_FORMATS[mime_type]) as picture:
        width, height = picture.size
        if width * height > max_pixels or max(width, height) > 65_535:
            raise ValueError("too many pixels")
        frames = getattr(picture, "n_frames", 1) if mime_type in ("image/gif", "image/webp") else 1
        if frames > 1:
            if width * height * frames > max_animation_pixels:
                raise ValueError("too many frames")
            _write_animation(picture, target, mime_type)
            picture.seek(0)
            still = _flat(picture)
        else:
            picture.load()
            still = _flat(ImageOps.exif_transpose(picture))
            _write_still(still, target, mime_type)
    width, height = still.size
    small = still.copy()
    small.thumbnail((thumbnail_pixels, thumbnail_pixels))
    if small.mode == "RGBA":
        ground = Image.new("RGB", small.size, "white")
        ground.paste(small, mask=small.getchannel("A"))
        small = ground
    small.convert("RGB").save(thumbnail, "JPEG", quality=75)
    small.thumbnail((32, 32))
    across, down = (4, 3) if width >= height else (3, 4)
    return {"width": width, "height": height, "blurhash": blurhash.encode(small.convert("RGB"), across, down)}


def _flat(picture: Any) -> Any:
    """The present frame as L, RGB or RGBA in sRGB, carrying nothing but pixels."""
    from PIL import ImageCms

    profile = picture.info.get("icc_profile")
    if picture.mode.startswith("I"):
        picture = picture.point(lambda value: value / 256).convert("L")
    if profile and picture.mode in ("RGB", "CMYK"):
        with contextlib.suppress(ImageCms.PyCMSError, OSError, ValueError):
            own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            picture = ImageCms.profileToProfile(picture, own, ImageCms.createProfile("sRGB"), outputMode="RGB")
    if picture.mode not in ("L", "RGB", "RGBA"):
        see_through = picture.mode in ("LA", "PA", "La", "RGBa") or "transparency" in picture.info
        picture = picture.convert("RGBA" if see_through else "RGB")
    elif "transparency" in picture.info:
        picture = picture.convert("RGBA")
    flat = picture.copy()
    flat.info = {}
    return flat


def _write_still(picture: Any, target: IO[bytes], mime_type: str) -> None:
    if mime_type == "image/jpeg":
        picture = picture.convert("RGB") if picture.mode == "RGBA" else picture
        picture.save(target, "JPEG", quality=88, progressive=True)
    elif mime_type == "image/webp":
        picture.save(target, "WEBP", quality=88, method=2)
    else:
        picture.save(target, _FORMATS[mime_type][0])


def _write_animation(picture: Any, target: IO[bytes], mime_type: str) -> None:
    for name in ("comment", "exif", "xmp", "icc_profile", "extension"):
        picture.info.pop(name, None)
    options: dict[str, Any] = {"save_all": True}
    if "loop" in picture.info:
        options["loop"] = picture.info["loop"]
    if mime_type == "image/gif":
        picture.save(target, "GIF", **options, comment=b"")
    else:
        picture.save(target, "WEBP", **options, exif=b"", xmp=b"", quality=80, method=1)


def main() -> int:
    """Work on stdin as told; see the module's docstring."""
    told = json.loads(sys.argv[1])
    limit(told.pop("memory_bytes"), told.pop("cpu_s"))
    try:
        with (
            os.fdopen(told.pop("target_fd"), "wb") as target,
            os.fdopen(told.pop("thumbnail_fd"), "wb") as thumbnail,
        ):
            found = clean(sys.stdin.buffer, target, thumbnail, **told)
    except Exception as error:
        sys.stderr.write(f"{type(error).__name__}: {error}"[:300])
        return 1
    sys.stdout.write(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
