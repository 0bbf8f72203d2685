"""One address behind which one server stands, and later another, as a floating address or a proxy has it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from tests.lines import carried, line_to


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
            await asyncio.gather(carried(reader, back), carried(there, writer))
        finally:
            self._open -= mine


@contextlib.asynccontextmanager
async def floating_address(leads_to: int) -> AsyncIterator[FloatingAddress]:
    """An address that leads to a port of this machine."""
    address = FloatingAddress(leads_to)
    async with line_to(address.connected) as address.port:
        try:
            yield address
        finally:
            address.fail_over(leads_to)
