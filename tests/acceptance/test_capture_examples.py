"""The rules that are shipped, on the real Moodle's tables: each pays what an independent count in SQL says."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

from tests import servers
from tests.acceptance.campus import Campus, campus
from tests.acceptance.test_capture import COUNTS, EARNS, LEARNER, three_a_day
from tests.acceptance.test_capture_ways import COMPLETED
from tests.acceptance.test_capture_ways import COUNTS as WAYS

EXAMPLE = Path(__file__).parents[2] / "rules.example.toml"
ZONE = "+02:00"
"""Of the example's days, all year round."""
AHEAD_S = 7200

EXPECTED = {
    "section-mastery": WAYS["section-80"],
    "quiz-80": COUNTS["quiz-80"],
    "forum-post": WAYS["post-a-day"],
    "course-completed": COUNTS["course"],
    "course-in-time": rf"""
        SELECT COUNT(DISTINCT {LEARNER}, l.courseid) FROM mdl_logstore_standard_log l
        JOIN mdl_enrol e ON e.courseid = l.courseid
        JOIN mdl_user_enrolments u ON u.enrolid = e.id AND u.userid = {LEARNER}
        WHERE l.eventname = '\\core\\event\\course_completed' AND {EARNS}
          AND l.timecreated - IF(u.timestart > 0, u.timestart, u.timecreated) <= 90 * 86400""",
    "weekly-streak": f"""
        SELECT COUNT(*) FROM (
          SELECT {LEARNER} {COMPLETED} GROUP BY {LEARNER}, YEARWEEK(FROM_UNIXTIME(l.timecreated), 3)
          HAVING COUNT(DISTINCT DATE(FROM_UNIXTIME(l.timecreated))) >= 5) weeks""",
}
"""For each rule that pays in points; what `tests/acceptance/test_capture.py` counts likewise is taken from there."""


def _points(agent: Campus) -> Counter[str]:
    return Counter(row["rule_id"] for row in agent.export() if row["currency"] == "points" and int(row["amount"]) > 0)


def test_the_example_rules_pay_what_sql_counts_with_the_state_tables_and_without(
    shared_capture: servers.MariaDatabase, tmp_path: Path
) -> None:
    rules = EXAMPLE.read_text()
    agent = campus(tmp_path / "log", shared_capture, rules)
    agent.catch_up()
    paid = _points(agent)
    with shared_capture.connect() as connection, connection.cursor() as cursor:
        cursor.execute(f"SET time_zone = '{ZONE}'")
        for rule, sql in EXPECTED.items():
            cursor.execute(sql.replace("%%", "%"))
            ((expected,),) = cursor.fetchall()
            assert paid[rule] == expected, f"{rule}: paid {paid[rule]}, SQL counts {expected}"
    assert paid["lesson-completed"] == three_a_day(shared_capture, AHEAD_S)
    assert set(paid) <= {*EXPECTED, "lesson-completed"}
    both = campus(tmp_path / "both", shared_capture, rules, extra='reconcile = "15m"')
    both.catch_up()
    more = _points(both) - paid
    assert not paid - _points(both), "what the log tells is paid with the state tables too"
    states = _from_states(both)
    assert sum(more.values()) == len(states) > 0, f"beyond the log {dict(more)} is paid, the state tables told {states}"
    for learner, lesson in states:
        ((known,),) = shared_capture.execute(
            "SELECT COUNT(*) FROM mdl_course_modules_completion c JOIN mdl_course_modules m ON m.id = c.coursemoduleid"
            f" WHERE c.userid = {learner} AND m.id = {lesson} AND c.completionstate IN (1, 2) AND NOT EXISTS"
            r" (SELECT 1 FROM mdl_logstore_standard_log l WHERE l.eventname = '\\core\\event\\course_restored'"
            " AND l.courseid = m.course AND c.timemodified < l.timecreated)"
        )
        assert known == 1, f"user {learner} has not completed {lesson}, or it is a copy that a restore made"


def _from_states(agent: Campus) -> list[tuple[str, str]]:
    """(user, lesson) of every award in points for an event that only a state table told."""
    with closing(sqlite3.connect(agent.directory / "data" / "ledger.db")) as db:
        rows = db.execute(
            "SELECT e.body, v.payload FROM entry e JOIN event v USING (event_no) JOIN name n ON n.no = v.source_no"
            " WHERE n.text LIKE '%/state' ORDER BY e.seq"
        ).fetchall()
    told = [(json.loads(body), json.loads(payload)) for body, payload in rows]
    return [(seen["w"]["subject"], seen["l"]) for entry, seen in told if entry["currency"] == "points"]
