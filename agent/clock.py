"""Time as something handed in: the real clock, and one that a test moves by hand."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Where the rim gets its time. The middle is given values."""

    def now(self) -> int:
        """Seconds since 1970, UTC."""
        ...

    def running(self) -> float:
        """Seconds this process has been running; does not advance while the machine is suspended."""
        ...


class SystemClock:
    """The machine's clock."""

    __slots__ = ()

    def now(self) -> int:
        """Seconds since 1970, UTC, from the wall clock."""
        return int(time.time())

    def running(self) -> float:
        """CLOCK_MONOTONIC, which on Linux stands still during suspend."""
        return time.monotonic()
