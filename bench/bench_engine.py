"""The engine alone, in memory: tag, judge and book, against hashing each event's key and looking it up in a set."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from agent.engine import booking, evaluate, trust
from agent.model import Observation, Outcome, Trust
from bench.frame import Sample, alternate, publish, timed
from bench.workload import PAGE_ROWS, RULES, observations, rulebook

Pages = list[list[Observation]]


def bare(pages: Pages) -> Callable[[], Sample]:
    """The least that any engine must do: know each fact by its key, and whether it was there before."""

    def work() -> int:
        known: set[bytes] = set()
        for page in pages:
            for seen in page:
                known.add(hashlib.sha256("\0".join(seen.natural_key).encode()).digest())
        return len(known)

    return lambda: timed(work)


def ours(pages: Pages) -> Callable[[], Sample]:
    """Tag, judge and book page by page, on the state an empty ledger gives."""
    rules = rulebook(RULES)

    def work() -> int:
        awarded = 0
        for page in pages:
            events = [trust.tag(seen, Trust.server_verified) for seen in page]
            verdicts = [verdict for event in events for verdict in evaluate.judge(event, rules)]
            booking.wants(verdicts)
            decisions = booking.book(verdicts, booking.State.load([], {}), shadow=False)
            awarded += sum(decision.outcome is Outcome.awarded for decision in decisions)
        return awarded

    return lambda: timed(work)


def main(*, quick: bool = False) -> None:
    """Run it; ``quick`` uses a tenth."""
    n = 10_000 if quick else 100_000
    pages = [list(observations(start, PAGE_ROWS)) for start in range(0, n, PAGE_ROWS)]
    outcome = alternate("events", bare(pages), ours(pages), repeats=1 if quick else 5)
    assert all(sample.units == n for sample in outcome.ours), "every event is paid"
    publish("engine", "The engine alone: tag, judge, book", outcome.table(), quick=quick)


if __name__ == "__main__":
    main()
