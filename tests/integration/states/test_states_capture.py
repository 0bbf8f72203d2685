"""What the log of a real Moodle missed, found in its state tables and counted independently in SQL."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from agent.collectors.states.collector import StateCollector
from agent.config.kinds import KindTable
from agent.model import Observation, SourceState
from tests import servers
from tests.acceptance.campus import campus
from tests.fakes import ManualClock
from tests.sites import EVERYTHING, options_for

NOW = 1_795_300_000
GIVEN = ("rating", "rating_pct", "by_staff")
DEMAND = replace(EVERYTHING, patterns=frozenset({"forum.*"}))

UNTOLD = r"""
SELECT c.userid, c.coursemoduleid FROM mdl_course_modules_completion c
JOIN mdl_course_modules m ON m.id = c.coursemoduleid
WHERE c.completionstate IN (1, 2)
  AND c.timemodified >= COALESCE((SELECT MAX(l.timecreated) FROM mdl_logstore_standard_log l
    WHERE l.eventname = '\\core\\event\\course_restored' AND l.courseid = m.course), 0)
  AND NOT EXISTS (SELECT 1 FROM mdl_logstore_standard_log l
    WHERE l.eventname = '\\core\\event\\course_module_completion_updated' AND l.relateduserid = c.userid
    AND l.contextinstanceid = c.coursemoduleid AND l.other REGEXP CONCAT('completionstate"(:|;i:)', c.completionstate))
"""


async def walked(database: servers.MariaDatabase) -> tuple[list[Observation], SourceState]:
    collector = StateCollector(options_for(database), ManualClock(NOW), KindTable, every_s=900.0, begins=lambda: 0)
    try:
        pages = [page async for page in collector.pages(SourceState(), lambda: DEMAND, follow=False)]
    finally:
        await collector.close()
    return [seen for page in pages for seen in page.observations], pages[-1].state


async def test_the_completions_of_a_bulk_import_are_found_and_no_copy_of_a_restore(
    shared_capture: servers.MariaDatabase,
) -> None:
    seen, state = await walked(shared_capture)
    lessons = [one for one in seen if one.kind == "lesson.completed" and "backdated" not in one.marks]
    expected = {(str(learner), str(module)) for learner, module in shared_capture.execute(UNTOLD)}
    assert {(one.people["subject"], one.lesson) for one in lessons} == expected
    assert len(expected) == len(lessons) == 9
    assert not any(one.kind == "course.completed" for one in seen), "each is told, or a copy"
    assert state.counts["states_copied"] > 137
    assert all("actor" not in one.people for one in seen if one.kind != "forum.rated")


async def test_every_rating_but_a_restored_one_is_found_with_its_rater_and_the_author(
    shared_capture: servers.MariaDatabase,
) -> None:
    seen, _ = await walked(shared_capture)
    stored = shared_capture.execute(
        "SELECT r.userid, p.userid, p.id, r.rating, r.scaleid, EXISTS (SELECT 1 FROM mdl_role_assignments a "
        "JOIN mdl_role o ON o.id = a.roleid JOIN mdl_context c ON c.id = a.contextid WHERE a.userid = r.userid AND "
        "o.archetype IN ('manager', 'editingteacher', 'teacher') AND (c.contextlevel = 10 OR c.contextlevel = 50 AND "
        "c.instanceid = d.course)) FROM mdl_rating r JOIN mdl_forum_posts p ON p.id = r.itemid "
        "JOIN mdl_forum_discussions d ON d.id = p.discussion WHERE d.course NOT IN (SELECT courseid FROM "
        r"mdl_logstore_standard_log WHERE eventname = '\\core\\event\\course_restored')"
    )
    assert len(stored) == 8
    assert all(row[4] > 0 for row in stored), "all of them are points"
    rated = Counter(
        (one.people["actor"], one.people["author"], one.post, *(one.facts[name] for name in GIVEN))
        for one in seen
        if one.kind == "forum.rated"
    )
    assert rated == Counter(
        (str(rater), str(author), str(post), value, Fraction(100 * value, most), bool(staff))
        for rater, author, post, value, most, staff in stored
    )
    assert {staff for *_, staff in rated} == {True}


def test_the_agent_pays_what_the_log_missed_once_however_often_it_looks(
    shared_capture: servers.MariaDatabase, tmp_path: Path
) -> None:
    rules = 'schema = 1\ntimezone = "UTC"\n[[rule]]\nid = "lesson"\non = "lesson.completed"\naward = 1\n'
    without = campus(tmp_path / "without", shared_capture, rules)
    without.catch_up()
    at = campus(tmp_path / "with", shared_capture, rules, extra='reconcile = "15m"')
    at.catch_up()
    entries = at.export()
    missed = at.json("status")["ledger"]["entries"] - without.json("status")["ledger"]["entries"]
    assert missed == 9
    at.catch_up()
    assert at.export() == entries
