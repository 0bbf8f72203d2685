"""A campus's Moodle: learners who act, rows that become visible late, out of order or never, and systems that post."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from agent.demo.schema import sqlite_ddl
from sim.called import account, address, address_at_forms, at_forms

BEGAN = 1_796_083_197
"""The wall time at which every simulation begins, seconds UTC: three before a month ends."""
LEARNERS = tuple(range(31, 37))
LEARNERS_MIN = 3
"""So many never leave."""
GUEST, ADMIN = 1, 2
LESSONS = (11, 12, 13, 14)
FORUM = 20
COURSE, COURSE_CONTEXT = 3, 84

COMPLETED = r"\core\event\course_module_completion_updated"
LOGGED_IN = r"\core\event\user_loggedin"
VIEWED = r"\core\event\course_viewed"
POSTED = r"\mod_forum\event\post_created"
DELETED = r"\mod_forum\event\post_deleted"
LEFT = r"\core\event\user_deleted"
UNWANTED = r"\core\event\dashboard_viewed"

Row = dict[str, Any]

_PLAIN: Row = {
    "eventname": UNWANTED, "component": "core", "action": "viewed", "target": "course", "objecttable": None,
    "objectid": None, "crud": "r", "edulevel": 2, "contextid": COURSE_CONTEXT, "contextlevel": 50,
    "contextinstanceid": COURSE, "userid": 0, "courseid": COURSE, "relateduserid": None, "anonymous": 0,
    "other": "null", "timecreated": 0, "origin": "web", "ip": None, "realuserid": None,
}  # fmt: skip
COLUMNS = ("id", *_PLAIN)
"""Of a row as it is committed; what is drawn has all but the id, in this order."""
_INSERT = f"INSERT INTO mdl_logstore_standard_log ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})"


@cache
def _empty() -> bytes:
    """A Moodle database without a row."""
    db = sqlite3.connect(":memory:")
    for statement in sqlite_ddl():
        db.execute(statement)
    found: bytes = db.serialize()
    db.close()
    return found


@dataclass(slots=True)
class Acts:
    """What learners do, one after the other, as rows of the log."""

    chance: Random
    learners: Sequence[int] = LEARNERS
    lessons: Sequence[int] = LESSONS
    leaving: float = 0.0
    """How likely the next thing is that a learner's account is deleted; whose it is does nothing any more."""
    last_object: int = 900
    posts: list[tuple[int, int]] = field(default_factory=list)
    """(post, author) of forum posts that are not deleted."""
    told: dict[tuple[Any, ...], bool] = field(default_factory=dict)
    """Which facts were told, and whether by rows that never earn."""

    def _object(self) -> int:
        self.last_object += 1
        return self.last_object

    def next(self, now: int) -> Row:
        """What somebody does now."""
        if self.leaving and len(self.learners) > LEARNERS_MIN and self.chance.random() < self.leaving:
            return self._left(now)
        who, kind = self.chance.choice(self.learners), self.chance.random()
        row = _PLAIN | {"userid": who, "timecreated": now - self.chance.randrange(3)}
        if kind < 0.35:
            row |= self._completed(who)
        elif kind < 0.5:
            row |= {"eventname": LOGGED_IN, "objecttable": "user", "objectid": who, "contextlevel": 10, "courseid": 0}
        elif kind < 0.7:
            row |= {"eventname": VIEWED}
        elif kind < 0.85 or not self.posts:
            row |= self._posted(who)
        else:
            row |= self._deleted() | {"timecreated": now}  # never before its post
        strange = self._never_earns(row) if self.chance.random() < 0.12 else {}
        return self._one_fact(row | strange, strange=bool(strange))

    def _one_fact(self, row: Row, *, strange: bool) -> Row:
        """Two rows of one second are one fact; one that earns and one that never does are kept apart (see the docs)."""
        key = (row["eventname"], row["userid"], row["objectid"], row["timecreated"])
        if self.told.setdefault(key, strange) != strange:
            return row | {"eventname": UNWANTED}
        return row

    def _left(self, now: int) -> Row:
        who = self.chance.choice(self.learners)
        self.learners = [one for one in self.learners if one != who]
        self.posts = [post for post in self.posts if post[1] != who]
        # A second after the last act: of what is done in the second of a deletion nobody knows which was first.
        return _PLAIN | {
            "eventname": LEFT, "target": "user", "objecttable": "user", "objectid": who, "crud": "d", "userid": ADMIN,
            "contextlevel": 30, "courseid": 0, "relateduserid": who, "timecreated": now + 1,
        }  # fmt: skip

    def _completed(self, who: int) -> Row:
        lesson = self.chance.choice(self.lessons)
        other = json.dumps({"relateduserid": who, "overrideby": None, "completionstate": 1})
        return {
            "eventname": COMPLETED, "objecttable": "course_modules_completion", "objectid": self._object(),
            "contextid": 200 + lesson, "contextlevel": 70, "contextinstanceid": lesson, "relateduserid": who,
            "other": other, "crud": "u",
        }  # fmt: skip

    def _posted(self, who: int) -> Row:
        post = self._object()
        self.posts.append((post, who))
        return _about_post(POSTED, post, None)

    def _deleted(self) -> Row:
        post, author = self.posts.pop(self.chance.randrange(len(self.posts)))
        return _about_post(DELETED, post, author) | {"userid": author}

    def _never_earns(self, row: Row) -> Row:
        """What is like something that earns, and is not."""
        if row["eventname"] == DELETED:
            return {}
        strange: list[Row] = [
            {"origin": "restore"}, {"origin": None}, {"realuserid": ADMIN}, {"anonymous": 1},
            {"userid": GUEST} | ({"relateduserid": GUEST} if row["relateduserid"] else {}), {"eventname": UNWANTED},
        ]  # fmt: skip
        return self.chance.choice(strange)


