"""What the look-ups of a page share: its observations on their way, what is wanted, and whom to ask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

from agent.collectors.moodlews.answers import Answers
from agent.collectors.numbers import whole, whole_number
from agent.collectors.systems.moodle import QUIZ_MARKED, QUIZ_REGRADED, QUIZ_SUBMITTED
from agent.config.facts import FACTS
from agent.config.kinds import KindTable
from agent.model import Demand, EventMark, Fact, Observation, PersonMark

SETTLES_S = 3_600
"""A post can be here before what it tells is saved. So long after the act it is looked at again."""
QUIZ_EVENTS = frozenset({QUIZ_SUBMITTED, QUIZ_REGRADED, QUIZ_MARKED})
"""Acts about an attempt, which may be a teacher's preview."""
_ENTRIES = {entry.name: entry for entry in FACTS}


class Look:
    """One observation on its way. ``owed``: something that is about to be known is not known yet."""

    __slots__ = (
        "agreed",
        "facts",
        "instance",
        "kind",
        "lesson",
        "marks",
        "owed",
        "people",
        "person_marks",
        "post",
        "section",
        "seen",
    )

    def __init__(self, seen: Observation) -> None:
        self.seen = seen
        self.kind = seen.kind
        self.lesson = seen.lesson
        self.section = seen.section
        self.post = seen.post
        self.people = dict(seen.people)
        self.instance: int | None = None
        self.facts: dict[str, Fact] = dict(seen.facts)
        self.marks: set[EventMark] = set(seen.marks)
        self.person_marks: dict[str, PersonMark] = dict(seen.person_marks)
        self.agreed: dict[str, int | None] = dict(seen.agreed)
        self.owed = False

    @property
    def learner(self) -> int | None:
        """Whom it is about."""
        return number_of(self.people.get("subject"))

    @property
    def course(self) -> int | None:
        """Where it was."""
        return number_of(self.seen.course)

    def told(self) -> Observation:
        """The observation with what was found."""
        return replace(
            self.seen,
            kind=self.kind,
            people=self.people,
            lesson=self.lesson,
            section=self.section,
            post=self.post,
            facts=self.facts,
            marks=frozenset(self.marks),
            person_marks=self.person_marks,
            agreed=self.agreed,
        )


class Batch:
    """The observations of one page and what is wanted of them; ``now`` is seconds since 1970."""

    __slots__ = ("answers", "facts", "kinds", "looks", "now")

    def __init__(self, looks: Sequence[Look], demand: Demand, answers: Answers, kinds: KindTable, now: int) -> None:
        self.looks = looks
        self.facts = demand.facts
        self.answers = answers
        self.kinds = kinds
        self.now = now

    def wants(self, *names: str) -> bool:
        """Whether any of these facts is demanded."""
        return not self.facts.isdisjoint(names)

    def wanted_of(self, look: Look, name: str) -> bool:
        """Whether this fact is demanded and can be one of such an act: views, say, move no progress."""
        return name in self.facts and look.kind is not None and _ENTRIES[name].applies_to(look.kind)

    def owe(self, look: Look) -> None:
        """Look at it again, as long as what it lacks can still be about to be saved."""
        if self.now - look.seen.occurred_at < SETTLES_S:
            look.owed = True

    def owe_all(self) -> None:
        """Nothing can be known now: look at all of it again, and believe nobody to be no teacher, nor at work."""
        for look in self.looks:
            look.owed = True
            if look.seen.lms_event in QUIZ_EVENTS:
                look.marks.add("preview_unknown")
            if "staff" in self.facts and look.course is not None:
                for person in look.people.values():
                    look.person_marks.setdefault(person, "roles_unknown")


def number_of(text: str | None) -> int | None:
    """An id as Moodle has it; None where it is none."""
    return None if text is None else whole_number(text)


def per_cent(part: int | Fraction, base: int | Fraction) -> int | Fraction:
    """``part`` of ``base`` in per cent, exact; ``base`` is not 0."""
    return whole(100 * Fraction(part) / base)
