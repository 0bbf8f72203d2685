"""Grades that learners could not see when they were told, and can see now: their rows of the log, to be shown again.

The gradebook hides an item for good or until a date. A date passes without an event, and showing an item by hand
changes nothing about its grades; so the items are looked through for both (docs/adr/0102).
"""

from __future__ import annotations

from collections.abc import Sequence

from agent.collectors.logstore.dialects.database import Database, Row
from agent.collectors.logstore.draft import COLUMNS
from agent.collectors.logstore.lookups.base import rows_of
from agent.collectors.systems.moodle import GRADED
from agent.model import Demand

FACT = "grade_shown"
"""What a rule asks for that waits for it."""
GRADES_MAX = 1_000
"""Grades that one page shows again."""

_ITEMS = (
    "SELECT id, courseid FROM {grade_items} WHERE courseid IS NOT NULL AND hidden <> 1 AND hidden <= ? "
    "AND (timemodified > ? OR hidden > ?) ORDER BY id"
)
_GRADES = (
    "SELECT id FROM {grade_grades} WHERE itemid = ? AND id > ? AND finalgrade IS NOT NULL ORDER BY id LIMIT [most]"
)
_ROWS = (
    "SELECT [columns] FROM {log} WHERE courseid = ? AND anonymous = 0 AND timecreated >= ? AND eventname = ? "
    "AND objectid IN ([grades]) ORDER BY id"
)

Item = tuple[int, int]
"""An item of the gradebook and its course."""


def wanted(demand: Demand) -> bool:
    """Whether any rule waits for grades to be shown."""
    return FACT in demand.facts and GRADED in demand.names


async def items_since(states: Database, since: int, now: int) -> Sequence[Item]:
    """What is not hidden, and was changed, or stopped being hidden, after ``since``."""
    async with states.snapshot():
        (answer,) = await states.fetch_all([states.schema.query(_ITEMS, now, since, since)])
    return [(row[0], row[1]) for row in rows_of(answer)]


async def grades_of(states: Database, item: Item, after: int) -> Sequence[int]:
    """The next grades of an item, by their numbers."""
    async with states.snapshot():
        (answer,) = await states.fetch_all([states.schema.query(_GRADES, item[0], after, most=[GRADES_MAX])])
    return [row[0] for row in rows_of(answer)]


async def rows_about(log: Database, item: Item, grades: Sequence[int], start_at: int) -> Sequence[Row]:
    """What the log tells of these grades; no row is older than ``start_at``."""
    columns = COLUMNS.replace("[other]", "other")
    query = log.schema.query(_ROWS.replace("[columns]", columns), item[1], start_at, GRADED, grades=grades)
    (answer,) = await log.fetch_all([query])
    return rows_of(answer)
