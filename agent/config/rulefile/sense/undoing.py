"""What is named to undo an act and never does: it undoes acts of another sort, so that nothing is ever found for it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase

from agent.config.document import Fault
from agent.config.factentry import GENERIC
from agent.config.facts import FactTable
from agent.config.kinds import KindTable
from agent.config.rulefile.merged import Merged, Placed
from agent.config.rulefile.models import Rule
from agent.config.rulefile.warn import kinds_of
from machine.words import either

_GRADES = ("grade.*", "course.graded", "outcome.rated")
_IN_ACTIVITIES = ("lesson.*", "quiz.*", "assignment.*", "forum.*", "survey.*", "grade.*", "outcome.rated")
_UNDOES: Mapping[str, tuple[str, ...]] = {
    "quiz.attempt_deleted": ("quiz.*",),
    "assignment.withdrawn": ("assignment.*",),
    "grade.deleted": _GRADES,
    "forum.post_deleted": ("forum.*",),
    "forum.discussion_deleted": ("forum.*",),
    "badge.revoked": ("badge.*",),
    "lesson.uncompleted": _IN_ACTIVITIES,
    "lesson.failed": _IN_ACTIVITIES,
}
"""Undoing kinds → the kinds of acts that they are about."""


def warnings(merged: Merged, kinds: KindTable, facts: FactTable) -> Iterator[Fault]:
    """The undoing kinds that find nothing a rule paid; who posts the canonical schema may name objects as they like."""
    if facts.sources is not None and GENERIC in facts.sources:
        return
    for rule in merged.rules:
        if rule.it.mode != "off" and not any("\\" in pattern for pattern in rule.it.on):
            yield from _idle(rule, kinds_of(rule.it.on, kinds), kinds)


def _idle(rule: Placed[Rule], acts: Iterable[str], kinds: KindTable) -> Iterator[Fault]:
    paid = tuple(acts)
    for number, pattern in enumerate(rule.it.reverse_on):
        undoing = kinds_of((pattern,), kinds)
        about = {each for kind in undoing for each in _UNDOES.get(kind, ("*",))}
        if undoing and paid and not any(fnmatchcase(kind, each) for kind in paid for each in about):
            fitting = [
                kind for kind, of in _UNDOES.items() if any(fnmatchcase(act, each) for act in paid for each in of)
            ]
            hint = f"{either(sorted(fitting))} would" if fitting else "nothing that Moodle tells would"
            told = f"{pattern} never takes back what {either(paid[:3])} earned"
            yield rule.fault(told, hint, at=("reverse_on", number))
