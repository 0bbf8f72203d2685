"""How much one source may post: a bucket of tokens that fills with time."""

from __future__ import annotations

import math


class Rate:
    """``per_s`` posts a second on average, twice as many at once. ``now`` is the running clock, in seconds."""

    __slots__ = ("_filled_at", "_left", "_most", "_per_s")

    def __init__(self, per_s: float, now: float) -> None:
        self._per_s = per_s
        self._most = max(1.0, 2 * per_s)
        self._left = self._most
        self._filled_at = now

    def take(self, now: float) -> int:
        """0 where one more may come now, else in how many seconds it may."""
        self._left = min(self._most, self._left + (now - self._filled_at) * self._per_s)
        self._filled_at = now
        if self._left >= 1:
            self._left -= 1
            return 0
        return max(1, math.ceil((1 - self._left) / self._per_s))
