"""What a log and its site show of how Moodle is run: cron, the form of the log, the hours and zones of its people.

Asked by `doctor` alone, with few and bounded questions; what may not be read is unknown, never wrong.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from agent.collectors.logstore.dialects.database import Answer, Database, Row, Rows, Unreadable
from agent.collectors.logstore.draft import COLUMNS
from agent.collectors.systems.moodle import OTHER_KEYS, decode_other
from agent.errors import InvalidInputError

OTHERS_MAX = 200
"""Of so many of the newest rows the detail is decoded."""

_READ = tuple(name.strip() for name in COLUMNS.replace("[other]", "other").split(","))
_COLUMN = "SELECT [columns] FROM {log} WHERE id = 0"
_OTHER = "SELECT id, other FROM {log} WHERE id > ? AND eventname IN ([marks]) ORDER BY id DESC LIMIT [most]"
TASKS: Mapping[str, tuple[str, ...]] = {
    r"\core\task\completion_regular_task": ("course.completed",),
    r"\core\task\completion_daily_task": ("course.completed",),
    r"\core\task\badges_cron_task": ("badge.awarded",),
    r"\mod_quiz\task\update_overdue_attempts": ("quiz.submitted",),
    r"\tool_trigger\task\process_workflows": (),
}
"""Scheduled tasks that something of ours comes from, with its kinds; the last one's are posts."""
_TASKS = "SELECT classname, disabled, faildelay FROM {task_scheduled} WHERE classname IN ([marks])"
_CRON = "SELECT COUNT(*), MAX(lastruntime) FROM {task_scheduled}"
_WORKFLOWS = (
    "SELECT event, MAX(CASE WHEN enabled = 1 THEN 1 ELSE 0 END)"
    " FROM {tool_trigger_workflows} GROUP BY event ORDER BY event LIMIT 1000"
)
_MODULES = "SELECT name FROM {modules}"
_OF_MODULE = re.compile(r"\\mod_([a-z0-9_]+)\\.*")
_STATE = (
    "SELECT MAX(timemodified) FROM"
    " (SELECT timemodified FROM {course_modules_completion} ORDER BY id DESC LIMIT 100) newest"
)
_HOURS = (
    "SELECT (timecreated - timecreated % 3600) / 3600 % 24 AS hour_of_day, COUNT(*),"
    " COUNT(DISTINCT timecreated - timecreated % 86400)"
    " FROM {log} WHERE id > ? AND origin = 'web' GROUP BY hour_of_day"
)
_ZONES = "SELECT timezone, COUNT(*) FROM {user} WHERE deleted = 0 AND timezone <> '99' GROUP BY timezone"


@dataclass(frozen=True, slots=True, kw_only=True)
class Symptoms:
    """How Moodle is run, as far as it shows.

    ``lacking`` are columns that the log table does not have, ``denied`` what the server says where we may not read all
    of them; ``garbled`` ids among the newest whose detail is neither JSON nor PHP's; ``tasks`` are those of `TASKS`
    that the site has, with whether they are off and for how many seconds a failing one rests; ``cron_at`` when a
    scheduled task last ran (0: never, None: unknown); ``workflows`` are the events of tool_trigger's workflows that can
    happen here, with whether one of them is switched on (none where they may not be read); ``state_at`` the newest
    change of a completion; ``hours`` counts recent acts in the browser by the hour of the day, UTC, over ``days`` days
    at least; ``zones`` the accounts that chose a time zone of their own.
    """

    lacking: tuple[str, ...] = ()
    denied: Unreadable | None = None
    garbled: tuple[int, ...] = ()
    cron_at: int | None = None
    tasks: Mapping[str, tuple[bool, int]] = field(default_factory=dict)
    workflows: Mapping[str, bool] = field(default_factory=dict)
    state_at: int | None = None
    hours: Mapping[int, int]
    days: int = 0
    zones: Mapping[str, int]


async def symptoms(log: Database, state: Database, *, after: int) -> Symptoms:
    """Look; ``after`` is the id behind which rows count as recent.

    Raises:
        TransientError: connection lost, time-out.
    """
    unread = await _unread(log)
    if unread:
        lacking = tuple(name for name, answer in unread.items() if not answer.denied)
        denied = next((answer for answer in unread.values() if answer.denied), None)
        return Symptoms(lacking=lacking, denied=denied, hours={}, zones={})
    names = sorted(name for name in OTHER_KEYS if name.startswith("\\"))
    marks = {"marks": ",".join("?" * len(names)), "most": str(OTHERS_MAX)}
    details, hours = await log.fetch_all(
        [log.schema.query(_OTHER, after, *names, **marks), log.schema.query(_HOURS, after)]
    )
    cron, newest, zones = await state.fetch_all([state.schema.query(one) for one in (_CRON, _STATE, _ZONES)])
    tasks_told, workflows, modules = await state.fetch_all(
        [
            state.schema.query(_TASKS, *TASKS, marks=",".join("?" * len(TASKS))),
            state.schema.query(_WORKFLOWS),
            state.schema.query(_MODULES),
        ]
    )
    there = {str(name) for (name,) in _rows(modules)}
    tasks, cron_at = _first(cron) or (0, None)
    (state_at,) = _first(newest) or (None,)
    return Symptoms(
        garbled=tuple(int(row[0]) for row in _rows(details) if not _decodes(row[1])),
        cron_at=int(cron_at or 0) if tasks else None,
        tasks={str(name): (bool(off), int(rests or 0)) for name, off, rests in _rows(tasks_told)},
        workflows={str(event): bool(is_on) for event, is_on in _rows(workflows) if _can_happen(str(event), there)},
        state_at=None if state_at is None else int(state_at),
        hours={int(hour): int(count) for hour, count, _ in _rows(hours)},
        days=max((int(row[2]) for row in _rows(hours)), default=0),
        zones={str(zone): int(count) for zone, count in _rows(zones)},
    )


async def _unread(log: Database) -> Mapping[str, Unreadable]:
    """The log's columns that cannot be read, with why."""
    (whole,) = await log.fetch_all([log.schema.query(_COLUMN, columns=", ".join(_READ))])
    if not isinstance(whole, Unreadable):
        return {}
    answers = await log.fetch_all([log.schema.query(_COLUMN, columns=name) for name in _READ])
    return {name: answer for name, answer in zip(_READ, answers, strict=True) if isinstance(answer, Unreadable)}


def _can_happen(event: str, modules: Collection[str]) -> bool:
    """Whether a site with these sorts of activities has such an event; where they may not be read it may."""
    of = _OF_MODULE.fullmatch(event)
    return of is None or not modules or of[1] in modules


def _rows(answer: Answer) -> Rows:
    return [] if isinstance(answer, Unreadable) else answer


def _first(answer: Answer) -> Row | None:
    return None if isinstance(answer, Unreadable) else answer[0]


def _decodes(other: object) -> bool:
    try:
        decode_other(None if other is None else str(other), ())
    except InvalidInputError:
        return False
    return True
