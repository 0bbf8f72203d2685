"""Counters and gauges of one process, under names that are frozen: `status` shows them, an exporter may read them."""

from __future__ import annotations

from collections import Counter as _Totals
from enum import StrEnum
from typing import NamedTuple


class Counter(StrEnum):
    """What only ever grows while the process lives. The name's last word is its unit."""

    pages_read = "pages_read"
    observations_seen = "observations_seen"
    decisions_awarded = "decisions_awarded"
    decisions_held = "decisions_held"
    decisions_refused = "decisions_refused"
    entries_appended = "entries_appended"
    entries_delivered = "entries_delivered"
    entries_rejected = "entries_rejected"
    batches_delivered = "batches_delivered"
    delivery_failures = "delivery_failures"
    source_failures = "source_failures"


class Gauge(StrEnum):
    """What stands somewhere at this moment."""

    source_position = "source_position"
    source_newest = "source_newest"
    gaps_open = "gaps_open"
    ledger_seq = "ledger_seq"
    acked_seq = "acked_seq"


class Sample(NamedTuple):
    """One figure: ``label`` is the source or reader it belongs to, or empty."""

    name: str
    label: str
    value: int


class Metrics:
    """The figures of one process. Made at the rim and handed down; all calls from one thread."""

    __slots__ = ("_counts", "_gauges")

    def __init__(self) -> None:
        self._counts: _Totals[tuple[Counter, str]] = _Totals()
        self._gauges: dict[tuple[Gauge, str], int] = {}

    def add(self, name: Counter, amount: int = 1, *, label: str = "") -> None:
        """Count ``amount`` more.

        Raises:
            ValueError: ``amount`` is negative.
        """
        if amount < 0:
            raise ValueError(f"{name} cannot fall by {-amount}: it is a counter")
        self._counts[name, label] += amount

    def set(self, name: Gauge, value: int, *, label: str = "") -> None:
        """Say where something stands now."""
        self._gauges[name, label] = value

    def samples(self) -> tuple[Sample, ...]:
        """Every figure by name and label; a counter that nobody touched is 0, a gauge that nobody set is left out."""
        touched = {name for name, _ in self._counts}
        figures = [Sample(str(name), "", 0) for name in Counter if name not in touched]
        figures += [Sample(str(name), label, count) for (name, label), count in self._counts.items()]
        figures += [Sample(str(name), label, value) for (name, label), value in self._gauges.items()]
        return tuple(sorted(figures))
