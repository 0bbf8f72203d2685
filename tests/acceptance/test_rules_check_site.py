"""`rules check --site` and `rules test` with files of stories, as an administrator types them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.acceptance.campus import Campus, campus
from tests.sites import SqliteSite, put
from tests.unit.cli.test_app import agent

RULES = """
schema = 1
timezone = "UTC"

[[rule]]
id = "everywhere"
on = "quiz.submitted"
award = 1

[[rule]]
id = "biology"
on = "quiz.submitted"
award = 2
audience = { courses = ["BIO1", "id:9", "GONE"], cohorts = ["pilot"] }

[[rule]]
id = "safety"
on = "quiz.submitted"
award = 3
audience = { categories = ["Safety"] }
"""
STORY = """
[[case]]
name = "a quiz pays"
events = [{ at = 2026-09-07T09:00:00, learner = "ann", kind = "quiz.submitted" }]
expect = [{ learner = "ann", rule = "everywhere", points = 1 }]
"""


@pytest.fixture
def at(tmp_path: Path) -> Campus:
    """Three courses, one of them in a category below Safety; two of four people in the cohort."""
    site = SqliteSite(tmp_path / "moodle.db")
    for user in (35, 36, 37, 38):
        put(site, "user", id=user, username=f"u{user}", deleted=int(user == 38))
    put(site, "course_categories", id=1, name="Safety", path="/1", depth=1)
    put(site, "course_categories", id=2, name="Fire", path="/1/2", depth=2, parent=1)
    for course, name, category in ((7, "BIO1", 5), (8, "FIRE", 2), (9, "CHE1", 5)):
        put(site, "course", id=course, shortname=name, category=category)
        put(site, "enrol", id=course, courseid=course, enrol="manual")
    for user, course in ((35, 7), (35, 9), (36, 7), (37, 8), (38, 7)):
        put(site, "user_enrolments", enrolid=course, userid=user)
    put(site, "cohort", id=4, name="Pilot group", idnumber="pilot")
    for user in (35, 37):
        put(site, "cohort_members", cohortid=4, userid=user)
    return campus(tmp_path / "campus", f"sqlite:///{site.path}", RULES)


def test_each_audience_is_counted_in_the_lms_and_unknown_names_are_told(at: Campus) -> None:
    seen = at.json("rules", "check", "--site")["site"]["moodle"]
    assert seen["audiences"] == [
        {"rule": "everywhere", "courses": 3, "cohorts": None, "people": 3},
        {"rule": "biology", "courses": 2, "cohorts": 1, "people": 1},
        {"rule": "safety", "courses": 1, "cohorts": None, "people": 1},
    ]
    assert [(one["name"], one["key"], one["where"].split("rules.toml")[1]) for one in seen["unknown"]] == [
        ("GONE", "courses", ":14:41")
    ]
    shown = at.command("rules", "check", "--site")
    assert "'GONE' is none of the courses there" in shown.stderr
    assert shown.stdout.split("\n")[1].split() == ["everywhere", "3", "3"]


EVERYWHERE = """
schema = 1
timezone = "UTC"

[value.window]
default = "14d"
BIO1 = "7d"
NO-VALUE = "7d"

[programme.start]
courses = ["NO-PROGRAMME"]

[person]
referrer = { profile_field = "no_field" }
facts = { department = "no_dept", city = "unused" }

[[rule]]
id = "late"
on = "assignment.submitted"
conditions = { since_enrolment = "<= @window" }
award = 1
audience = { except_roles = ["teacher", "no-role"] }

[[rule]]
id = "started"
on = "programme.completed"
conditions = { person_department = "Surgery" }
award = [{ to = "referrer", points = 1 }]

[[challenge]]
id = "tour"
step = [{ on = "course.viewed" }]
enrol = { cohorts = ["pilot", "no-cohort"] }

[[scheduled]]
id = "best"
every = "week"
rank = { by = "points earned", course = "NO-RANK" }
audience = { categories = ["no-category"] }
places = [5]
"""


def test_names_are_looked_for_wherever_rules_have_them(at: Campus, tmp_path: Path) -> None:
    site = SqliteSite.__new__(SqliteSite)
    site.path = tmp_path / "moodle.db"
    put(site, "role", id=3, shortname="editor", archetype="teacher")
    (at.directory / "rules.toml").write_text(EVERYWHERE)
    seen = at.json("rules", "check", "--site")["site"]["moodle"]
    assert {(one["rule"], one["key"], one["name"]) for one in seen["unknown"]} == {
        ("value window", "courses", "NO-VALUE"),
        ("programme start", "courses", "NO-PROGRAMME"),
        ("late", "roles", "no-role"),
        ("tour", "cohorts", "no-cohort"),
        ("best", "courses", "NO-RANK"),
        ("best", "categories", "no-category"),
        ("person referrer", "profile fields", "no_field"),
        ("person department", "profile fields", "no_dept"),
    }
    assert [(one["rule"], one["cohorts"], one["people"]) for one in seen["audiences"]] == [
        ("late", None, 3),
        ("started", None, 3),
        ("tour", 1, 2),
        ("best", None, 0),
    ]
    shown = at.command("rules", "check", "--site").stderr
    assert "'NO-PROGRAMME' is none of the courses there, nor is any other of the programme start known" in shown


def test_a_name_that_means_two_things_is_a_fault(at: Campus, tmp_path: Path) -> None:
    site = SqliteSite.__new__(SqliteSite)
    site.path = tmp_path / "moodle.db"
    put(site, "course_categories", id=3, name="Safety", path="/3", depth=1)
    done = at.command("rules", "check", "--site", check=False)
    assert done.returncode == 2
    assert "'Safety' is ambiguous: it means Safety (id 1); Safety (id 3)" in done.stderr


def test_stories_in_files_of_their_own_are_played_with_and_without_a_configuration(at: Campus) -> None:
    cases = at.directory / "cases.toml"
    cases.write_text(STORY)
    assert at.json("rules", "test", str(cases))["cases"] == [
        {"name": "a quiz pays", "where": f"{cases}:2", "failures": []}
    ]
    assert "1 of 1 true" in agent("rules", "test", "rules.toml", "cases.toml", cwd=at.directory).stdout
    cases.write_text(STORY.replace("points = 1", "points = 2"))
    untrue = agent("rules", "test", "rules.toml", "cases.toml", cwd=at.directory)
    assert (untrue.returncode, "ann should have points 2" in untrue.stderr) == (1, True)
