"""One row, judged: every cell alone, then what several cells say together; a good one becomes a canonical event."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from agent.collectors.csvfile import cells, table
from agent.collectors.csvfile.cells import Problem
from agent.collectors.csvfile.ids import Ids
from agent.collectors.csvfile.moments import moment
from agent.collectors.csvfile.table import Layout

_VALUE_SHOWN = 40
_LESSON_KINDS = ("lesson.", "quiz.", "assignment.")
_PLACES = tuple((name, f"{name}_id") for name in ("course", "section", "lesson", "post"))
_METRICS = ("progress_pct", "score_pct", "time_on_task_sec")
_UTC = ZoneInfo("UTC")


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


def fault(row: int, column: str, cell: str, problem: Problem) -> Fault:
    """A fault that shows the beginning of a cell; of what is no sign on paper, that there is one."""
    shown = cell if len(cell) <= _VALUE_SHOWN else f"{cell[:_VALUE_SHOWN]}…"
    if not shown.isprintable():
        shown = "".join(sign if sign.isprintable() else "\ufffd" for sign in shown)
    return Fault(row, column, shown, problem.told, problem.remedy)


def misplaced(row: Sequence[str], columns: int, needed: int) -> Problem | None:
    """Whether a row has other cells than its heading has ``columns``, of which the first ``needed`` are looked at."""
    if len(row) < needed and any("\n" in cell for cell in row):
        told = "the row is too short, and one of its cells has the rows behind it in it"
        return Problem(told, "close the quotation mark that is opened there, or take it away; then import again")
    if len(row) < needed:
        return Problem("the row is too short", "check its delimiters")
    if len(row) > columns and any(cell.strip() for cell in row[columns:]):
        told = f"the row has {len(row)} cells, the heading {columns}"
        return Problem(told, "put quotes around the cell that holds a delimiter, and look whether cells have shifted")
    return None


class Judge:
    """Judges the rows of one file whose heading has ``columns`` cells."""

    def __init__(self, found: Layout, wanted: Wanted, ids: Ids, *, columns: int) -> None:
        self.found = found
        self._wanted = wanted
        self._ids = ids
        self._columns = columns
        self._needed = max(found.places.values()) + 1
        self._places = tuple(found.places.items())
        self._checks = table.checks(found)
        self._consent = wanted.consent or "consent" in found.places
        self._of = self._of_user if found.sort == "users" else self._of_event

    def judged(self, number: int, row: Sequence[str]) -> tuple[list[Fault], Mapping[str, Any]]:
        """What is wrong with a row, and the canonical event of one with which nothing is."""
        wrong: list[tuple[str, Problem]] = []
        if len(row) != self._columns:
            problem = misplaced(row, self._columns, self._needed)
            if problem is not None:
                wrong.append(("", problem))
                row = [*row, *[""] * (self._needed - len(row))]
        said = {column: row[place].strip() for column, place in self._places}
        if len(row) > self._columns:
            said[""] = " | ".join(row[self._columns :])
        if cells.text("".join(said.values())) is not None:
            wrong += [(column, bad) for column, cell in said.items() if (bad := cells.text(cell)) is not None]
        for column, check in self._checks:
            problem = check(said[column])
            if problem is not None:
                wrong.append((column, problem))
        problem = self._ids.problem(said["distinct_id"])
        if problem is not None:
            wrong.append(("distinct_id", problem))
        if self._consent:
            problem = cells.consent(said.get("consent", ""))
            if problem is not None:
                wrong.append(("consent", problem))
        event = self._of(said, wrong)
        return [fault(number, column, said.get(column, ""), problem) for column, problem in wrong], event

    def key(self, event: Mapping[str, Any]) -> str:
        """What makes two rows the same: the event's id, else who, what, where and when, however it is written."""
        number = event.get("id")
        if number:
            return f"id\0{number}"
        places = event.get("context", {})
        about = (places[name]["id"] if name in places else "" for name, _ in _PLACES)
        return "\0".join((event["user"]["id"], event["event"], str(event["occurred_at"]), *about))

    def _of_event(self, said: Mapping[str, str], wrong: list[tuple[str, Problem]]) -> Mapping[str, Any]:
        at = moment(said["time"], now=self._wanted.now, zone=self._wanted.zone)
        if isinstance(at, Problem):
            wrong.append(("time", at))
        wrong += self._placed(said)
        if wrong:
            return {}
        event: dict[str, Any] = {"event": said["event"], "occurred_at": at, "user": {"id": said["distinct_id"]}}
        context = {name: {"id": text} for name, column in _PLACES if (text := said.get(column))}
        metrics = {name: float(text) if "." in text else int(text) for name in _METRICS if (text := said.get(name))}
        if context:
            event["context"] = context
        if metrics:
            event["metrics"] = metrics
        if said.get("event_id"):
            event["id"] = said["event_id"]
        return event

    def _placed(self, said: Mapping[str, str]) -> list[tuple[str, Problem]]:
        """Whether the row names the course and the lesson that its event is counted by, and they exist."""
        kind, course, lesson, known = (
            said["event"],
            said.get("course_id", ""),
            said.get("lesson_id", ""),
            self._wanted.known,
        )
        wrong = []
        if not lesson and kind.startswith(_LESSON_KINDS):
            wrong.append(("lesson_id", Problem(f"{kind} names no lesson", "fill it in: awards are counted by it")))
        if not course and kind.startswith("course."):
            wrong.append(("course_id", Problem(f"{kind} names no course", "fill it in: awards are counted by it")))
        if known is None or not course:
            return wrong
        unknown, remedy = "this {} is not in the list of courses", "correct it, or add it there"
        if (course, "") not in known:
            wrong.append(("course_id", Problem(unknown.format("course"), remedy)))
        elif lesson and (course, lesson) not in known:
            wrong.append(("lesson_id", Problem(unknown.format("lesson"), remedy)))
        return wrong

    def _of_user(self, said: Mapping[str, str], wrong: list[tuple[str, Problem]]) -> Mapping[str, Any]:
        """A learner who joined: an event like others, so that rules can greet them."""
        at: int | Problem = self._wanted.now
        if said.get("start_date"):
            at = moment(said["start_date"], now=self._wanted.now, zone=self._wanted.zone or _UTC)
        if isinstance(at, Problem):
            wrong.append(("start_date", at))
        user = said["distinct_id"]
        event: dict[str, Any] = {
            "event": "user.registered",
            "occurred_at": at,
            "user": {"id": user},
            "id": f"{cells.NEWCOMER}{user}",
        }
        facts = {name: text for name in ("cohort", "department") if (text := said.get(name))}
        return {**event, "facts": facts} if facts else event
