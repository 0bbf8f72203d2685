"""From which address a database server sees us: what an account's GRANT must name."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
from urllib.parse import parse_qs, urlsplit

LOOPBACK = "127.0.0.1"


def by_socket(url: str) -> bool:
    """Whether ``url`` leads to a socket of this machine."""
    return "unix_socket" in parse_qs(urlsplit(url).query)


def our_host(url: str) -> str:
    """This machine's address on the way to the host of ``url``; nothing is sent to find out.

    A server behind a translating router sees another one: then the administrator says which. Who comes by the socket
    comes from `localhost`, which is no address to MariaDB and MySQL.
    """
    if by_socket(url):
        return "localhost"
    host = urlsplit(url).hostname or LOOPBACK
    with contextlib.suppress(ValueError):
        if ipaddress.ip_address(host).is_loopback:
            return host
    with contextlib.suppress(OSError):
        for family, kind, protocol, _, address in socket.getaddrinfo(host, 9, type=socket.SOCK_DGRAM):
            with socket.socket(family, kind, protocol) as probe:
                probe.connect(address)
                return str(probe.getsockname()[0])
    return LOOPBACK
