"""What one process counts while it runs, in Prometheus' terms. Names are frozen: dashboards stand on them."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, disable_created_metrics


class Metrics:
    """The counters of one process, in a registry of their own. Made at the rim and handed down."""

    def __init__(self) -> None:
        # Else each counter has a second series, when it began, which nobody asks for.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self._pages = Counter("rewards_pages", "Pages recorded.", ("source",), registry=self.registry)
        self._events = Counter("rewards_events", "Events recorded.", ("source",), registry=self.registry)
        self._entries = Counter("rewards_entries", "Entries appended by pages.", registry=self.registry)
        self._decisions = Counter("rewards_decisions", "Decisions on pages.", ("outcome",), registry=self.registry)

    def page(self, source: str, *, events: int, entries: int, decisions: Mapping[str, int]) -> None:
        """Count what one page came to; ``decisions`` by outcome."""
        self._pages.labels(source).inc()
        self._events.labels(source).inc(events)
        self._entries.inc(entries)
        for outcome, count in decisions.items():
            self._decisions.labels(outcome).inc(count)
