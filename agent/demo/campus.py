"""The embedded campus: who and what is where in its SQLite file."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.demo.cast import Module

PREFIX = "mdl_"
DAY_S = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """One course module; ``grade_item`` is None where nothing is graded."""

    cm: int
    context: int
    course: int
    section: int
    module: Module
    instance: int
    name: str
    grade_item: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """One course with its activities in teaching order; ``total_item`` is its course total in the gradebook."""

    id: int
    context: int
    shortname: str
    total_item: int
    badge: int
    activities: tuple[Activity, ...]

    def of(self, module: Module) -> tuple[Activity, ...]:
        """The activities of one sort."""
        return tuple(activity for activity in self.activities if activity.module == module)


@dataclass(frozen=True, slots=True, kw_only=True)
class Campus:
    """Everything a life on the campus needs to know; ids are Moodle's. ``contexts``: each user's own context."""

    path: Path
    learners: tuple[int, ...]
    usernames: Mapping[int, str]
    contexts: Mapping[int, int]
    courses: tuple[Course, ...]
    enrolled: Mapping[int, tuple[Course, ...]]


def connect(path: Path) -> sqlite3.Connection:
    """A connection that commits only when told to, in WAL mode so that a reader never waits for the campus."""
    db = sqlite3.connect(path, isolation_level=None, timeout=30, check_same_thread=False)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = NORMAL")
    return db


def insert(db: sqlite3.Connection, table: str, **row: Any) -> int:
    """Insert one row into `mdl_<table>`; gives its id."""
    names = ", ".join(f'"{name}"' for name in row)
    marks = ", ".join("?" * len(row))
    sql = f"INSERT INTO {PREFIX}{table} ({names}) VALUES ({marks})"  # noqa: S608 - names are this package's own
    found = db.execute(sql, tuple(row.values())).lastrowid
    if found is None:  # pragma: no cover - SQLite always gives the id of an inserted row
        raise sqlite3.DatabaseError(table)
    return found


def add_context(db: sqlite3.Connection, level: int, instance: int, parent: str) -> tuple[int, str]:
    """A context under the path ``parent`` (empty for the site's own): its id and its path."""
    context = insert(db, "context", contextlevel=level, instanceid=instance, depth=parent.count("/") + 1)
    path = f"{parent}/{context}"
    db.execute("UPDATE mdl_context SET path = ? WHERE id = ?", (path, context))
    return context, path
