"""A connection that is to become TLS: counted from its first packet, and given a time to become it.

asyncio makes TLS of a connection before anybody hears of it: whoever never says a word would be counted nowhere.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import cast

from machine.listening import connection
from machine.listening.connection import Connection, Connections


class Handshake(asyncio.Protocol):
    """Stands in until it is TLS, then gives way to what ``make`` makes; ``under_way`` keeps those that are at it."""

    def __init__(
        self,
        among: Connections,
        tls: ssl.SSLContext,
        make: Callable[[], Connection],
        under_way: set[asyncio.Task[None]],
    ) -> None:
        self._among = among
        self._tls = tls
        self._make = make
        self._under_way = under_way
        self._early = bytearray()
        self._is_gone = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take it, unless there are too many."""
        transport = cast("asyncio.Transport", transport)
        peer = transport.get_extra_info("peername")
        address = str(peer[0]) if peer else ""
        if not self._among.enter(address):
            transport.abort()
            return
        transport.pause_reading()  # the first bytes are for TLS
        task = asyncio.get_running_loop().create_task(self._agreed(transport, address))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    def data_received(self, data: bytes) -> None:
        """What came with the end of the handshake."""
        self._early += data

    def connection_lost(self, exc: BaseException | None) -> None:  # noqa: ARG002 - why does not matter
        """It is gone."""
        self._is_gone = True

    async def _agreed(self, transport: asyncio.Transport, address: str) -> None:
        try:
            secured = await asyncio.get_running_loop().start_tls(
                transport,
                self,
                self._tls,
                server_side=True,
                ssl_handshake_timeout=connection.HEAD_S,
                ssl_shutdown_timeout=connection.HEAD_S,
            )
        except OSError:  # no TLS, none that we speak, or too slow
            secured = None
        finally:
            self._among.leave(address)
        if secured is None or self._is_gone:
            transport.abort()
            return
        taken = self._make()
        secured.set_protocol(taken)
        taken.connection_made(secured)  # it is counted again, before anybody else can come
        if self._early:
            taken.data_received(bytes(self._early))
