"""An essay quiz on a real database: handed in without a score, marked a week later, paid then and once."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.collectors.systems import moodle
from tests import servers
from tests.acceptance.campus import Campus, campus
from tests.sites import MariaSite, log, put

RULES = (
    'schema = 1\ntimezone = "Africa/Johannesburg"\n'
    '[[rule]]\nid = "quiz-80"\non = "quiz.submitted"\nconditions = { score_pct = ">=80" }\naward = 10\n'
)
HANDED_IN = 1_782_000_000
MARKED = HANDED_IN + 7 * 86_400
STUDENT, FAILING, TEACHER = 35, 36, 65


@pytest.fixture
def site(mariadb_database: servers.MariaDatabase) -> MariaSite:
    """Two students have handed in a quiz that a teacher must mark."""
    made = MariaSite(mariadb_database)
    put(made, "modules", id=16, name="quiz")
    put(made, "course_modules", id=12, course=3, module=16, instance=2, section=9)
    put(made, "quiz", id=2, name="Essay", sumgrades=4)
    put(made, "grade_items", id=6, courseid=3, itemtype="mod", itemmodule="quiz", iteminstance=2, grademin=0,
        grademax=8, gradepass=6)  # fmt: skip
    for number, user in enumerate((STUDENT, FAILING), 1):
        put(made, "quiz_attempts", id=number, uniqueid=number, quiz=2, userid=user, attempt=1, sumgrades=None,
            state="finished", preview=0)  # fmt: skip
        log(made, number, eventname=moodle.QUIZ_SUBMITTED, objecttable="quiz_attempts", objectid=number, userid=user,
            relateduserid=user, contextlevel=70, contextinstanceid=12, timecreated=HANDED_IN + number)  # fmt: skip
    return made


def mark(site: MariaSite, row: int, attempt: int, user: int, marks: int, when: int) -> None:
    """A teacher marks an attempt: out of 4 marks, graded out of 8, as Moodle writes it."""
    site.execute("UPDATE mdl_quiz_attempts SET sumgrades = ? WHERE id = ?", (marks, attempt))
    log(site, row, eventname=moodle.GRADED, objecttable="grade_grades", objectid=attempt, userid=TEACHER,
        relateduserid=user, other=f'{{"itemid": 6, "finalgrade": {2 * marks}}}', timecreated=when)  # fmt: skip


def paid(at: Campus) -> list[tuple[str, str, str]]:
    return [(row["learner"], row["amount"], row["occurred_at"]) for row in at.export()]


def test_an_essay_is_paid_when_it_is_marked_by_the_time_it_was_handed_in_and_once(
    site: MariaSite, tmp_path: Path
) -> None:
    at = campus(tmp_path / "live", site.database, RULES)
    at.catch_up()
    assert paid(at) == []
    assert "score_pct >=80 unknown" in at.command("events", "explain", "moodle:1").stdout
    mark(site, 3, 1, STUDENT, 4, MARKED)
    mark(site, 4, 2, FAILING, 2, MARKED + 1)
    at.catch_up()
    once = [(f"moodle:{STUDENT}", "10", "2026-06-21T00:00:01Z")]
    assert paid(at) == once
    mark(site, 5, 1, STUDENT, 4, MARKED + 60)
    at.catch_up()
    assert paid(at) == once
    assert at.command("ledger", "verify").returncode == 0

    later = campus(tmp_path / "later", site.database, RULES)
    later.catch_up()
    assert paid(later) == once, "who reads the same log only now pays the same"
