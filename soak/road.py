"""A way between two programs that can be shut, cut, or forget connections over which nobody says anything."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import time
from collections import Counter

LOOK_S = 0.02
_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER: a close becomes a reset."""


class _Pair:
    """One connection, both halves of it."""

    def __init__(self, *writers: asyncio.StreamWriter) -> None:
        self.writers = writers
        self.said_at = time.monotonic()
        self.deaf = False
        """Nothing is passed on any more, and nobody is told."""

    def reset(self) -> None:
        for writer in self.writers:
            plug = writer.get_extra_info("socket")
            with contextlib.suppress(OSError):
                plug.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            writer.transport.abort()


class Road:
    """To ``port`` of this machine, by a port of its own."""

    def __init__(self, name: str, port: int) -> None:
        self.name = name
        self.port = 0
        self.shut = False
        self.idle_s: float | None = None
        """After so many seconds of silence a connection is forgotten."""
        self.silent = False
        """A connection that is forgotten is not closed: what is said on it leads nowhere."""
        self.counts: Counter[str] = Counter()
        self._to = port
        self._pairs: set[_Pair] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Let connections in."""
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        watching = asyncio.create_task(self._watch())
        self._tasks.add(watching)

    def cut(self) -> None:
        """Reset every connection there is."""
        for pair in list(self._pairs):
            self.counts["connections cut"] += 1
            pair.reset()

    def good(self) -> None:
        """Everything passes; what is deaf is reset, as it would be in the end."""
        self.shut, self.idle_s, self.silent = False, None, False
        for pair in [each for each in self._pairs if each.deaf]:
            pair.reset()

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            if self.idle_s is None:
                continue
            for pair in [each for each in self._pairs if time.monotonic() - each.said_at > self.idle_s]:
                if not self.silent:
                    self.counts["idle connections cut"] += 1
                    pair.reset()
                elif not pair.deaf:
                    self.counts["idle connections forgotten"] += 1
                    pair.deaf = True

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if self.shut:
                raise ConnectionRefusedError
            answers, there = await asyncio.open_connection("127.0.0.1", self._to)
        except OSError:
            _Pair(writer).reset()
            return
        pair = _Pair(writer, there)
        self._pairs.add(pair)
        try:
            await asyncio.gather(self._pass(pair, reader, there), self._pass(pair, answers, writer))
        finally:
            self._pairs.discard(pair)
            for each in pair.writers:
                each.close()

    async def _pass(self, pair: _Pair, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while piece := await reader.read(65_536):
                pair.said_at = time.monotonic()
                if not pair.deaf:
                    writer.write(piece)
                    await writer.drain()
        if not pair.deaf:
            writer.close()
