"""Grades: an activity's or the course's, how much of the possible it is, which activity."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from fractions import Fraction

from agent.collectors.moodlews.facts.activities import place
from agent.collectors.moodlews.facts.batch import Batch, Look, number_of, per_cent
from agent.collectors.moodlews.shapes import Graded
from agent.collectors.numbers import exact
from agent.collectors.systems.moodle import GRADED, grade_word

_PARTS = frozenset({"mod", "manual"})
"""What totals are made of."""
GRADED_WITHIN_S = 5
"""A post that does not name its item is about the grade of that moment."""


async def grades(batch: Batch) -> None:
    """Decide the kind of a grade by its item, name its activity, and add the facts of the grade at that time."""
    for look in batch.looks:
        if look.seen.lms_event != GRADED or look.course is None or look.learner is None:
            continue
        graded = await batch.answers.grades(look.course, look.learner)
        if graded is None:
            continue
        found = _item(look, graded)
        if found is None:
            batch.owe(look)
            continue
        cleared = look.kind is not None and look.kind == batch.kinds.kind_of(GRADED, "cleared")
        told = cleared or "grade" in look.facts or found.grade is not None
        # Where the post does not say, nobody knows whether it is hidden from us or was cleared.
        look.kind = batch.kinds.kind_of(GRADED, grade_word(found.sort, found.number, cleared=cleared) if told else "")
        look.facts["grade_item"] = str(found.item)
        if found.sort == "mod" and found.lesson is not None:
            look.lesson = str(found.lesson)
            await place(batch, look)
        _note(batch, look, found, _best(found, graded.values()))


def _item(look: Look, graded: dict[int, Graded]) -> Graded | None:
    """The item that a post names; else the one whose grade is that grade of that moment, where it is the only one."""
    named = look.facts.get("grade_item")
    if isinstance(named, str):
        return graded.get(number_of(named) or 0)
    grade = look.facts.get("grade")
    fitting = [
        one
        for one in graded.values()
        if grade is not None and exact(one.grade) == grade and abs(one.at - look.seen.occurred_at) <= GRADED_WITHIN_S
    ]
    return fitting[0] if len(fitting) == 1 else None


def _best(found: Graded, graded: Collection[Graded]) -> int | Fraction | None:
    """The best grade there is in an item; None where it is not told.

    Moodle tells of a learner's total what the work that is graded so far makes at most. A total is of all work: of the
    same, where all of it is graded, and of the sum, where totals are sums.
    """
    best = exact(found.most)
    if found.sort == "mod" or best is None:
        return best
    parts = [one for one in graded if one.sort in _PARTS]
    done, open_ = [_sum(one for one in parts if (one.grade is None) is empty) for empty in (False, True)]
    every = sum(one.grade is not None for one in parts)
    if every == len(parts) or best == done + open_:
        return best
    is_sum = best == done and every > 1 and all(one.sort != "category" for one in graded)
    return best + open_ if is_sum else None


def _sum(items: Iterable[Graded]) -> int | Fraction:
    return sum((exact(one.most) or 0 for one in items), start=0)


def _note(batch: Batch, look: Look, found: Graded, most: int | Fraction | None) -> None:
    grade = look.facts.get("grade")
    if batch.wants("overridden") and found.overridden is not None:
        look.facts.setdefault("overridden", found.overridden)
    if batch.wants("module") and found.module is not None:
        look.facts["module"] = found.module
    if batch.wants("item_number") and found.number is not None:
        look.facts["item_number"] = found.number
    least = exact(found.least)
    if grade is None or isinstance(grade, str | tuple) or least is None or most is None or most == least:
        return
    if found.sort != "mod" and exact(found.grade) != grade:
        return  # of another moment, when other work was graded
    if batch.wants("score_pct"):
        look.facts["score_pct"] = per_cent(grade - least, most - least)
