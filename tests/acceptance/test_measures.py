"""What analysts are told of the real Moodle's tables, against counts of the same rows in plain Python and SQL."""

from __future__ import annotations

import csv
import io
from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from tests import servers
from tests.acceptance.campus import Campus, campus
from tests.acceptance.test_capture import EARNS, LEARNER

RULES = """
schema = 1
timezone = "UTC"

[[rule]]
id = "lesson"
on = "lesson.completed"
award = 10

[[rule]]
id = "course"
on = "course.completed"
award = 50
conditions = { course_shortname = "*" }

[[rule]]
id = "enrolled"
on = "course.enrolled"
award = 1
mode = "shadow"
"""
LESSON = r"\core\event\course_module_completion_updated"
COMPLETED = r"\core\event\course_completed"
ENROLLED = r"\core\event\user_enrolment_created"
ROWS = f"""
SELECT l.eventname, CAST({LEARNER} AS CHAR), CAST(l.userid AS CHAR), l.timecreated, CAST(l.courseid AS CHAR),
  CAST(l.contextinstanceid AS CHAR), l.other
FROM mdl_logstore_standard_log l
WHERE l.eventname IN ('{LESSON}', '{COMPLETED}', '{ENROLLED}') AND {EARNS} ORDER BY l.id
""".replace("\\", "\\\\")


def day_of(seconds: int) -> date:
    return datetime.fromtimestamp(seconds, UTC).date()


class Counted:
    """The rows of the log, counted one by one."""

    def __init__(self, database: servers.MariaDatabase) -> None:
        self.active: defaultdict[date, set[str]] = defaultdict(set)
        self.lessons: defaultdict[str, dict[str, date]] = defaultdict(dict)
        self.there: defaultdict[str, set[str]] = defaultdict(set)
        self.enrolled: defaultdict[str, set[str]] = defaultdict(set)
        self.through: defaultdict[str, set[str]] = defaultdict(set)
        self.modules: dict[str, str] = {}
        self.last = date.min
        for name, learner, user, at, course, module, other in database.execute(ROWS.replace("%%", "%")):
            done = str(other).replace('"', "").replace(";s:1:", ":").replace(";i:", ":")
            if name == LESSON and not any(f"completionstate:{state}" in done for state in "12"):
                continue
            self.last = max(self.last, day_of(at))
            self.there[course].add(learner)
            if learner == user and name != COMPLETED:
                self.active[day_of(at)].add(learner)
            if name == LESSON:
                first = self.lessons[learner].get(module, day_of(at))
                self.lessons[learner][module] = min(first, day_of(at))
                self.modules[module] = course
            elif name == ENROLLED:
                self.enrolled[course].add(learner)
            else:
                self.through[course].add(learner)

    def some(self, course: str) -> set[str]:
        """Who has completed three lessons of a course."""
        return {
            learner
            for learner, mine in self.lessons.items()
            if sum(self.modules[module] == course for module in mine) >= 3
        }


@pytest.fixture(scope="module")
def agent(shared_capture: servers.MariaDatabase, tmp_path_factory: pytest.TempPathFactory) -> Campus:
    made = campus(tmp_path_factory.mktemp("measures") / "a", shared_capture, RULES)
    made.catch_up()
    return made


@pytest.fixture(scope="module")
def counted(shared_capture: servers.MariaDatabase) -> Counted:
    return Counted(shared_capture)


def engagement(agent: Campus, counted: Counted) -> Mapping[str, Any]:
    """All that there ever was."""
    days = ("--days", "3660", "--until", counted.last.isoformat())
    found: Mapping[str, Any] = agent.json("measures", "engagement", *days, "--least", "1")
    return found


