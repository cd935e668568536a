"""Secrets made at first start, kept in the data directory with mode 0600. There are no default ones.

`TIDINGS_SECRET_<NAME>` wins over the file, so that an orchestrator can supply its own.
"""

import os
import secrets
from pathlib import Path


def secret(data_dir: Path, name: str, fresh: str = "") -> str:
    """The secret `name`, made now if it is not there yet: `fresh`, or 43 characters of base64url (256 bits).

    Safe when several processes ask for a new one at once: whoever links the file first decides.
    """
    given = os.environ.get(f"TIDINGS_SECRET_{name}".upper())
    if given:
        return given
    return secret_file(data_dir, name, (fresh or secrets.token_urlsafe(32)).encode()).decode()


def secret_file(data_dir: Path, name: str, fresh: bytes) -> bytes:
    """The content of the secret file `name`, written as `fresh` if it is not there yet."""
    folder = data_dir / "secrets"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / name
    if not path.exists():
        draft = folder / f".{name}.{os.getpid()}.{secrets.token_hex(4)}"
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(fresh)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)  # atomic, and fails when another process was first
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_bytes()
