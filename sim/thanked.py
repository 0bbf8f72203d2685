"""Kudos as learners know of them: what they asked for, and what they were told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple


class Wished(NamedTuple):
    """Kudos that somebody wanted to give, by whom and to whom."""

    giver: int
    receiver: int


@dataclass(slots=True)
class Thanked:
    """What was asked for, by its key, and what learners were told.

    ``numbers`` are those that kudos ever had, of whatever books: nobody else's may have one.
    """

    wished: dict[str, Wished] = field(default_factory=dict)
    told: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Key → (number, books that were in force)."""
    numbers: dict[int, str] = field(default_factory=dict)
    back: set[int] = field(default_factory=set)
    """Numbers that their giver wanted back."""
    faults: list[str] = field(default_factory=list)
