"""One address behind which one server stands, and later another, as a floating address or a proxy has it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator


class FloatingAddress:
    """A port of 127.0.0.1 whose connections end at the port ``leads_to``; made by `floating_address`."""

    def __init__(self, leads_to: int) -> None:
        self.port = 0
        self._leads_to = leads_to
        self._open: set[asyncio.StreamWriter] = set()

    def fail_over(self, port: int) -> None:
        """Whoever comes from now on is led to another server; connections that are open are cut."""
        self._leads_to = port
        for writer in self._open:
            writer.transport.abort()

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, carried both ways until either end is gone."""
        there, back = await asyncio.open_connection("127.0.0.1", self._leads_to)
        mine = {writer, back}
        self._open |= mine
        try:
            await asyncio.gather(_carried(reader, back), _carried(there, writer))
        finally:
            self._open -= mine


async def _carried(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.close()


@contextlib.asynccontextmanager
async def floating_address(leads_to: int) -> AsyncIterator[FloatingAddress]:
    """An address that leads to a port of this machine."""
    address = FloatingAddress(leads_to)
    server = await asyncio.start_server(address.connected, "127.0.0.1", 0)
    address.port = server.sockets[0].getsockname()[1]
    try:
        yield address
    finally:
        address.fail_over(leads_to)
        server.close()
        await server.wait_closed()
