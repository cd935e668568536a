"""Choosing ports nobody else holds, and saying who holds one that is taken.

A chosen port is reserved for the life of this process by an abstract Unix socket named after it. Those live in
the network namespace, as ports do, and vanish with their owner, so two systems that start at the same moment
never choose the same port, and a crash leaves nothing to clean up.
"""

import errno
import socket
from collections.abc import Iterable

import psutil

LOOPBACK = "127.0.0.1"


class PortTakenError(Exception):
    """Somebody else listens on the port; the text says who."""


class Ports:
    """The ports this system has reserved. One owner: the supervisor (or the test run) that made it."""

    def __init__(self, preferred: dict[str, int] | None = None) -> None:
        # What each name had last time: a restart keeps its ports where it can.
        self._preferred = dict(preferred or {})
        self._reservations: dict[int, socket.socket] = {}
        self.chosen: dict[str, int] = {}

    def pick(self, name: str, usual: int = 0) -> int:
        """A free loopback port for `name`: the one it had last time, else the usual one, else any."""
        for port in (self._preferred.get(name, 0), usual):
            if port and self._reserve(port):
                break
        else:
            while not self._reserve(port := _any_free()):
                pass
        self.chosen[name] = port
        return port

    def claim(self, port: int, host: str) -> None:
        """Reserve exactly this port. Raises PortTakenError with the name of its holder."""
        if not self._reserve(port, host):
            raise PortTakenError(f"Port {port} is taken by {describe_holder(port)}.")

    def release(self) -> None:
        for reservation in self._reservations.values():
            reservation.close()
        self._reservations.clear()

    def _reserve(self, port: int, host: str = LOOPBACK) -> bool:
        if port in self._reservations:
            return False
        reservation = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            reservation.bind(f"\0tidings-port-{port}")
        except OSError:
            reservation.close()
            return False
        if not is_free(port, host):
            reservation.close()
            return False
        self._reservations[port] = reservation
        return True


def is_ours(host: str) -> bool:
    """Whether something on this machine can listen on this address."""
    with socket.socket(_family(host)) as probe:
        try:
            probe.bind((host, 0))
        except OSError:
            return False
    return True


def is_free(port: int, host: str = LOOPBACK) -> bool:
    """Whether a server could listen there now. Connections of a past server in TIME_WAIT do not count."""
    with socket.socket(_family(host), socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                return False
            raise
    return True


def describe_holder(port: int) -> str:
    """Who listens on `port`, as far as this user may know."""
    pids = sorted({pid for pid in _listeners(port) if pid is not None})
    names = []
    for pid in pids:
        try:
            process = psutil.Process(pid)
            command = " ".join(process.cmdline()) or process.name()
            names.append(f"{process.name()} (pid {pid}, user {process.username()}: {command[:120]})")
        except psutil.Error:
            names.append(f"pid {pid}")
    return ", ".join(names) or "a process of another user"


def _listeners(port: int) -> Iterable[int | None]:
    try:
        connections = psutil.net_connections(kind="tcp")
    except psutil.AccessDenied:
        return
    for connection in connections:
        if connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port == port:
            yield connection.pid


def _any_free() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
