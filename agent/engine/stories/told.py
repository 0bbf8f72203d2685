"""From what a story tells to an event: what it leaves out is filled in. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time
from typing import Any

from agent.config.document import MisfitError
from agent.config.facts import FactTable
from agent.config.grammar import is_length, length, toml_number
from agent.config.rulefile.across.stories import WORDS
from agent.engine import trust
from agent.engine.challenge.compiled import ENROLLED, WITHDRAWN, lms_event
from agent.engine.fairness import texts
from agent.engine.rulebook import Rulebook
from agent.errors import InvalidInputError
from agent.model import ROLES, Event, Evidence, Fact, Observation, Role, Trust

SITE = "story"
A_DAY = date(2026, 9, 7)
"""When a story takes place that does not say."""

_NOON = time(12)
_DOERS: tuple[Role, ...] = ("subject", "actor", "author", "purchaser")
_CEILING = Trust.server_verified
_EVIDENCE: Mapping[str, Evidence] = {
    "server_verified": Evidence.database_row,
    "trusted_source": Evidence.bearer_token,
    "client_reported": Evidence.address,
    "unverified": Evidence.nothing,
}


def event_of(said: Mapping[str, Any], learner: str, day: date, number: int, rulebook: Rulebook) -> Event:
    """The event that a story tells; what it leaves out is filled in (a lesson and a post of its own, course 1).

    Raises:
        InvalidInputError: it cannot be an event.
    """
    if "kind" not in said and "lms_event" not in said:
        raise InvalidInputError("an event needs a kind")
    if not isinstance(said.get("kind", ""), str):
        raise InvalidInputError("a kind is a text", hint='such as kind = "lesson.completed"')
    level = str(said.get("trust", _CEILING.name))
    if level not in _EVIDENCE:
        raise InvalidInputError(f"{level!r} is not a trust")
    people: dict[str, str] = {role: str(said.get(role, learner)) for role in _DOERS}
    people.update({role: str(said[role]) for role in ROLES if role in said})
    badge = str(said.get("kind", "")).startswith("badge.")
    seen = Observation(
        source=str(said.get("source", SITE)),
        site=SITE,
        position=number,
        lms_event=str(said.get("lms_event", "") or _of_challenge(said)),
        kind=str(said["kind"]) if "kind" in said else None,
        people=people,
        natural_key=(str(number),),
        occurred_at=time_of(said.get("at"), day, rulebook) + (0 if "at" in said else number),
        evidence=_EVIDENCE[level],
        object_table="badge" if badge else None,
        object_id=str(said.get("object_id", number)),
        course=str(said.get("course", "1")),
        section=str(said.get("section", "1")),
        lesson=str(said.get("lesson", number)),
        post=str(said.get("post", number)),
        person_marks={learner: "staff"} if said.get("staff") is True else {},
        facts=_facts(said, people),
    )
    return trust.tag(seen, _CEILING)


def _of_challenge(said: Mapping[str, Any]) -> str:
    """What the event is called that enrols into a challenge; nothing where it is another."""
    kind = said.get("kind")
    return lms_event(kind, str(said.get("challenge", ""))) if kind in {ENROLLED, WITHDRAWN} else ""


def time_of(value: Any, day: date, rulebook: Rulebook) -> int:
    """Seconds UTC of a time on the institution's clock; of a day (or nothing: ``day``) its noon.

    Raises:
        InvalidInputError: it is no time.
    """
    if isinstance(value, date) and value.year not in _YEARS:
        hint = f"a year from {_YEARS[0]} to {_YEARS[-1]}"
        raise InvalidInputError(f"{value} is no time that an act could have", hint=hint)
    if isinstance(value, datetime):
        return rulebook.calendar.at(value)
    if value is None or isinstance(value, date):
        return rulebook.calendar.at(datetime.combine(value or day, _NOON))
    raise InvalidInputError(f"{value!r} is not a time; write 2026-09-07T09:00:00")


_YEARS = range(1971, 9000)
"""What clocks and calendars can count, whatever the zone."""
_TEXT_KEY = b"story"


def _facts(said: Mapping[str, Any], people: Mapping[str, str]) -> dict[str, Fact]:
    table = FactTable()
    found: dict[str, Fact] = dict(texts.facts(str(said["text"]), _TEXT_KEY)) if "text" in said else {}
    for name, value in said.items():
        if name in WORDS:
            continue
        entry = table.get(name)
        fact = _fact(name, value, seconds=entry is not None and entry.unit == "s")
        if entry is not None and entry.of_person:
            found.update({f"{name}:{user}": fact for user in people.values()})
        else:
            found[name] = fact
    return found


def _fact(name: str, value: Any, *, seconds: bool) -> Fact:
    if isinstance(value, bool):
        return value
    exact = toml_number(value)
    if exact is not None:
        return exact
    if isinstance(value, str):
        return length(value) if seconds and is_length(value) else value
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return tuple(value)
    raise InvalidInputError(f"{name} cannot be {value!r}")


def sentence(error: InvalidInputError | MisfitError) -> str:
    """What is wrong, and what to do."""
    return f"{error.message} ({error.hint})" if error.hint else error.message


class Objects:
    """What an event is about where a story does not name it: what the event before it about the same thing was.

    A grade and a submission are one object for each learner and lesson, however often they change. An attempt is a new
    one each time, as is a badge; what undoes or marks one names the newest.
    """

    def __init__(self) -> None:
        self._newest: dict[tuple[str, str, str], str] = {}

    def of(self, said: Mapping[str, Any], learner: str, number: int) -> str:
        """The object of the ``number``-th event of a story."""
        kind = str(said.get("kind", ""))
        family = _FAMILIES.get(kind)
        own = str(said.get("object_id", number))
        if family is None:
            return own
        about = "" if family in _OF_THE_LEARNER else str(said.get(family, number))
        thing = (learner, kind.partition(".")[0] if family == "lesson" else family, about)
        if "object_id" not in said and kind not in _ANEW:
            own = self._newest.get(thing, own)
        self._newest[thing] = own
        return own


_FAMILIES: Mapping[str, str] = {
    "quiz.submitted": "lesson",
    "quiz.attempt_deleted": "lesson",
    "quiz.regraded": "lesson",
    "assignment.submitted": "lesson",
    "assignment.withdrawn": "lesson",
    "grade.awarded": "lesson",
    "grade.deleted": "lesson",
    "outcome.rated": "lesson",
    "course.graded": "course",
    "badge.awarded": "badge",
    "badge.revoked": "badge",
    "order.created": "order",
    "order.refunded": "order",
}
"""By what of an event its object is known in a story."""

_OF_THE_LEARNER = frozenset({"badge", "order"})
"""Known by the learner alone."""

_ANEW = frozenset({"quiz.submitted", "badge.awarded", "order.created"})
"""Kinds of which each event is about an object of its own."""
