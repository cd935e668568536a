"""The embedded stores, one module each: command line, configuration, readiness, and the URL it is reached by."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tidings.devstack.process import Process


@dataclass(frozen=True)
class Store:
    """An embedded store: the process, and the settings by which everything else reaches it."""

    process: Process
    environ: Mapping[str, str]


def private_folder(path: Path) -> Path:
    """`path`, made if missing and readable to its owner alone."""
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.chmod(0o700)
    return path


def write_private(path: Path, text: str) -> Path:
    """Write a configuration file that holds credentials: complete or not at all, mode 0600."""
    draft = path.with_name(f".{path.name}.new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    draft.replace(path)
    return path
