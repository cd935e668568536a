"""Addresses that clients give us to call: a push service's, never one of this network. Pure; names are looked up, and
the found address checked again, where the call is made."""

import ipaddress
import socket
from collections.abc import Collection
from typing import Final
from urllib.parse import urlsplit

INNER_NAMES: Final = (".localhost", ".local", ".internal", ".lan", ".home.arpa", ".localdomain")
_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052: the last 32 bits are an IPv4 address
_PORTS: Final = {"https": 443, "http": 80}


def is_outer(url: str, allowed: Collection[str] = ()) -> bool:
    """Whether a URL has one of the `allowed` origins, or is https and names a host of the internet, by name or by a
    global address in its plain form."""
    try:
        parts = urlsplit(url)
        host, _ = (parts.hostname or "").rstrip("."), parts.port
    except ValueError:
        return False
    if not host or not url.isascii() or "@" in parts.netloc or any(c <= " " or c == "\\" for c in url):
        return False
    if origin_of(url) in allowed:
        return True
    if parts.scheme != "https":
        return False
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return not _is_numeric(host) and "." in host and not f".{host}".endswith(INNER_NAMES)
    return is_outer_address(host)


def is_outer_address(text: str) -> bool:
    """Whether an IP address is one of the internet, also where it carries an IPv4 address inside. Raises ValueError
    for what is no address."""
    address = ipaddress.ip_address(text)
    if isinstance(address, ipaddress.IPv6Address):
        inside = address.ipv4_mapped or address.sixtofour or (address.teredo and address.teredo[1])
        if address in _NAT64:
            inside = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inside:
            return is_outer_address(str(inside))
    return address.is_global and not address.is_multicast


def origin_of(url: str) -> str:
    """Scheme, host and port, the usual port left out (RFC 6454). Raises ValueError for what is no URL."""
    parts = urlsplit(url)
    host = (parts.hostname or "").rstrip(".")
    shown = f"[{host}]" if ":" in host else host
    usual = parts.port is None or parts.port == _PORTS.get(parts.scheme)
    return f"{parts.scheme}://{shown}" if usual else f"{parts.scheme}://{shown}:{parts.port}"


def _is_numeric(host: str) -> bool:
    """Forms of IPv4 that resolvers understand: `0x7f.1`, `2130706433`, `127.1`."""
    try:
        socket.inet_aton(host)
    except OSError:
        return False
    return True
