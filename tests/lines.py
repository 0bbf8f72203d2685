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
    """A port of 127.0.0.1 at which ``connected`` takes each connection; what it still carries is cut at the end."""
    under_way: dict[asyncio.Task[None] | None, asyncio.StreamWriter] = {}

    async def taken(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        under_way[asyncio.current_task()] = writer
        with contextlib.suppress(OSError, asyncio.CancelledError):
            await connected(reader, writer)
        writer.close()
        under_way.pop(asyncio.current_task())

    server = await asyncio.start_server(taken, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        left = [task for task in under_way if task is not None]
        for task in left:
            under_way[task].transport.abort()
            task.cancel()
        await asyncio.gather(*left)


async def carried(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, most: float = math.inf) -> bool:
    """Carry what one end says to the other, and close that; whether it was cut after ``most`` bytes, not ended."""
    with contextlib.closing(writer), contextlib.suppress(OSError):
        while piece := await reader.read(PIECE):
            if most < len(piece):
                writer.write(piece[: int(most)])
                await writer.drain()
                return True
            most -= len(piece)
            writer.write(piece)
            await writer.drain()
    return False
