"""How long an attempt that nobody answered may still arrive at the catalogue."""

from __future__ import annotations

from collections.abc import Callable

DOUBT_S = 60
"""Twice what the catalogue gives a request."""


class Doubt:
    """Counts by ``running``, seconds of a clock that nobody sets: one that was wrong for a moment must not decide.

    What another process sent, or an earlier life of this one, is taken to have left when it is first seen here.
    """

    def __init__(self, running: Callable[[], float]) -> None:
        self._running = running
        self._seen: dict[str, tuple[int, float]] = {}

    def may_arrive(self, key: str, attempts: int) -> bool:
        """Whether one of so many ``attempts`` under this key, as the ledger counts them, may still arrive."""
        now = self._running()
        seen = self._seen.get(key)
        if seen is None or seen[0] != attempts:
            seen = self._seen[key] = (attempts, now)
        return now - seen[1] < DOUBT_S

    def sent(self, key: str, attempts: int) -> None:
        """The last of so many is of this process: it leaves now, or was given up."""
        self._seen[key] = (attempts, self._running())

    def over(self, key: str) -> None:
        """The key is settled."""
        self._seen.pop(key, None)
