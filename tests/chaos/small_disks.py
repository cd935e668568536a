"""Puts stores on small disks of their own, then becomes another program: `small_disks.py FOLDER SECONDS COMMAND...`.

Runs inside `unshare -Urm`, where anyone may mount: each store's folder is a tmpfs that can be filled without harm to
anything else. From outside they are seen through /proc/PID/root.
"""

import asyncio
import ctypes
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from tidings.devstack.ports import Ports
from tidings.devstack.process import PR_SET_PDEATHSIG
from tidings.devstack.stores import postgres

MIB = {"nats": 96, "mongo": 640, "valkey": 16, "postgres": 256}
NATS_MIB_A_MINUTE = 12  # its streams keep days: what a run of so long leaves there, and half of that again


def main() -> None:
    folder = Path(sys.argv[1])
    # initdb renames its folder into place, which cannot be done onto a mount: it comes first and is moved in.
    asyncio.run(postgres.embed(folder, Ports({})).process.prepare())
    seconds = float(sys.argv[2])
    sizes = MIB | {"nats": max(MIB["nats"], int(seconds / 60 * NATS_MIB_A_MINUTE))}
    for store, mib in sizes.items():
        made = folder / f"{store}.before"
        (folder / store).mkdir(exist_ok=True)
        (folder / store).rename(made)
        (folder / store).mkdir(mode=0o700)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mib}m,mode=700", "tmpfs", folder / store], check=True)
        shutil.copytree(made, folder / store, dirs_exist_ok=True, copy_function=shutil.copy2)
        shutil.rmtree(made)
    # Asked for before, and lost on entering the namespace.
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    os.execv(sys.argv[3], sys.argv[3:])


if __name__ == "__main__":
    main()
