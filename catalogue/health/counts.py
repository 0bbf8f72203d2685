"""What one server counted since it started, as Prometheus reads it. Its labels are routes and words of ours: few."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

BOUNDS_S = (0.01, 0.05, 0.25, 1.0, 5.0, 30.0)
"""Upper bounds of the times that are told apart, in seconds; the last is the longest a request may take."""
NO_ROUTE = "none"
"""The route of what was asked for and is not there: whatever somebody makes up is one."""


class Counts:
    """Requests by route and answer, their times, and what became of entries."""

    def __init__(self) -> None:
        self.in_flight = 0
        self._requests: Counter[tuple[str, int]] = Counter()
        self._times: defaultdict[str, list[int]] = defaultdict(lambda: [0] * (len(BOUNDS_S) + 1))
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._entries: Counter[str] = Counter()

    def request(self, route: str, status: int, seconds: float) -> None:
        """One was answered (499: whoever asked was gone before)."""
        self._requests[route, status] += 1
        self._times[route][bisect_left(BOUNDS_S, seconds)] += 1
        self._seconds[route] += seconds

    def entries(self, *, posted: int, aside: int) -> None:
        """A batch was taken for the first time."""
        self._entries.update(posted=posted, aside=aside)

    def families(self) -> Iterable[Metric]:
        """Each figure with its values."""
        requests = CounterMetricFamily(
            "rewards_catalogue_requests", "Requests answered, by route.", labels=("route", "status")
        )
        for (route, status), count in sorted(self._requests.items()):
            requests.add_metric((route, str(status)), count)
        times = HistogramMetricFamily(
            "rewards_catalogue_request_seconds", "How long answers took, by route.", labels=("route",)
        )
        for route, counts in sorted(self._times.items()):
            times.add_metric((route,), _buckets(counts), self._seconds[route])
        in_flight = GaugeMetricFamily("rewards_catalogue_requests_in_flight", "Requests under way.")
        in_flight.add_metric((), self.in_flight)
        entries = CounterMetricFamily(
            "rewards_catalogue_entries", "Entries taken: `posted` to wallets, or set `aside`.", labels=("result",)
        )
        for result in ("posted", "aside"):
            entries.add_metric((result,), self._entries[result])
        return requests, times, in_flight, entries


def _buckets(counts: Iterable[int]) -> list[tuple[str, float]]:
    total, found = 0, []
    for bound, count in zip((*BOUNDS_S, math.inf), counts, strict=True):
        total += count
        found.append(("+Inf" if math.isinf(bound) else str(bound), float(total)))
    return found
