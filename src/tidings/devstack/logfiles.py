"""Log files of the children: capped in size, and read back for people.

Children append to their file directly, so logging costs the supervisor nothing. A file that outgrew its cap is
copied to `<name>.log.1` and emptied; O_APPEND lets the child write on at the new end.
"""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

CAP_BYTES = 16 * 1024 * 1024
TAIL_BYTES = 64 * 1024
FOLLOW_INTERVAL_S = 0.2


def log_path(data_dir: Path, name: str) -> Path:
    return data_dir / "logs" / f"{name}.log"


def rotate(path: Path, cap_bytes: int = CAP_BYTES) -> bool:
    """Make room when the file is larger than `cap_bytes`. True when it was."""
    try:
        if path.stat().st_size <= cap_bytes:
            return False
    except FileNotFoundError:
        return False
    shutil.copyfile(path, path.with_name(path.name + ".1"))
    with path.open("r+b") as file:
        file.truncate(0)
    return True


def size_of(path: Path) -> int:
    """In bytes; 0 if there is none."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def last_lines(path: Path, count: int, since: int = 0) -> list[str]:
    """The last `count` lines, without reading the whole file. `since`: of those after so many bytes; a file that is
    shorter by now was emptied meanwhile."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(since if since <= size else 0, size - TAIL_BYTES))
            text = file.read().decode("utf-8", errors="replace")
    except FileNotFoundError:
        return []
    return text.splitlines()[-count:]


def follow(paths: dict[str, Path]) -> Iterator[tuple[str, str]]:
    """New lines of several files as (name, line), for ever. Files may appear, grow and be rotated."""
    places = {name: path.stat().st_size if path.exists() else 0 for name, path in paths.items()}
    while True:
        quiet = True
        for name, path in paths.items():
            size = path.stat().st_size if path.exists() else 0
            if size < places[name]:
                places[name] = 0
            if size == places[name]:
                continue
            with path.open("rb") as file:
                file.seek(places[name])
                fresh = file.read(1 << 20)
            whole = fresh.rfind(b"\n") + 1
            places[name] += whole
            quiet = quiet and not whole
            for line in fresh[:whole].decode("utf-8", errors="replace").splitlines():
                yield name, line
        if quiet:
            time.sleep(FOLLOW_INTERVAL_S)
