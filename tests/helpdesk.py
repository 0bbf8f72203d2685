"""A small campus whose every row has a story, read by the real agent: for the commands that read and correct.

Rows 1 to 15 are read; row 10 is missing; row 16 comes after the agent was there. Ann is 35, Ben 36, Cid 37.
"""

from __future__ import annotations

import shutil
import sqlite3
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.acceptance.campus import Campus, campus
from tests.sites import LOGGED_IN, UNWANTED, VIEWED, SqliteSite, log, put

RULES = """
schema = 1
timezone = "Africa/Johannesburg"

[currency.stars]
decimals = 2

[[level]]
name = "Newcomer"
currency = "points"
from = 0

[[level]]
name = "Regular"
currency = "points"
from = 10

[[rule]]
id = "lesson"
title = "Lesson completed"
on = "lesson.completed"
award = 10
limit = "1/day"
message = "Well done, {learner.first_name}: {course}"

[[rule]]
id = "post"
on = "forum.posted"
conditions = { word_count = ">=20" }
award = { points = 1, stars = 0.25 }

[[rule]]
id = "starter"
on = "user.logged_in"
badge = "starter"

[[rule]]
id = "resting"
on = "course.completed"
award = 50
mode = "off"
"""

LESSON = r"\core\event\course_module_completion_updated"
POST = r"\mod_forum\event\post_created"
MOODLE = "moodle.db"


def at(text: str) -> int:
    """Seconds UTC of `09-07T08:00` in 2026."""
    return int(datetime.fromisoformat(f"2026-{text}:00+00:00").timestamp())


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk(Campus):
    """A campus with its Moodle in an SQLite file beside the configuration."""

    @property
    def moodle(self) -> SqliteSite:
        """Its Moodle."""
        site = SqliteSite.__new__(SqliteSite)
        site.path = self.directory / MOODLE
        return site

    def ledger(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """Run one statement on the ledger's own file, committed."""
        connection = sqlite3.connect(self.directory / "data" / "ledger.db")
        try:
            with connection:
                return connection.execute(sql, values).fetchall()
        finally:
            connection.close()

    def copy(self, directory: Path) -> Desk:
        """The same campus elsewhere, to be changed."""
        shutil.copytree(self.directory, directory)
        config = directory / "config.toml"
        config.write_text(config.read_text().replace(str(self.directory), str(directory)))
        return Desk(directory=directory)


def filled(directory: Path) -> Desk:
    """Write the campus and let the agent read it."""
    directory.mkdir(parents=True)
    site = SqliteSite(directory / MOODLE)
    _people_and_places(site)
    _story(site)
    made = campus(directory, f"sqlite:///{site.path}", RULES, start_at="2026-09-01T00:00:00Z")
    desk = Desk(directory=made.directory)
    desk.catch_up()
    completed(site, 16, 35, 14, "09-12T08:00")
    return desk


def completed(site: SqliteSite, number: int, user: int, lesson: int, when: str, course: int = 3) -> None:
    """Somebody completed an activity."""
    log(
        site,
        number,
        eventname=LESSON,
        objecttable="course_modules_completion",
        objectid=user * 1000 + lesson,
        contextlevel=70,
        contextinstanceid=lesson,
        userid=user,
        relateduserid=user,
        courseid=course,
        other=f'{{"relateduserid":{user},"completionstate":1}}',
        timecreated=at(when),
    )


def _people_and_places(site: SqliteSite) -> None:
    named = {2: ("admin", "", "Ada"), 35: ("ann", "S35", "Ann"), 36: ("ben", "S36", "Ben"), 37: ("cid", "S37", "Cid")}
    for number, (username, idnumber, first) in {**named, 39: ("sam", "cid", "Sam")}.items():
        mail = f"{username}@example.org"
        put(site, "user", id=number, username=username, idnumber=idnumber, firstname=first, lastname="X", email=mail)
    put(site, "context", id=1, contextlevel=10, instanceid=0, path="/1", depth=1)
    for course, shortname, tracked in ((3, "BIO101", 1), (4, "ART1", 0)):
        put(site, "course", id=course, shortname=shortname, fullname=shortname, enablecompletion=tracked, category=1)
        put(site, "context", id=80 + course, contextlevel=50, instanceid=course, path=f"/1/{80 + course}", depth=2)
    for lesson in range(10, 15):
        put(site, "course_modules", id=lesson, course=3, module=1, instance=lesson, section=1, completion=1)
    for post, words in ((501, 30), (502, 5), (503, 40)):
        put(site, "forum_posts", id=post, discussion=1, userid=35, wordcount=words)


def _story(site: SqliteSite) -> None:
    completed(site, 1, 35, 10, "08-20T08:00")  # before payment began
    completed(site, 2, 35, 10, "09-07T08:00")  # ten points
    completed(site, 3, 35, 11, "09-07T09:00")  # the second of that day
    posted = {
        "eventname": POST,
        "objecttable": "forum_posts",
        "userid": 35,
        "contextlevel": 70,
        "contextinstanceid": 12,
    }
    log(site, 4, objectid=501, timecreated=at("09-07T09:30"), **posted)
    log(site, 5, objectid=502, timecreated=at("09-07T09:40"), **posted)
    log(site, 6, objectid=503, timecreated=at("09-07T09:50"), anonymous=1, **posted)
    log(site, 7, eventname=UNWANTED, userid=35, timecreated=at("09-07T09:55"))
    completed(site, 8, 35, 10, "09-07T08:00")  # the same fact as row 2
    login = {"objecttable": "user", "objectid": 35, "contextlevel": 10, "contextinstanceid": 0, "courseid": 0}
    log(site, 9, eventname=LOGGED_IN, userid=35, timecreated=at("09-07T07:00"), **login)
    completed(site, 11, 36, 10, "09-10T08:00")  # ten points for Ben
    completed(site, 12, 36, 11, "09-07T10:00")  # older than its elders: held
    log(site, 13, eventname=VIEWED, userid=36, courseid=4, contextid=84, timecreated=at("09-11T08:00"))
    completed(site, 14, 35, 12, "09-06T10:00")  # held
    completed(site, 15, 36, 13, "09-05T10:00")  # held
