"""A recorded act in canonical columns, and as Mixpanel's `/import` takes it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from math import isfinite
from typing import TYPE_CHECKING, Any

from agent.cli.frame import utc
from agent.config.grammar import shown_number
from agent.config.ways_in import configured

if TYPE_CHECKING:
    from agent.cli.measures.whose import Known
    from agent.model import Event, Fact

COLUMNS = (
    "seq", "event_id", "kind", "occurred_at", "learner", "course", "section", "lesson", "object", "score_pct",
    "progress_pct", "time_on_task_sec", "lms", "site", "source", "trust", "outcome", "uncounted",
)  # fmt: skip
EARLIEST = 31_536_000
"""1971-01-01: Mixpanel takes nothing that was before."""
AHEAD_MAX_S = 3_600
"""Nor what is further ahead of its clock."""
_PROGRESS = ("progress_pct", "course_progress_pct", "section_progress_pct")
_INSERT_ID_MAX = 36
_WHOLE_MAX = 2**53


def row(
    number: int,
    event: Event,
    *,
    learner: str,
    outcome: str,
    uncounted: str,
    systems: Mapping[str, str],
    known: Known | None = None,
) -> dict[str, Any]:
    """An act in the canonical columns; None where something is not known.

    With ``known`` it is under that pseudonym, the act's id is what entries say instead, and the object's number, which
    in the LMS leads to who made it, is left out. ``systems`` say what stands behind each source: `moodle`.
    """
    seen = event.seen
    source = configured(seen.source)
    thing = f"{seen.object_table or ''}:{seen.object_id}" if seen.object_id is not None else None
    return {
        "seq": number,
        "event_id": event.event_id.hex() if known is None else known.act(event.event_id),
        "kind": seen.kind or seen.lms_event,
        "occurred_at": utc(seen.occurred_at),
        "learner": learner if known is None else known.pseudonym,
        "course": seen.course,
        "section": seen.section,
        "lesson": seen.lesson,
        "object": thing if known is None else None,
        "score_pct": _number(seen.facts.get("score_pct")),
        "progress_pct": next(
            (found for name in _PROGRESS if (found := _number(seen.facts.get(name))) is not None), None
        ),
        "time_on_task_sec": _number(seen.facts.get("time_on_task_sec")),
        "lms": systems.get(source, seen.site),
        "site": seen.site,
        "source": source,
        "trust": event.trust.name,
        "outcome": outcome,
        "uncounted": uncounted,
    }


def _number(fact: Fact | None) -> int | float | None:
    """A number of a fact, to five places; None where it is none, or none that JSON has."""
    if isinstance(fact, bool) or not isinstance(fact, int | Fraction):
        return None
    if isinstance(fact, int) and abs(fact) <= _WHOLE_MAX:
        return fact
    number = float(shown_number(fact))
    return number if isfinite(number) else None


def is_taken(at: int, now: int) -> bool:
    """Whether Mixpanel takes an act of that time (seconds UTC)."""
    return EARLIEST <= at <= now + AHEAD_MAX_S


def mixpanel(row: Mapping[str, Any], at: int) -> dict[str, Any]:
    """A row under a pseudonym as one object of an import; what is not known is not there."""
    properties = {
        "distinct_id": row["learner"],
        "time": at,
        "$insert_id": row["event_id"][:_INSERT_ID_MAX],
        "course_id": row["course"],
        "section_id": row["section"],
        "lesson_id": row["lesson"],
        "score_pct": row["score_pct"],
        "progress_pct": row["progress_pct"],
        "time_on_task_sec": row["time_on_task_sec"],
        "lms": row["lms"],
        "site": row["site"],
        "source": row["source"],
        "trust": row["trust"],
        "outcome": row["outcome"],
    }
    return {
        "event": row["kind"],
        "properties": {name: value for name, value in properties.items() if value not in {None, ""}},
    }
