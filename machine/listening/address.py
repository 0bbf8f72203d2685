"""What is heard at an address that somebody configured."""

from __future__ import annotations

import errno
import os
import socket

from aiohttp import web

EVERYWHERE = "::"


def site_at(runner: web.BaseRunner, host: str, port: int) -> web.BaseSite:
    """Where ``runner`` is to listen; ``start()`` it.

    ``::`` is every address of the machine, those of IPv4 too, as with most servers; asyncio alone would hear IPv6 only.

    Raises:
        OSError: ``::`` cannot be listened at. Of any other address ``start()`` says so.
    """
    if host != EVERYWHERE:
        return web.TCPSite(runner, host, port)
    if not socket.has_dualstack_ipv6():
        raise OSError(errno.EAFNOSUPPORT, os.strerror(errno.EAFNOSUPPORT))
    heard = socket.create_server((host, port), family=socket.AF_INET6, dualstack_ipv6=True)
    return web.SockSite(runner, heard)
