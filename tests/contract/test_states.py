"""The reading of state tables answers alike in every dialect."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from agent.collectors.states.collector import StateCollector
from agent.config.kinds import KindTable
from agent.model import Observation, SourceState
from tests.sites import EVERYTHING, NOW, HandClock, Site, log, put

DEMAND = replace(EVERYTHING, patterns=frozenset({"forum.*"}))
HOUR = 3_600


class Looking:
    """One collector of a site's state tables, which goes on from where it stood."""

    def __init__(self, site: Site, clock: HandClock) -> None:
        self.collector = StateCollector(site.options(), clock, KindTable, every_s=900.0, begins=lambda: 0)
        self.state = SourceState()

    async def seen(self) -> list[Observation]:
        """What another walk finds."""
        pages = [page async for page in self.collector.pages(self.state, lambda: DEMAND, follow=False)]
        self.state = pages[-1].state
        return [one for page in pages for one in page.observations]


@asynccontextmanager
async def looking(site: Site, clock: HandClock) -> AsyncIterator[Looking]:
    """A collector that is closed in the end."""
    found = Looking(site, clock)
    try:
        yield found
    finally:
        await found.collector.close()


def completed(site: Site, number: int, learner: int, at: int) -> None:
    """A course that was completed, as cron writes it."""
    put(site, "course_completions", id=number, userid=learner, course=3, timecompleted=at)


async def test_a_course_completed_without_a_log_row_is_found_and_one_that_was_told_is_not(
    site: Site, clock: HandClock
) -> None:
    at = NOW - 7_200
    log(site, 1, timecreated=at - 3_600)
    log(site, 2, eventname=r"\core\event\course_completed", relateduserid=36, contextinstanceid=3, timecreated=at + 60)
    for number, learner in enumerate((35, 36), 1):
        completed(site, number, learner, at)
    async with looking(site, clock) as look:
        seen = await look.seen()
        assert [(one.kind, dict(one.people), one.course) for one in seen] == [
            ("course.completed", {"subject": "35"}, "3")
        ]
        assert not seen[0].marks
        assert look.state.counts.get("tables_unreadable", 0) == 0


async def test_a_course_that_cron_completed_late_is_found_by_the_daily_look_once(site: Site, clock: HandClock) -> None:
    log(site, 1, timecreated=NOW - 30 * 24 * HOUR)
    async with looking(site, clock) as look:
        assert await look.seen() == []
        clock.pass_s(23 * HOUR)
        assert await look.seen() == []
        completed(site, 1, 35, clock.now() - 4 * HOUR)  # its criteria were met four hours ago
        completed(site, 2, 36, clock.now() - 5 * HOUR)
        completed(site, 3, 37, clock.now() - 6 * 24 * HOUR)
        log(
            site, 2, eventname=r"\core\event\course_completed", relateduserid=36, contextinstanceid=3,
            timecreated=clock.now(),
        )  # fmt: skip
        assert await look.seen() == [], "younger rows are what every walk looks at"
        clock.pass_s(HOUR)
        found = await look.seen()
        assert [(one.people["subject"], *one.marks) for one in found] == [("35",), ("37", "backdated")]
        assert look.state.counts["states_late"] == 2
        clock.pass_s(24 * HOUR)
        assert await look.seen() == []


async def test_what_every_walk_has_seen_is_not_looked_at_again_by_the_daily_look(site: Site, clock: HandClock) -> None:
    log(site, 1, timecreated=NOW - 30 * 24 * HOUR)
    async with looking(site, clock) as look:
        await look.seen()
        clock.pass_s(2 * HOUR)
        completed(site, 1, 35, clock.now() - HOUR)
        (first,) = await look.seen()
        clock.pass_s(3 * HOUR)
        await look.seen()
        clock.pass_s(21 * HOUR)
        assert await look.seen() == []
    async with looking(site, clock) as again:  # an agent that was started again knows no more: the same fact
        again.state = replace(look.state, proven_at=0)
        (same,) = await again.seen()
        assert same.natural_key == first.natural_key
