"""Chance as something handed in, as time is: the machine's own, and one that a simulation draws from a seed."""

from __future__ import annotations

import random
import secrets
from typing import Protocol


class Chance(Protocol):
    """Where the rim gets what nobody may foresee. The middle is given values."""

    def secret(self, size: int) -> bytes:
        """Bytes that nobody can guess."""
        ...

    def jitter(self) -> float:
        """A number in [0, 1) that keeps agents apart; no secret."""
        ...


class SystemChance:
    """The machine's."""

    __slots__ = ()

    def secret(self, size: int) -> bytes:
        """From the operating system."""
        return secrets.token_bytes(size)

    def jitter(self) -> float:
        """From the interpreter's generator."""
        return random.random()  # noqa: S311 - spreads retries, guards nothing
