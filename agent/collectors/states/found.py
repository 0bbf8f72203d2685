r"""What a state table or a web service says that somebody reached.

It is written as the row of the log that Moodle should have written: the look-ups then add to it what they add to every
act. Nobody is named as its actor but the rater of a rating, because the tables do not say who it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import orjson

from agent.collectors.logstore.dialects.database import Row
from agent.collectors.systems import moodle
from agent.collectors.systems.moodle import RATED
from agent.engine.sighting.untold import BADGE, COMPLETED, COMPLETION, GRADED, STATE
from agent.model import Fact

_COURSE_LEVEL = 50
"""`contextlevel` of a course."""
_ORIGIN = "state"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One row of a state table. ``state`` is the completion state, the grade or the rating as text, else empty.

    ``began`` is when what it is about came into being, or earlier: an older row was copied together with it. ``facts``
    are known of it already, ``other`` is what look-ups need to know. ``row`` is what the log should have had
    (`agent.collectors.logstore.draft.COLUMNS`); its number is 0.
    """

    id: int
    event: str
    learner: int
    object: str
    state: str
    at: int
    course: int | None
    row: Row
    facts: Mapping[str, Fact] = field(default_factory=dict)
    other: moodle.Other = field(default_factory=dict)
    began: int = 0

    @property
    def natural_key(self) -> tuple[str, ...]:
        """The key of its own kind: nobody knows the actor that a log row's key would have."""
        return (STATE, self.event, str(self.learner), self.object, self.state, str(self.at))


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """Whose state it is, since when (seconds UTC), and in which course; ``id`` is its number where it was read.

    ``row`` is its number in the state table, None where only a database would know that; ``began`` as in `Found`.
    """

    id: int
    learner: int
    at: int
    course: int | None
    row: int | None = None
    began: int = 0

    def lesson(self, module: int, state: int, override_by: int | None) -> Found:
        """An activity (course module) was completed; 1 and 2 are the ``state``s that count."""
        other = {"completionstate": state, "overrideby": override_by, "relateduserid": self.learner}
        row = self._row(COMPLETION, "course_modules_completion", self.row, module=module, other=other)
        return self._found(COMPLETION, str(module), row, str(state))

    def completed(self) -> Found:
        """The course was completed."""
        return self._found(COMPLETED, str(self.course), self._row(COMPLETED, "course_completions", self.row))

    def graded(self, item: int, grade: str, *, overridden: bool, name: str) -> Found:
        """A ``grade`` (`moodle.canonical_decimal`) of a grade item; ``name`` is what the grade is known by."""
        other = {"itemid": item, "finalgrade": grade, "overridden": overridden}
        return self._found(GRADED, name, self._row(GRADED, "grade_grades", self.row, other=other), grade)

    def given(self, badge: int) -> Found:
        """One of Moodle's own badges was given."""
        return self._found(BADGE, str(badge), self._row(BADGE, "badge", badge))

    def rated(
        self,
        post: int,
        rater: int,
        rating: str,
        module: int,
        *,
        facts: Mapping[str, Fact] | None = None,
        other: moodle.Other | None = None,
    ) -> Found:
        """A post of theirs in a forum (course module) was rated."""
        row = self._row(RATED, "forum_posts", post, module=module, user=rater)
        return self._found(RATED, f"{post} by {rater}", row, rating, facts or {}, other or {})

    def _row(
        self,
        event: str,
        table: str,
        number: int | None,
        *,
        module: int | None = None,
        user: int = 0,
        other: object = None,
    ) -> Row:
        """In a course module, or else in the course."""
        level, instance = (_COURSE_LEVEL, self.course or 0) if module is None else (moodle.CONTEXT_MODULE, module)
        text = orjson.dumps(other).decode() if other is not None else None
        course = self.course or 0
        return (0, event, table, number, level, instance, user, course, self.learner, 0, text, self.at, _ORIGIN, None)

    def _found(
        self,
        event: str,
        thing: str,
        row: Row,
        state: str = "",
        facts: Mapping[str, Fact] | None = None,
        other: moodle.Other | None = None,
    ) -> Found:
        return Found(
            id=self.id,
            event=event,
            learner=self.learner,
            object=thing,
            state=state,
            at=self.at,
            course=self.course,
            row=row,
            facts=facts or {},
            other=other or {},
            began=self.began,
        )
