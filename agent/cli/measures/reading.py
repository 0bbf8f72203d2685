"""The recorded acts of a ledger as measures look at them, gone through once. Read-only."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from agent.config.factentry import PERSON
from agent.errors import InvalidInputError
from agent.measures.act import LESSON, POSTED, UNPOSTED, Act
from agent.measures.past import Past
from agent.measures.told import Newest

if TYPE_CHECKING:
    from agent.cli.measures.whose import Whose
    from agent.cli.tuning.bar import Advance
    from agent.config.grammar import Number
    from agent.engine.rulebook import Rulebook
    from agent.model import Event, Observation

COHORTS = "cohorts"
COURSE_FACTS = ("course_shortname", "course_idnumber", "course_categories")
_TAGGED, _RATED = "forum.tagged", "forum.rated"
_BY_OTHERS = (
    "badge.", "certificate.", "challenge.", "course.completed", "course.graded", _RATED, _TAGGED, "grade.", "kudos.",
    "outcome.", "programme.", "quiz.regraded", "tag.", "user.deleted", "user.updated",
)  # fmt: skip
"""Kinds by which nobody is active: what others, cron or the rules do to a learner."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """In what terms acts are read.

    ``window`` gives seconds since enrolment by course short name and `default`, within which a lesson is in time where
    it has no due date; ``praise`` is the tag or the word of a scale that makes a post constructive.
    """

    window: Mapping[str, Number]
    praise: str


class Read:
    """What a reading found: ``past`` for the measures, and what was ``told`` last of learners and courses."""

    def __init__(self, past: Past) -> None:
        self.past = past
        self.told = Newest()

    def title(self, course: str) -> str:
        """What people call a course: its short name where rules look at it, else its number."""
        return next(iter(self.told.of(course, COURSE_FACTS[0])), course)

    def require(self, facts: Iterable[str]) -> None:
        """Stop where nothing was ever told of learners under a name: a column of nothing would look like an answer.

        Raises:
            InvalidInputError: nothing was.
        """
        told = [name for name in self.told.names() if name not in COURSE_FACTS]
        for name in facts:
            if name not in told:
                raise InvalidInputError(
                    f"nothing is known of learners by the name {name!r}",
                    hint=f"rules tell {', '.join(told) or 'nothing'}: facts of [person] need a condition on them, "
                    "cohorts an audience",
                )


class Reader:
    """Makes acts of events: by the calendar of the rules, each of the learner whose it is now."""

    def __init__(self, rulebook: Rulebook, whose: Whose, terms: Terms, *, several_sites: bool) -> None:
        self._calendar = rulebook.calendar
        self._whose = whose
        self._terms = terms
        self._several = several_sites

    def read(self, connection: sqlite3.Connection, span: tuple[date, date], advance: Advance) -> Read:
        """All acts up to the span's end, page by page; those before it say who was there already."""
        from agent.ledger.past import events

        found = Read(Past(span[0].toordinal(), span[1].toordinal()))
        upto = events.last_event(connection)
        for page in events.recorded(connection, until=self._calendar.over(span[1])):
            found.past.add(self._acts(found.told, (event for number, event in page if number <= upto)))
            if page[-1][0] >= upto:
                break
            advance(page[-1][0], upto, "")
        return found

    def _acts(self, told: Newest, events: Iterator[Event]) -> Iterator[Act]:
        for event in events:
            learner, kind = self._whose.learner(event), event.seen.kind or event.seen.lms_event
            if kind in UNPOSTED:  # whoever did it: the post is gone
                yield self._act(event, learner, kind)
            elif not self._whose.why_not(event, learner):
                self._tell(told, event.seen, learner)
                yield self._act(event, learner, kind)

    def _act(self, event: Event, learner: str, kind: str) -> Act:
        seen = event.seen
        thing = seen.post if kind.startswith("forum.") else seen.lesson
        return Act(
            learner=learner,
            kind=kind,
            at=seen.occurred_at,
            day=self._calendar.moment(seen.occurred_at).date.toordinal(),
            own=seen.people.get("actor", seen.people.get("subject")) == seen.people.get("subject")
            and not kind.startswith(_BY_OTHERS),
            course=self._course(seen),
            what=f"{seen.site}:{thing}" if thing else event.event_id.hex(),
            in_time=self._in_time(seen),
            praised=self._is_praised(seen, kind),
        )

    def _course(self, seen: Observation) -> str:
        return "" if seen.course is None else f"{seen.site}:{seen.course}" if self._several else seen.course

    def _in_time(self, seen: Observation) -> bool | None:
        """By the learner's own due date; where there is none, by how long ago they were enrolled."""
        facts = seen.facts
        if isinstance(on_time := facts.get("on_time"), bool):
            return on_time
        if isinstance(late_by := facts.get("late_by"), int):
            return late_by <= 0
        since = facts.get("since_enrolment")
        if seen.kind != LESSON or not isinstance(since, int):
            return None
        window = self._terms.window.get(str(facts.get("course_shortname", "")), self._terms.window.get("default"))
        return None if window is None else since <= window

    def _is_praised(self, seen: Observation, kind: str) -> bool:
        word, facts = self._terms.praise, seen.facts
        if kind == POSTED:
            tags = facts.get("tags")
            return isinstance(tags, tuple) and word in tags
        return (kind == _TAGGED and facts.get("tag") == word) or (kind == _RATED and facts.get("rating_word") == word)

    def _tell(self, told: Newest, seen: Observation, learner: str) -> None:
        user, at = seen.people["subject"], seen.occurred_at
        for name, value in seen.facts.items():
            if name.startswith(PERSON):
                told.tell(learner, name.removeprefix(PERSON), at, (str(value),))
            elif name == f"{COHORTS}:{user}" and isinstance(value, tuple):
                told.tell(learner, COHORTS, at, value)
            elif name in COURSE_FACTS and seen.course is not None:
                told.tell(self._course(seen), name, at, value if isinstance(value, tuple) else (str(value),))
