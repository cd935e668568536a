"""Addresses that clients give us to call: a push service's, never one of this network. Pure; names are looked up, and
the found address checked again, where the call is made."""

import ipaddress
import socket
from urllib.parse import urlsplit

INNER_NAMES = (".localhost", ".local", ".internal", ".lan", ".home.arpa", ".localdomain")


def is_outer(url: str) -> bool:
    """Whether an https URL names a host of the internet, by name or by a global address in its plain form."""
    try:
        parts = urlsplit(url)
        host, _ = (parts.hostname or "").rstrip("."), parts.port
    except ValueError:
        return False
    if parts.scheme != "https" or not host or "@" in parts.netloc or any(c <= " " or c == "\\" for c in url):
        return False
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return not _is_numeric(host) and "." in host and not f".{host}".endswith(INNER_NAMES)
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_global and not address.is_multicast


def _is_numeric(host: str) -> bool:
    """Forms of IPv4 that resolvers understand: `0x7f.1`, `2130706433`, `127.1`."""
    try:
        socket.inet_aton(host)
    except OSError:
        return False
    return True
