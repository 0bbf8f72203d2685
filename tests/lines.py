"""Lines between two ends on this machine, which a test can lead elsewhere, hold up or cut."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator, Awaitable, Callable

PIECE = 4_096
Connected = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def line_to(connected: Connected) -> AsyncIterator[int]:
    """A port of 127.0.0.1 at which ``connected`` takes each connection."""
    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def carried(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, most: float = math.inf) -> bool:
    """Carry what one end says to the other; whether it was cut after ``most`` bytes, and not ended by who speaks."""
    with contextlib.suppress(OSError):
        while piece := await reader.read(PIECE):
            if most < len(piece):
                writer.write(piece[: int(most)])
                await writer.drain()
                return True
            most -= len(piece)
            writer.write(piece)
            await writer.drain()
    return False
