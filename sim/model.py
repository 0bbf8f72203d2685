"""What everybody should have, worked out by a plain fold over what Moodle committed and forms sent; no code is shared.

The rules that this stands for are `RULES`. Each is told here again in its own words, a few lines each.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from sim.moodle import ADMIN, COMPLETED, DELETED, GUEST, LOGGED_IN, POSTED, VIEWED, Row

RULES = """\
schema   = 1
timezone = "Africa/Johannesburg"

[currency.points]
title = "Points"
spendable = true
overdraw = "owe"

[[rule]]
id = "lesson"
title = "Lesson completed"
on = "lesson.completed"
award = 10

[[rule]]
id = "login"
title = "Logged in"
on = "user.logged_in"
award = 1

[[rule]]
id = "view"
title = "Course viewed"
on = "course.viewed"
award = 2
once_per = "event"
limit = "3/day"

[[rule]]
id = "post"
title = "Posted"
on = "forum.posted"
award = 5
reverse_on = "forum.post_deleted"

[[rule]]
id = "form"
title = "Form sent"
on = "submission.received"
award = 7
"""
LESSON, LOGIN, VIEW, POST, FORM = 10, 1, 2, 5, 7
VIEWS_A_DAY = 3


class Form(NamedTuple):
    """A form that was sent: its number, whose it is and when."""

    number: int
    learner: int
    at: int


def owed(rows: Iterable[Row], forms: Iterable[Form], *, linked: bool = False) -> dict[str, int]:
    """Learner → points, of everybody who has any; those of forms are Moodle's where accounts are ``linked``."""
    happened = list(rows)
    told: defaultdict[str, set[tuple[str, int, int]]] = defaultdict(set)
    for row in filter(_earns, happened):
        who = f"moodle:{row['relateduserid'] or row['userid']}"
        told[row["eventname"]].add((who, row["timecreated"], row[_ABOUT.get(row["eventname"], "contextinstanceid")]))
    deleted = {row["objectid"] for row in happened if row["eventname"] == DELETED}
    points: Counter[str] = Counter()
    for who, _ in {(who, lesson) for who, _, lesson in told[COMPLETED]}:
        points[who] += LESSON
    for who, _ in {(who, _day(at)) for who, at, _ in told[LOGGED_IN]}:
        points[who] += LOGIN
    # The same page in the same second is one fact, and a set knows it once.
    for (who, _), times in Counter((who, _day(at)) for who, at, _ in told[VIEWED]).items():
        points[who] += VIEW * min(times, VIEWS_A_DAY)
    for who, post in {(who, post) for who, _, post in told[POSTED]}:
        points[who] += POST * (post not in deleted)
    for form in set(forms):
        points[f"{'moodle' if linked else 'forms'}:{form.learner}"] += FORM
    return {who: amount for who, amount in points.items() if amount}


_ABOUT = {POSTED: "objectid"}
"""The column that names what an event is about, where it is not the activity or course."""


def _earns(row: Row) -> bool:
    if row["anonymous"] or row["origin"] not in {"web", "ws", "cli"} or row["realuserid"]:
        return False
    return row["userid"] not in {GUEST, ADMIN} and row["relateduserid"] not in {GUEST, ADMIN}


def _day(at: int) -> str:
    """The day in Johannesburg, which knows no summer time."""
    return (datetime.fromtimestamp(at, UTC) + timedelta(hours=2)).date().isoformat()
