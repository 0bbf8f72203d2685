"""The rows of a file, checked: each is a canonical event, or has its problems told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from agent.collectors.csvfile import cells, table
from agent.collectors.csvfile.cells import Problem
from agent.collectors.csvfile.seen import Seen
from agent.collectors.csvfile.source import CsvFile
from agent.collectors.csvfile.table import Layout

ROWS_AT_ONCE = 1_000
_VALUE_SHOWN = 40
_LESSON_KINDS = ("lesson.", "quiz.", "assignment.")


class Fault(NamedTuple):
    """One bad cell: the row as a spreadsheet counts it, the column, what stands there, what is wrong, what to do."""

    row: int
    column: str
    value: str
    told: str
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """How a file is to be judged.

    ``now`` is seconds UTC; ``zone`` is that of times without one. ``known`` are (course id, lesson id or empty) that
    exist, None where nobody says. ``consent`` asks each learner's.
    """

    now: int
    zone: ZoneInfo | None = None
    known: Collection[tuple[str, str]] | None = None
    consent: bool = False


class Ids:
    """How the learners' ids of a file look; told at the end, since no single row is wrong."""

    def __init__(self) -> None:
        self.forms: Counter[str] = Counter()
        self.example: dict[str, tuple[int, str]] = {}

    def add(self, row: int, cell: str) -> None:
        """Count one; an empty one is told by its row."""
        if not cell:
            return
        form = "digits with leading zeros" if cell[:1] == "0" and len(cell) > 1 and cell.isdigit() else (
            "digits" if cell.isdigit() else "text"
        )  # fmt: skip
        self.forms[form] += 1
        self.example.setdefault(form, (row, cell))

    def remarks(self) -> list[str]:
        """What the mixture says."""
        if len(self.forms) < 2:  # noqa: PLR2004 - a mixture
            return []
        told = ", ".join(f"{count} {form} (row {self.example[form][0]})" for form, count in self.forms.most_common())
        return [f"the learners' ids are of several forms: {told}; a spreadsheet may have taken leading zeros off"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Some rows, judged: the events of the good ones, the faults of the bad ones, and those rows as they stand."""

    events: Sequence[Mapping[str, Any]]
    faults: Sequence[Fault]
    bad: Sequence[tuple[int, Sequence[str]]]
    last: int


def chunks(file: CsvFile, found: Layout, wanted: Wanted, ids: Ids, *, from_row: int = 2) -> Iterator[Chunk]:
    """The file from a row on, some rows at a time; memory does not grow with it.

    Raises:
        InvalidInputError: the file cannot be read further (see `CsvFile.rows`).
    """
    seen = Seen()
    try:
        rows = file.rows()
        while taken := list(islice(rows, ROWS_AT_ONCE)):
            chunk = _chunk(taken, found, wanted, ids, seen)
            if chunk.last >= from_row:
                yield chunk
    finally:
        seen.close()


def _chunk(rows: Sequence[tuple[int, Sequence[str]]], found: Layout, wanted: Wanted, ids: Ids, seen: Seen) -> Chunk:
    checks = table.checks(found)
    faults: list[Fault] = []
    events: list[tuple[int, str, dict[str, Any]]] = []
    wrong: dict[int, Sequence[str]] = {}
    width = max(found.places.values()) + 1
    for number, row in rows:
        mine = [] if len(row) >= width else [Fault(number, "", "", "the row is too short", "check its delimiters")]
        for column, place, check in checks:
            cell = row[place].strip() if place < len(row) else ""
            problem = check(cell)
            if problem is not None:
                mine.append(_fault(number, column, cell, problem))
        event = _Judge(number, row, found, wanted, mine).event()
        ids.add(number, found.cell(row, "distinct_id"))
        if mine:
            faults += mine
            wrong[number] = row
        else:
            events.append((number, _key(row, found), event))
    again = seen.first_rows([(key, number) for number, key, _ in events])
    for number, row in rows:
        if number in again:
            told = f"the same as row {again[number]}"
            faults.append(
                Fault(number, "event_id" if "event_id" in found.places else "", "", told, "remove one of them")
            )
            wrong[number] = row
    return Chunk(
        events=[event for number, _, event in events if number not in again],
        faults=sorted(faults),
        bad=sorted(wrong.items()),
        last=rows[-1][0],
    )


def _fault(row: int, column: str, cell: str, problem: Problem) -> Fault:
    shown = cell if len(cell) <= _VALUE_SHOWN else f"{cell[:_VALUE_SHOWN]}…"
    return Fault(row, column, shown, problem.told, problem.remedy)


def _key(row: Sequence[str], found: Layout) -> str:
    """What makes two rows the same: the event's id, else who, what, where and when."""
    cell = found.cell
    if found.sort == "users":
        return cell(row, "distinct_id")
    number = cell(row, "event_id")
    if number:
        return f"id\0{number}"
    return "\0".join(cell(row, name) for name in ("distinct_id", "event", "time", "course_id", "lesson_id"))


class _Judge:
    """One row being judged by more than one cell at a time; what is wrong is added to ``faults``."""

    def __init__(self, number: int, row: Sequence[str], found: Layout, wanted: Wanted, faults: list[Fault]) -> None:
        self._number = number
        self._row = row
        self._found = found
        self._wanted = wanted
        self._faults = faults

    def event(self) -> dict[str, Any]:
        """The canonical event of the row."""
        if self._wanted.consent or "consent" in self._found.places:
            self._blame("consent", cells.consent(self._cell("consent")))
        return self._of_user() if self._found.sort == "users" else self._of_event()

    def _cell(self, column: str) -> str:
        return self._found.cell(self._row, column)

    def _blame(self, column: str, problem: Problem | None) -> None:
        if problem is not None:
            self._faults.append(_fault(self._number, column, self._cell(column), problem))

    def _moment(self, column: str, zone: ZoneInfo | None) -> int:
        at = cells.moment(self._cell(column), now=self._wanted.now, zone=zone)
        if isinstance(at, int):
            return at
        self._blame(column, at)
        return 0

    def _of_event(self) -> dict[str, Any]:
        cell = self._cell
        at = self._moment("time", self._wanted.zone)
        self._placed()
        event: dict[str, Any] = {"event": cell("event"), "occurred_at": at, "user": {"id": cell("distinct_id")}}
        context = {
            name: {"id": text} for name in ("course", "section", "lesson", "post") if (text := cell(f"{name}_id"))
        }
        wrong = {fault.column for fault in self._faults}
        metrics = {
            name: float(text) if "." in text else int(text)
            for name in ("progress_pct", "score_pct", "time_on_task_sec")
            if (text := cell(name)) and name not in wrong
        }
        more = {"context": context, "metrics": metrics, "id": cell("event_id")}
        return {**event, **{name: value for name, value in more.items() if value}}

    def _placed(self) -> None:
        """Whether the row names the course and the lesson that its event is counted by, and they exist."""
        kind, course, lesson, known = (
            self._cell("event"),
            self._cell("course_id"),
            self._cell("lesson_id"),
            self._wanted.known,
        )
        if not lesson and kind.startswith(_LESSON_KINDS):
            self._blame("lesson_id", Problem(f"{kind} names no lesson", "fill it in: awards are counted by it"))
        if not course and kind.startswith("course."):
            self._blame("course_id", Problem(f"{kind} names no course", "fill it in: awards are counted by it"))
        if known is None or not course:
            return
        if (course, "") not in known:
            self._blame(
                "course_id", Problem("this course is not in the list of courses", "correct it, or add it there")
            )
        elif lesson and (course, lesson) not in known:
            self._blame(
                "lesson_id", Problem("this lesson is not in the list of courses", "correct it, or add it there")
            )

    def _of_user(self) -> dict[str, Any]:
        """A learner who joined: an event like others, so that rules can greet them."""
        user = self._cell("distinct_id")
        at = (
            self._moment("start_date", self._wanted.zone or ZoneInfo("UTC"))
            if self._cell("start_date")
            else self._wanted.now
        )
        facts = {name: text for name in ("cohort", "department") if (text := self._cell(name))}
        event: dict[str, Any] = {
            "event": "user.registered",
            "occurred_at": at,
            "user": {"id": user},
            "id": f"user:{user}",
        }
        return {**event, "facts": facts} if facts else event
