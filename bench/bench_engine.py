"""The engine alone, in memory: tag, judge and book, against hashing each event's key and looking it up in a set."""

from __future__ import annotations

import hashlib
import statistics
from collections.abc import Callable
from dataclasses import replace

from agent.engine import booking, evaluate, trust
from agent.model import Observation, Outcome, Trust
from bench.frame import Sample, alternate, publish, timed
from bench.workload import PAGE_ROWS, RULES, observations, rulebook

Pages = list[list[Observation]]

EVALUATIONS_WANTED = 60_000
"""Evaluations of a matching rule in a second, on one core."""
GROWTH_WANTED = 3.0
"""200 rules cost at most so much more than 10 where each event matches at most three of them."""
EACH = 3
CHECKS = """
[[check]]
id = "burst"
velocity = "200/10m"
then = "flag"

[[check]]
id = "again"
identical = { within = "1m" }
"""


def bare(pages: Pages) -> Callable[[], Sample]:
    """The least that any engine must do: know each fact by its key, and whether it was there before."""

    def work() -> int:
        known: set[bytes] = set()
        for page in pages:
            for seen in page:
                known.add(hashlib.sha256("\0".join(seen.natural_key).encode()).digest())
        return len(known)

    return lambda: timed(work)


def ours(pages: Pages, text: str = RULES) -> Callable[[], Sample]:
    """Tag, judge and book page by page, on the state an empty ledger gives; units are awards."""
    rules = rulebook(text)

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


def many(n: int) -> str:
    """``n`` rules, three about each act of a plugin of its own."""
    head = 'schema = 1\ntimezone = "Africa/Johannesburg"\n'
    rule = '[[rule]]\nid = "r{n}"\non = \'{name}\'\naward = 10\nonce_per = "lesson"\nlimit = "60/day"\n'
    return head + "".join(rule.format(n=number, name=_act(number // EACH)) for number in range(n))


def _act(number: int) -> str:
    return rf"\mod_plugin{number}\event\done"


def spread(pages: Pages, rules: int) -> Pages:
    """The same acts, each one that ``rules`` rules have three (the last act: fewer) about, by turns."""
    acts = -(-rules // EACH)
    return [[replace(seen, lms_event=_act(seen.position % acts), kind=None) for seen in page] for page in pages]


def main(*, quick: bool = False) -> None:
    """Run it; ``quick`` uses a tenth."""
    n = 10_000 if quick else 100_000
    repeats = 1 if quick else 5
    pages = [list(observations(start, PAGE_ROWS)) for start in range(0, n, PAGE_ROWS)]
    outcome = alternate("events", bare(pages), ours(pages), repeats=repeats)
    assert all(sample.units == n for sample in outcome.ours), "every event is paid"
    few, lots = (spread(pages[: len(pages) // 2], rules) for rules in (10, 200))
    growth = alternate("awards", ours(few, many(10)), ours(lots, many(200)), repeats=repeats)
    checked = alternate("events", ours(pages), ours(pages, RULES + CHECKS), repeats=repeats)
    evaluations = statistics.median(sample.rate for sample in growth.ours)
    body = (
        f"{outcome.table()}\n\n"
        f"10 rules (bare) beside 200 (ours), up to three about each event:\n\n{growth.table()}\n\n"
        f"**{evaluations:,.0f}** evaluations of a matching rule in a second with 200 rules, at "
        f"{1 / growth.ratio:.2f}× the cost of 10. Wanted: {EVALUATIONS_WANTED:,} and at most {GROWTH_WANTED}×.\n\n"
        f"Without checks (bare) beside two that count every act (ours):\n\n{checked.table()}"
    )
    publish("engine", "The engine alone: tag, judge, book", body, quick=quick)


if __name__ == "__main__":
    main()
