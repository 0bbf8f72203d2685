"""Turns by address: so many at once from each, so that nobody keeps those of another address waiting."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Turns:
    """``most`` at once from one address; those beyond wait for theirs. Nothing is kept of addresses that are gone."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._at: dict[str, tuple[asyncio.Semaphore, int]] = {}

    @asynccontextmanager
    async def of(self, address: str) -> AsyncIterator[None]:
        """One turn of an address."""
        turn, waiting = self._at.get(address, (asyncio.Semaphore(self._most), 0))
        self._at[address] = turn, waiting + 1
        try:
            async with turn:
                yield
        finally:
            turn, waiting = self._at[address]
            if waiting > 1:
                self._at[address] = turn, waiting - 1
            else:
                del self._at[address]
