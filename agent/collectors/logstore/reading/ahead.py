"""Reads the next stretch of the log while the rows of one are being looked up: the database is idle meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from agent.collectors.logstore.reading.stretch import Filter, Reader, Stretch


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a stretch begins and for what it is read: the arguments of `Reader.tail`."""

    wanted: Filter
    position: int
    high_water: int
    upto: int | None


class Ahead:
    """Stretches of one log. Call all of it inside a snapshot.

    What was read ahead was seen one snapshot before, and by one connection: another may lead to another server. An id
    whose row is committed between the two is missing like any that comes late.
    """

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._read: tuple[Place, int, Stretch] | None = None

    def forget(self) -> None:
        """Read again what was read before; it may be long ago."""
        self._read = None

    async def stretch(self, place: Place, now: int) -> Stretch:
        """The stretch from ``place``, where it is not there already read now; errors as `Reader.tail`."""
        read, self._read = self._read, None
        if read is not None and read[0] == place and read[1] == self._reader.database.generation:
            return read[2]
        return await self._tail(place, now)

    @asynccontextmanager
    async def reading(self, place: Place, now: int) -> AsyncIterator[None]:
        """Read from ``place`` beside what the block asks, and to the end; what fails is met again where it is due."""
        reading = asyncio.create_task(self._tail(place, now))
        try:
            yield
            await asyncio.wait([reading])
            if reading.exception() is None:
                self._read = (place, self._reader.database.generation, reading.result())
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    async def _tail(self, place: Place, now: int) -> Stretch:
        return await self._reader.tail(
            place.wanted, position=place.position, high_water=place.high_water, now=now, upto=place.upto
        )