def test_daily_learners_and_lessons_are_those_of_the_log(agent: Campus, counted: Counted) -> None:
    told = engagement(agent, counted)
    shown = {row["day"]: row["active"] for row in told["by_day"] if row["active"]}
    assert shown == {day.isoformat(): len(who) for day, who in counted.active.items()}
    days = Counter(day for mine in counted.lessons.values() for day in mine.values())
    assert {row["day"]: row["lessons"] for row in told["by_day"] if row["lessons"]} == {
        day.isoformat(): count for day, count in days.items()
    }
    assert told["activity"]["lessons"] == days.total() > 50
    assert told["activity"]["active_learners"] == len(set().union(*counted.active.values())) > 5
    visits = sum(map(len, counted.active.values()))
    assert told["activity"]["lessons_per_active_day"] == pytest.approx(days.total() / visits, abs=1e-4)


def test_the_way_through_each_course_is_that_of_the_log(agent: Campus, counted: Counted) -> None:
    told = {row["number"]: row for row in engagement(agent, counted)["courses"]}
    assert told.keys() == counted.there.keys()
    for course, there in counted.there.items():
        row, some, through = told[course], counted.some(course), counted.through[course]
        assert (row["entered"], row["enrolled"]) == (len(there), len(counted.enrolled[course]))
        assert (row["three_lessons"], row["then_completed"]) == (len(some & there), len(some & through))
        assert row["completed"] == len(through)
    assert sum(row["then_completed"] for row in told.values()) > 0, "the capture shows nothing of this"


def test_who_came_back_is_who_completed_a_lesson_a_week_after_the_first(agent: Campus, counted: Counted) -> None:
    begun, returned, early = Counter[str](), Counter[str](), Counter[str]()
    for mine in counted.lessons.values():
        first = min(mine.values())
        week = (first - timedelta(days=first.weekday())).isoformat()
        ripe = first + timedelta(days=7) <= counted.last
        (begun if ripe else early)[week] += 1
        returned[week] += ripe and max(mine.values()) - first >= timedelta(days=7)
    told = engagement(agent, counted)["weeks"]
    assert {row["week"]: row["begun"] for row in told if row["begun"]} == dict(begun)
    assert {row["week"]: row["returned"] for row in told if row["returned"]} == {w: n for w, n in returned.items() if n}
    assert {row["week"]: row["too_early"] for row in told if row["too_early"]} == dict(early)


def test_what_months_of_enrolment_were_issued_adds_up_to_what_the_ledger_issued(
    agent: Campus, counted: Counted
) -> None:
    days = ("--days", "3660", "--until", counted.last.isoformat())
    text = agent.command("measures", "cohorts", "--by", "enrolled", *days, "--least", "1", "--csv").stdout
    rows = list(csv.DictReader(io.StringIO(text)))
    paid = sum(int(row["amount"]) for row in agent.export() if row["currency"] == "points")
    assert sum(int(row["issued"]) - int(row["taken_back"]) for row in rows) == paid > 0
    everybody = set().union(*counted.there.values())
    assert sum(int(row["learners"]) for row in rows) == len(everybody)


def test_the_tables_of_a_model_join_with_the_acts(agent: Campus, counted: Counted) -> None:
    told = csv.DictReader(io.StringIO(agent.command("events", "export", "--pseudonyms").stdout))
    acts = [row for row in told if not row["uncounted"]]
    learners = list(csv.DictReader(io.StringIO(agent.command("measures", "learners", "--pseudonyms", "--csv").stdout)))
    places = list(csv.DictReader(io.StringIO(agent.command("measures", "courses", "--least", "1", "--csv").stdout)))
    counts = {row["learner"]: int(row["lessons"]) for row in learners}
    done = {(row["learner"], row["lesson"]) for row in acts if row["kind"] == "lesson.completed"}
    assert {who: count for who, count in counts.items() if count} == Counter(who for who, _ in done if who in counts)
    assert {row["course"] for row in acts if row["course"]} <= {row["course"] for row in places}
    assert {row["course"]: int(row["completed"]) for row in places} == {
        course: len(counted.through[course]) for course in counted.there
    }
    assert any(row["shortname"] for row in places), "a rule looks at short names"
