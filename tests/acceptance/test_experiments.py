"""A fair test of a rule, from the draw to making it good, as a programme's owner carries it out."""

from __future__ import annotations

import hashlib
from datetime import datetime
from pathlib import Path

from tests.acceptance.campus import Campus, campus
from tests.helpdesk import LESSON
from tests.sites import SqliteSite, log, put

LEARNERS = range(1000, 1080)
RULES = """schema = 1
timezone = "UTC"
[[rule]]
id = "lesson"
on = "lesson.completed"
award = 10
[experiment.lessons]
title = "Do points help?"
rules = ["lesson"]
held_out = "50%"
from = 2024-09-02
until = 2024-09-29
pay_after = true
"""


def out(user: int) -> bool:
    """Whether somebody is held out, by `sha256sum`."""
    return int(hashlib.sha256(f":lessons:moodle:{user}".encode()).hexdigest()[0], 16) < 8


def filled(directory: Path) -> Campus:
    """Everybody completed one lesson in August; in September who can earn does two, who is held out one."""
    directory.mkdir()
    site = SqliteSite(directory / "moodle.db")
    put(site, "context", id=1, contextlevel=10, instanceid=0, path="/1", depth=1)
    put(site, "course", id=3, shortname="BIO101", fullname="BIO101", enablecompletion=1, category=1)
    put(site, "context", id=83, contextlevel=50, instanceid=3, path="/1/83", depth=2)
    for lesson in (10, 11, 12):
        put(site, "course_modules", id=lesson, course=3, module=1, instance=lesson, section=1, completion=1)
    acts = [(user, 10, "2024-08-20") for user in LEARNERS] + [(user, 11, "2024-09-10") for user in LEARNERS]
    acts += [(user, 12, "2024-09-20") for user in LEARNERS if not out(user)]
    for number, (user, lesson, day) in enumerate(acts, 1):
        completed(site, number, user, lesson, day)
    made = campus(directory, f"sqlite:///{site.path}", RULES, start_at="2024-08-01T00:00:00Z")
    made.catch_up()
    return made


def completed(site: SqliteSite, number: int, user: int, lesson: int, day: str) -> None:
    log(
        site,
        number,
        eventname=LESSON,
        objecttable="course_modules_completion",
        objectid=user * 100 + lesson,
        contextlevel=70,
        contextinstanceid=lesson,
        userid=user,
        relateduserid=user,
        courseid=3,
        other=f'{{"relateduserid":{user},"completionstate":1}}',
        timecreated=int(datetime.fromisoformat(f"{day}T09:00:00+00:00").timestamp()) + number,
    )


def test_a_semester_is_tested_read_and_made_good(tmp_path: Path) -> None:
    here = filled(tmp_path / "campus")
    held = [user for user in LEARNERS if out(user)]
    (listed,) = here.json("rules", "effect")
    assert (listed["experiment"], listed["held_out"], listed["state"]) == ("lessons", "50 %", "over")
    told = here.json("rules", "effect", "lessons")
    free, ours = told["groups"]
    assert (free["learners"], free["before"], free["since"], free["paid"]) == (80 - len(held), 1, 2, 80 - len(held))
    assert (ours["learners"], ours["before"], ours["since"], ours["paid"]) == (len(held), 1, 1, 0)
    assert told["differences"][0] == {"difference": "since", "estimate": 1, "low": 1, "high": 1}
    assert told["verdict"].startswith("Whoever could earn it has 1 more of what")
    shown = here.command("rules", "effect", "lessons")
    assert "Whoever could earn it has 1 more" in " ".join(shown.stdout.split())
    assert not any(str(user) in shown.stdout + shown.stderr for user in LEARNERS)
    why = here.command("learner", "why", f"moodle:{held[0]}", "--on", "2024-09-10").stdout
    assert "held-out: in the comparison group of lessons until 2024-09-29" in " ".join(why.split())
    asked = (
        "rules",
        "backfill",
        "--rule",
        "lesson",
        "--since",
        "2024-09-02",
        "--until",
        "2024-09-29",
        "--yes",
        "--by",
        "D",
    )
    assert here.json(*asked)["paid"] == {"points": f"{10 * len(held)}"}
    wrong = here.command("rules", "effect", "lesson", check=False)
    assert (wrong.returncode, "did you mean lessons?" in wrong.stderr) == (1, True)