@dataclass(slots=True)
class Moodle:
    """The site. ``waiting`` are rows whose number is taken and whose transaction is still open.

    ``removed`` are those that its cleanup took away, each with whether the agent had read it by then.
    """

    path: Path
    acts: Acts
    persons: Mapping[int, int] = field(default_factory=dict)
    """Whose address a learner has, where it is not their own."""
    last_id: int = 0
    waiting: dict[int, Row] = field(default_factory=dict)
    removed: list[tuple[Row, bool]] = field(default_factory=list)
    db: sqlite3.Connection = field(init=False)

    def __post_init__(self) -> None:
        self.path.write_bytes(_empty())
        self.db = sqlite3.connect(self.path, isolation_level=None)
        self.db.execute("PRAGMA journal_mode = WAL")
        self.db.execute("PRAGMA synchronous = OFF")

    def introduce(self) -> None:
        """Say who the learners are, and which activities there are."""
        named = ((learner, self.persons.get(learner, learner)) for learner in self.acts.learners)
        known = [(learner, f"user{learner}", address(person)) for learner, person in named]
        self.db.executemany("INSERT INTO mdl_user (id, username, email) VALUES (?, ?, ?)", known)
        there = [(number, COURSE) for number in (*LESSONS, FORUM)]
        self.db.executemany("INSERT INTO mdl_course_modules (id, course, deletioninprogress) VALUES (?, ?, 0)", there)

    def begin(self, row: Row) -> int:
        """Take the next number for a row, which nobody sees yet."""
        self.last_id += 1
        self.waiting[self.last_id] = row
        return self.last_id

    def commit(self, number: int) -> None:
        """The row can be seen."""
        row = self.waiting.pop(number)
        self.db.execute(_INSERT, (number, *row.values()))
        if row["eventname"] == LEFT:
            gone = (row["timecreated"], f"gone{row['objectid']}", row["objectid"])
            self.db.execute("UPDATE mdl_user SET deleted = 1, timemodified = ?, email = ? WHERE id = ?", gone)

    def roll_back(self, number: int) -> None:
        """The row was never there; its number is used up."""
        del self.waiting[number]

    def close(self) -> None:
        """Let go of the file."""
        self.db.close()

    def clean(self, before: int, is_read: Callable[[int], bool]) -> list[int]:
        """Remove rows that are older, as cron does with a log that is not kept for ever; the ids of those not read.

        Real ones are days old by then: no transaction of their time is open any more, and something was written since.
        So whatever stays, or is not visible yet, has a higher id and a later time.
        """
        rows = self.rows()
        young = [row["id"] for row in rows if row["timecreated"] >= before]
        end = min([*young, *self.waiting, *(row["id"] for row in rows[-1:])], default=0)
        old = [row for row in rows if row["id"] < end]
        left = [row["timecreated"] for row in (*rows[len(old) :], *self.waiting.values())]
        while old and max(row["timecreated"] for row in old) >= min(left):
            left.append(old.pop()["timecreated"])
        self.db.execute("DELETE FROM mdl_logstore_standard_log WHERE id <= ?", (old[-1]["id"] if old else 0,))
        self.removed += [(row, is_read(row["id"])) for row in old]
        return [row["id"] for row in old if not is_read(row["id"])]

    def rows(self) -> list[Row]:
        """Every row that was committed and not removed, in order."""
        found = self.db.execute(f"SELECT {', '.join(COLUMNS)} FROM mdl_logstore_standard_log ORDER BY id")
        return [dict(zip(COLUMNS, row, strict=True)) for row in found]


def _about_post(event: str, post: int, author: int | None) -> Row:
    other = json.dumps({"discussionid": 5, "forumid": 1, "forumtype": "general"})
    return {
        "eventname": event, "component": "mod_forum", "objecttable": "forum_posts", "objectid": post, "crud": "c",
        "contextid": 220, "contextlevel": 70, "contextinstanceid": FORUM, "relateduserid": author, "other": other,
    }  # fmt: skip


def trigger_post(row: Row) -> bytes:
    """What Moodle's tool_trigger sends of a completion, in the words of a complete template."""
    fields = {
        "eventname": row["eventname"].replace("\\", "%5C"),
        "userid": str(row["userid"]),
        "relateduserid": str(row["relateduserid"]),
        "objecttable": row["objecttable"],
        "objectid": str(row["objectid"]),
        "courseid": str(row["courseid"]),
        "contextinstanceid": str(row["contextinstanceid"]),
        "contextlevel": str(row["contextlevel"]),
        "timecreated": str(row["timecreated"]),
        "anonymous": "0",
        "realuserid": "",
        "origin": "web",
        "other_completionstate": "1",
    }
    return json.dumps(fields).encode()


class Form(NamedTuple):
    """A form that was sent: its number, whose it is and when; whether it is an essay, and whether it is a good one."""

    number: int
    learner: int
    at: int
    essay: bool = False
    good: bool = False

    @property
    def account(self) -> str:
        """Who sent it."""
        return account("forms", self.learner)


def form_post(form: Form) -> bytes:
    """What a form sends that no log knows: the same bytes each time."""
    told = {
        "event": "submission.received",
        "occurred_at": form.at,
        "user": {"id": at_forms(form.learner), "email": address_at_forms(form.learner)},
        "submission": {"id": f"s{form.number}"},
        "facts": {"form": "essay" if form.essay else "question"},
    }
    return json.dumps(told).encode()


def copied(source: Path, target: Path) -> None:
    """A directory as a process leaves it that is killed: whole files, without what only lives in memory."""
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("*-shm", "*.sock"))
