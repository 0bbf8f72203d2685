"""Which columns a file of events or of users has, and what each cell must be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from types import MappingProxyType
from typing import Literal

from agent.collectors.csvfile import cells, who
from agent.collectors.csvfile.cells import Check
from agent.errors import InvalidInputError

Sort = Literal["events", "users"]

ALIASES: Mapping[str, str] = MappingProxyType(
    {
        "user_id": "distinct_id",
        "userid": "distinct_id",
        "user": "distinct_id",
        "timestamp": "time",
        "occurred_at": "time",
        "event_name": "event",
        "name_first": "first_name",
        "name_last": "last_name",
        "firstname": "first_name",
        "lastname": "last_name",
        "e-mail": "email",
        "mail": "email",
    }
)
"""Other words for columns."""

EVENTS: Mapping[str, Check | None] = MappingProxyType(
    {
        "event": cells.kind,
        "distinct_id": cells.user,
        "time": None,
        "course_id": cells.identifier,
        "section_id": cells.identifier,
        "lesson_id": cells.identifier,
        "post_id": cells.identifier,
        "progress_pct": cells.per_cent,
        "score_pct": cells.per_cent,
        "time_on_task_sec": cells.number,
        "event_id": cells.identifier,
        "source": None,
        "email": who.mail,
        "first_name": who.name,
        "last_name": who.name,
        "name": who.name,
        "consent": None,
    }
)
USERS: Mapping[str, Check | None] = MappingProxyType(
    {
        "distinct_id": cells.newcomer,
        "email": who.mail,
        "first_name": who.name,
        "last_name": who.name,
        "name": who.name,
        "cohort": cells.identifier,
        "department": cells.identifier,
        "start_date": None,
        "consent": None,
    }
)
OURS = ("problem", "remedy")
"""Columns that we add to the rows which are to be corrected."""
REQUIRED: Mapping[Sort, tuple[str, ...]] = MappingProxyType(
    {"events": ("event", "distinct_id", "time"), "users": ("distinct_id",)}
)

_SHOWN = 3
"""Cells that are shown of a first line that is no heading."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Where each column stands: its name → its place; ``ignored`` are columns that are not looked at."""

    sort: Sort
    places: Mapping[str, int]
    ignored: tuple[str, ...]

    def cell(self, row: Sequence[str], column: str) -> str:
        """A cell without spaces around it; empty where the row has none."""
        place = self.places.get(column)
        return row[place].strip() if place is not None and place < len(row) else ""


def layout(columns: Sequence[str], *, ignore: Sequence[str] = ()) -> Layout:
    """What a file with this heading is.

    Raises:
        InvalidInputError: a required column is missing, or there are columns that nobody knows; each is told.
    """
    names = [ALIASES.get(column, column) for column in columns]
    if not {*names} & ({*EVENTS} | {*USERS}):
        first = ", ".join(repr(column) for column in columns[:_SHOWN])
        raise InvalidInputError(
            f"the first line is no heading: it names no column that is known, it begins with {first}",
            hint=f"write the names of the columns above it, such as {','.join(REQUIRED['events'])},lesson_id",
        )
    sort: Sort = "events" if "event" in names or "time" in names else "users"
    known = EVENTS if sort == "events" else USERS
    ignored = {*OURS} | {ALIASES.get(one.lower(), one.lower()) for one in ignore}
    faults = [f"column {column!r} is missing" for column in REQUIRED[sort] if column not in names]
    for written, name in zip(columns, names, strict=True):
        if name not in known and name not in ignored:
            near = get_close_matches(name, [*known, *ALIASES], n=1)
            meant = f", did you mean {near[0]!r}?" if near else ""
            faults.append(f"column {written!r} is not known{meant}" if written else "a column has no heading")
    same = sorted({name for name in names if name in known and names.count(name) > 1})
    faults += [f"several columns mean {name!r}: leave all but one out" for name in same]
    if faults:
        raise InvalidInputError(
            f"the heading of this file of {sort} is not as expected: {'; '.join(faults)}",
            hint=f"known columns: {', '.join(known)}; leave others out with --ignore-column NAME",
        )
    places = {name: place for place, name in enumerate(names) if name in known}
    return Layout(sort=sort, places=places, ignored=tuple(name for name in names if name not in known))


def checks(found: Layout) -> tuple[tuple[str, Check], ...]:
    """(column, check) of every cell that can be judged alone."""
    known = EVENTS if found.sort == "events" else USERS
    return tuple((column, check) for column in found.places if (check := known[column]) is not None)
