"""The kinds of event of a file: one that nobody knows, and that is nearly one that is known, was mistyped."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from agent.config.kinds import KindTable

_NEAR = 0.85
_LOOKED_AT_MAX = 1_000
"""Different kinds that are looked at: no file that was meant has more."""


class Kinds:
    """The kinds of a file's good rows, each with the row of the first.

    A kind may be the campus's own, so none is a fault; what is nearly a known one is remarked.
    """

    def __init__(self) -> None:
        self._first: dict[str, int] = {}

    def add(self, rows: Iterable[tuple[int, str]]) -> None:
        """Look at rows: (number, kind)."""
        for row, kind in rows:
            if len(self._first) < _LOOKED_AT_MAX:
                self._first.setdefault(kind, row)

    def remarks(self) -> list[str]:
        """What is told of them."""
        known = KindTable().kinds()
        return [
            f"row {row}: no table knows the kind {kind!r}, did you mean {near[0]!r}? It is imported as it stands, and "
            "earns where a rule names it"
            for kind, row in self._first.items()
            if kind not in known and (near := get_close_matches(kind, known, n=1, cutoff=_NEAR))
        ]
