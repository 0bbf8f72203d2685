"""How long an attempt that nobody answered may still arrive at the catalogue."""

from __future__ import annotations

from collections.abc import Callable

DOUBT_S = 60
"""Twice what the catalogue gives a request."""


class Doubt:
    """Counts by ``running``, seconds of a clock that nobody sets: one that was wrong for a moment must not decide.

    What an earlier life of this process sent is taken to have left as this one began.
    """

    def __init__(self, running: Callable[[], float]) -> None:
        self._running = running
        self._began = running()
        self._sent: dict[str, float] = {}

    def sent(self, key: str) -> None:
        """An attempt under this key was just given up, or is about to leave."""
        self._sent[key] = self._running()

    def over(self, key: str) -> None:
        """The key is settled."""
        self._sent.pop(key, None)

    def may_arrive(self, key: str) -> bool:
        """Whether an attempt under this key may still arrive."""
        return self._running() - self._sent.get(key, self._began) < DOUBT_S
