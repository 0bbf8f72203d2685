"""What a run did, line by line: two runs of one seed are the same to the byte, or something is left to chance."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path


class Trace:
    """Lines with their virtual time, and how many faults of each kind were injected.

    Where the files lie, ``root``, is another place in each run and told as nothing.
    """

    def __init__(self, root: Path) -> None:
        self.time: Callable[[], float] = lambda: 0.0
        self._root = str(root)
        self.lines: list[str] = []
        self.faults: Counter[str] = Counter()

    def say(self, what: str) -> None:
        """Note something."""
        self.lines.append(f"{self.time():11.4f} {what.replace(self._root, '')}")

    def fault(self, kind: str, more: str = "") -> None:
        """Note a fault that was injected."""
        self.faults[kind] += 1
        self.say(f"! {kind} {more}".rstrip())

    def text(self) -> str:
        """All of it."""
        return "\n".join(self.lines) + "\n"

    def digest(self) -> str:
        """Its SHA-256, the first 16 hex digits."""
        return hashlib.sha256(self.text().encode()).hexdigest()[:16]
