"""A day of a busy campus, made up: what learners did, when the log shows it, and when and how often it is posted."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus

MIDNIGHT = 1_789_948_800
"""2026-09-21T00:00:00Z, a Monday."""
DAY_S = 86_400
LATE_S = 3_600
"""A post is under way this long at most."""

COMPLETION = r"\core\event\course_module_completion_updated"
SUBMITTED = r"\mod_assign\event\assessable_submitted"
COURSE = r"\core\event\course_completed"
LOGIN = r"\core\event\user_loggedin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One delivery: when it arrives (seconds UTC), and the row of the log or the post."""

    at: float
    says: dict[str, Any]


def _act(chance: random.Random, number: int, learners: int, at: int) -> dict[str, Any]:
    """The log row of something that a learner did, without its id."""
    user = 100 + chance.randrange(learners)
    course = 2 + chance.randrange(40)
    row = {"userid": user, "relateduserid": user, "courseid": course, "timecreated": at, "other": "null"}
    sort = chance.random()
    if sort < 0.6:
        done = {"objecttable": "course_modules_completion", "objectid": number, "other": '{"completionstate":1}'}
        module = chance.randrange(course * 50, course * 50 + 50)
        return {**row, **done, "eventname": COMPLETION, "contextlevel": 70, "contextinstanceid": module}
    if sort < 0.75:
        handed_in = {"objecttable": "assign_submission", "objectid": number, "relateduserid": None}
        module = course * 50
        return {**row, **handed_in, "eventname": SUBMITTED, "contextlevel": 70, "contextinstanceid": module}
    if sort < 0.8:
        whole = {"objecttable": "course_completions", "objectid": number, "contextinstanceid": course}
        return {**row, **whole, "eventname": COURSE, "contextlevel": 50}
    signed_in = {"objecttable": "user", "objectid": user, "courseid": 0, "relateduserid": None}
    return {**row, **signed_in, "eventname": LOGIN, "contextlevel": 10, "contextinstanceid": 0}


def _post(row: dict[str, Any]) -> dict[str, str]:
    """As a workflow's template writes it: everything a text, and encoded for an address."""
    names = ("eventname", "userid", "relateduserid", "objecttable", "objectid", "courseid", "contextinstanceid")
    told = {name: "" if row[name] is None else quote_plus(str(row[name])) for name in names}
    told |= {name: str(row[name]) for name in ("contextlevel", "timecreated")}
    told |= {"anonymous": "0", "realuserid": "", "origin": "web"}
    return {**told, "other_completionstate": "1"} if row["eventname"] == COMPLETION else told


class Day:
    """``acts`` things done: ``rows`` the log shows, ``posts`` that arrive, both in order of arrival.

    One row in fifty is shown up to twenty minutes late (its id is older than its neighbours'), one in a hundred is
    there twice. Of the acts one in twenty is never posted, a third is posted late, one in ten twice or three times; one
    post in fifty is about something that was rolled back, one in a hundred lacks a part of its key. A step is
    ``step_s`` long.
    """

    def __init__(self, acts: int, step_s: int, seed: int = 7) -> None:
        chance = random.Random(seed)
        rows: list[Told] = []
        posts: list[Told] = []
        self.phantoms = 0
        self._step_s = step_s
        times = sorted(MIDNIGHT + chance.randrange(DAY_S) for _ in range(acts))
        for number, at in enumerate(times, 1):
            act = _act(chance, number, max(20, acts // 10), at)
            for _ in range(2 if chance.random() < 0.01 else 1):
                late = chance.random() * 1_200 if chance.random() < 0.02 else chance.random()
                rows.append(Told(at=at + late, says={"id": len(rows) + 1, **act}))
            if chance.random() < 0.05:
                continue
            phantom = chance.random() < 0.02
            self.phantoms += phantom
            told = _post({**act, "objectid": 10_000_000 + number} if phantom else act)
            if not phantom and chance.random() < 0.01:
                told["contextinstanceid"] = "{contextinstanceid}"
            posts.extend(_deliveries(chance, at, told))
        self.rows = sorted(rows, key=lambda one: one.at)
        self.posts = sorted(posts, key=lambda one: one.at)

    def steps(self) -> Iterator[tuple[int, list[dict[str, Any]], list[dict[str, Any]]]]:
        """The end of each stretch of time, the rows that it shows, the posts that arrive in it."""
        rows, posts = list(reversed(self.rows)), list(reversed(self.posts))
        for end in range(MIDNIGHT + self._step_s, MIDNIGHT + DAY_S + 2 * LATE_S, self._step_s):
            yield end, _until(rows, end), _until(posts, end)


def _deliveries(chance: random.Random, at: int, told: dict[str, str]) -> Iterator[Told]:
    times = chance.choice((2, 3)) if chance.random() < 0.1 else 1
    for _ in range(times):
        yield Told(at=at + chance.random() * (LATE_S if chance.random() < 0.35 else 5), says=told)


def _until(waiting: list[Told], end: int) -> list[dict[str, Any]]:
    """Take from the end of a list, which is its beginning in time, what arrives before ``end``."""
    found = []
    while waiting and waiting[-1].at < end:
        found.append(waiting.pop().says)
    return found
