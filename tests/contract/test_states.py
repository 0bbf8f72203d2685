"""The reading of state tables answers alike in every dialect."""

from __future__ import annotations

from dataclasses import replace

from agent.collectors.states.collector import StateCollector
from agent.config.kinds import KindTable
from agent.model import SourceState
from tests.sites import EVERYTHING, NOW, HandClock, Site, log, put

DEMAND = replace(EVERYTHING, patterns=frozenset({"forum.*"}))


async def test_a_course_completed_without_a_log_row_is_found_and_one_that_was_told_is_not(
    site: Site, clock: HandClock
) -> None:
    at = NOW - 7_200
    log(site, 1, timecreated=at - 3_600)
    log(site, 2, eventname=r"\core\event\course_completed", relateduserid=36, contextinstanceid=3, timecreated=at + 60)
    for number, learner in enumerate((35, 36), 1):
        put(site, "course_completions", id=number, userid=learner, course=3, timecompleted=at)
    collector = StateCollector(site.options(), clock, KindTable, every_s=900.0, begins=lambda: 0)
    try:
        pages = [page async for page in collector.pages(SourceState(), lambda: DEMAND, follow=False)]
    finally:
        await collector.close()
    seen = [one for page in pages for one in page.observations]
    assert [(one.kind, dict(one.people), one.course) for one in seen] == [("course.completed", {"subject": "35"}, "3")]
    assert not seen[0].marks
    assert pages[-1].state.counts.get("tables_unreadable", 0) == 0
