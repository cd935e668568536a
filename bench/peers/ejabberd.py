"""ejabberd as a child process, with or without its message archive (mod_mam) in PostgreSQL.

As its documentation advises for speed: one SQL connection pool with prepared statements, caches on, no traffic shaper,
log level error, and only the modules that are needed. Accounts are in Mnesia, so that the archive alone uses SQL.
"""

import contextlib
import json
import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.peers.child import UnavailableError, running
from bench.peers.packages import ejabberd_root
from bench.peers.postgres import Database, database
from bench.peers.xmpp import Xmpp
from tidings.devstack.ports import Ports

START_S = 60.0
SQL_POOL = 20


@contextmanager
def party(folder: Path, *, archive: bool) -> Iterator[Xmpp]:
    """A running server. Raises UnavailableError."""
    root = ejabberd_root()
    folder.mkdir(parents=True)
    with contextlib.ExitStack() as stack:
        stored = stack.enter_context(database(folder / "data", "ejabberd")) if archive else None
        if stored is not None:
            stored.run((root / "usr/share/ejabberd/sql/pg.sql").read_text())
        ports = Ports(None)
        port = ports.pick("xmpp")
        ports.release()
        config = folder / "ejabberd.yml"
        config.write_text(json.dumps(configuration(port, stored), indent=1))  # JSON is YAML
        command, env = _command(root, folder, config)
        child = stack.enter_context(running(command, env, folder / "said.log", lambda: _listens(port), START_S))
        pids = {"ejabberd": child.pid} | ({"postgres": stored.pid} if stored else {})
        what = "archive in PostgreSQL" if archive else "nothing stored"
        yield Xmpp(f"ejabberd {_version(root)}, {what}", port, pids)


def configuration(port: int, stored: Database | None) -> dict[str, object]:
    """ejabberd.yml."""
    modules: dict[str, object] = {
        "mod_register": {"ip_access": "all", "access": "all", "password_strength": 0, "welcome_message": {}},
    }
    found: dict[str, object] = {
        "hosts": ["localhost"],
        "loglevel": "error",
        "acme": {"auto": False},
        "registration_timeout": "infinity",
        "auth_method": ["internal"],
        "auth_password_format": "plain",
        "listen": [
            {
                "port": port,
                "ip": "127.0.0.1",
                "module": "ejabberd_c2s",
                "access": "all",
                "shaper": "none",
                "max_stanza_size": 262144,
            }
        ],
        "modules": modules,
    }
    if stored is not None:
        modules["mod_mam"] = {"db_type": "sql", "default": "always", "use_cache": True}
        found |= {
            "sql_type": "pgsql",
            "sql_server": stored.host,
            "sql_port": stored.port,
            "sql_database": stored.name,
            "sql_username": stored.user,
            "sql_password": stored.password,
            "sql_pool_size": SQL_POOL,
            "sql_prepared_statements": True,
        }
    return found


def _command(root: Path, folder: Path, config: Path) -> tuple[list[str], dict[str, str]]:
    """The emulator itself: `ejabberdctl` would change the user and start a port mapper that outlives it."""
    erlang = root / "usr/lib/erlang"
    runtime = next(erlang.glob("erts-*/bin"), None)
    libraries = next(root.glob("usr/lib/*-linux-gnu/ejabberd-*/.."), None)
    if runtime is None or libraries is None:
        raise UnavailableError(f"no Erlang with ejabberd under {root}")
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "LANG": "C.UTF-8",
        "ROOTDIR": str(erlang),
        "BINDIR": str(runtime),
        "EMU": "beam",
        "PROGNAME": "erl",
        "ERL_LIBS": str(libraries.resolve()),
        "LD_LIBRARY_PATH": str(libraries.resolve()),
        "ERL_CRASH_DUMP": str(folder / "crash.dump"),
        "EJABBERD_CONFIG_PATH": str(config),
        "EJABBERD_LOG_PATH": str(folder / "ejabberd.log"),
    }
    options = ["-noinput", "+K", "true", "+P", "250000", "-mnesia", "dir", f'"{folder / "mnesia"}"', "-s", "ejabberd"]
    return [str(runtime / "erlexec"), *options], env


def _version(root: Path) -> str:
    folder = next(root.glob("usr/lib/*-linux-gnu/ejabberd-*"))
    found = re.search(r"\d+\.\d+", folder.name)
    return found.group() if found else ""


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
