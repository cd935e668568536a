"""ejabberd from Debian's packages, unpacked into .cache: nothing is installed, so no root, no user, no service."""

import shutil
import subprocess
from pathlib import Path

from bench.peers.child import UnavailableError

FOLDER = Path(".cache/ejabberd")
PACKAGES = ("ejabberd", "erlang-p1-pgsql")
TIMEOUT_S = 600


def ejabberd_root() -> Path:
    """The folder whose `usr/lib` has Erlang and ejabberd. Raises UnavailableError."""
    if shutil.which("ejabberdctl"):
        return Path("/")
    root = FOLDER.absolute() / "root"
    if not root.exists():
        _unpack(root)
    return root


def _unpack(root: Path) -> None:
    if not shutil.which("apt-get") or not shutil.which("dpkg"):
        raise UnavailableError(f"the packages {' and '.join(PACKAGES)} are Debian's, and there is no apt-get here")
    debs, work = FOLDER / "debs", root.with_name("root.new")
    debs.mkdir(parents=True, exist_ok=True)
    # What is missing of all that they need; a rehearsal needs no root.
    planned = _said(["apt-get", "install", "--dry-run", "--no-install-recommends", *PACKAGES])
    names = [line.split()[1] for line in planned.splitlines() if line.startswith("Inst ")]
    _said(["apt-get", "download", *names], debs)
    shutil.rmtree(work, ignore_errors=True)
    for deb in sorted(debs.glob("*.deb")):
        _said(["dpkg", "--extract", str(deb), str(work)])
    work.rename(root)


def _said(command: list[str], folder: Path | None = None) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    if done.returncode:
        raise UnavailableError(
            f"{' '.join(command[:2])}: {done.stderr.strip()}\n(`apt-get update`, as root, renews the lists it looks in)"
        )
    return done.stdout
