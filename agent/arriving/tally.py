"""What a page came to, in figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from agent.model import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What one page came to: counts of observations, fresh events, entries, and decisions by outcome."""

    source: str
    observed: int
    fresh: int
    entries: int
    outcomes: Mapping[Outcome, int] = field(default_factory=dict)
    reasons: Mapping[str, int] = field(default_factory=dict)
