"""What delivery needs of the ledger's writer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

import aiosqlite

T = TypeVar("T")


class Runs(Protocol):
    """The writer, as far as delivery needs it."""

    async def run(self, unit: Callable[[aiosqlite.Connection], Awaitable[T]]) -> T:
        """Run a unit in a transaction of its own."""
        ...
