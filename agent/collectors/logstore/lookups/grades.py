"""Grades: an activity's or the course's, how much of the possible it is, whether it passes, which activity."""

from __future__ import annotations

from collections.abc import Iterable

from agent.collectors.logstore.dialects.database import Row
from agent.collectors.logstore.draft import Draft
from agent.collectors.logstore.lookups.activities import MODULES
from agent.collectors.logstore.lookups.base import Batch, LookUp, per_cent, rows_of
from agent.collectors.numbers import exact, whole_number
from agent.collectors.systems.moodle import GRADED, grade_word

_GRADES = "SELECT id, itemid, finalgrade FROM {grade_grades} WHERE id IN ([ids])"
_ITEMS = (
    "SELECT id, itemtype, itemmodule, iteminstance, grademin, grademax, gradepass, itemnumber, hidden "
    "FROM {grade_items} WHERE id IN ([ids])"
)
_HIDDEN = "SELECT id, hidden FROM {grade_grades} WHERE id IN ([ids])"
_MODULES_OF = (
    "SELECT id, module, instance, section FROM {course_modules} "
    "WHERE instance IN ([instances]) AND course IN ([courses])"
)
_HIDDEN_FOR_GOOD = 1


def grades(batch: Batch) -> LookUp:
    """Decide the kind of `user_graded` by its item, name its activity, and add the facts of the grade at that time."""
    mine = [draft for draft in batch.drafts if draft.event == GRADED]
    if not mine:
        return
    item_of = {draft.position: _number(draft.other.get("itemid")) for draft in mine}
    grade_of = {draft.position: draft.other.get("finalgrade") for draft in mine}
    bare = [d for d in mine if d.object_id is not None and (item_of[d.position] is None or "finalgrade" not in d.other)]
    if bare:
        (answer,) = yield [batch.schema.query(_GRADES, ids=sorted({draft.object_id for draft in bare}))]
        stored = {row[0]: row for row in rows_of(answer)}
        for draft in bare:
            if draft.object_id in stored:
                _, item_of[draft.position], grade_of[draft.position] = stored[draft.object_id]
    ids = {number for number in item_of.values() if number is not None}
    numbers = sorted({draft.object_id for draft in mine if draft.object_id is not None})
    answer, *hidden = yield [
        batch.schema.query(_ITEMS, ids=sorted(ids)),
        *([batch.schema.query(_HIDDEN, ids=numbers)] if batch.wants("grade_shown") else []),
    ]
    items = {row[0]: row for row in rows_of(answer)}
    until = {row[0]: row[1] for each in hidden for row in rows_of(each)}
    for draft in mine:
        item = items.get(item_of[draft.position])
        draft.kind = batch.kinds.of(GRADED, _word(draft, item))
        _note(draft, item, grade_of[draft.position], batch.facts)
        if item is not None and draft.object_id in until and _shown(batch.now, item[8], until[draft.object_id]):
            draft.facts["grade_shown"] = True
    graded = [(draft, items[item_of[draft.position]]) for draft in mine if item_of[draft.position] in items]
    of_modules = [(draft, item) for draft, item in graded if item[1] == "mod" and draft.course is not None]
    if of_modules:
        instances = sorted({item[3] for _, item in of_modules if item[3] is not None})
        courses = sorted({draft.course for draft, _ in of_modules if draft.course is not None})
        found, names = yield [
            batch.schema.query(_MODULES_OF, instances=instances, courses=courses),
            batch.schema.query(MODULES),
        ]
        _place(batch, of_modules, rows_of(found), {row[0]: row[1] for row in rows_of(names)})


def _shown(now: int, *until: int) -> bool:
    """Whether none of these hides a grade by now, as Moodle writes it: 0 never, 1 for good, else until then."""
    return all(one != _HIDDEN_FOR_GOOD and one <= now for one in until)


def _word(draft: Draft, item: Row | None) -> str:
    """What the row is: clearing a grade is told as a grade of nothing."""
    cleared = "finalgrade" in draft.other and draft.other["finalgrade"] is None
    return "" if item is None else grade_word(item[1], item[7], cleared=cleared)


def _note(draft: Draft, item: Row | None, value: object, facts: frozenset[str]) -> None:
    """The facts of the grade; none where there was no grade."""
    if "overridden" in facts and "overridden" in draft.other:
        draft.facts["overridden"] = bool(draft.other["overridden"])
    grade = exact(value)
    if grade is not None and "grade" in facts:
        draft.facts["grade"] = grade
    if item is None:
        return
    least, most, passing = exact(item[4]), exact(item[5]), exact(item[6])
    if item[2] is not None and "module" in facts:
        draft.facts["module"] = item[2]
    if item[7] is not None and "item_number" in facts:
        draft.facts["item_number"] = item[7]
    if grade is None or least is None or most is None:
        return
    if "score_pct" in facts and most != least:
        draft.facts["score_pct"] = per_cent(grade - least, most - least)
    if "passed" in facts and passing is not None and passing > 0:
        draft.facts["passed"] = grade >= passing


def _place(
    batch: Batch, of_modules: Iterable[tuple[Draft, Row]], found: Iterable[Row], name_of: dict[int, str]
) -> None:
    """The course module and section of each graded activity."""
    places = {(name_of.get(row[1]), row[2]): row for row in found}
    for draft, item in of_modules:
        row = places.get((item[2], item[3]))
        if row is not None:
            draft.lesson, draft.section = row[0], batch.section_of(row[3])
            draft.module, draft.instance = item[2], item[3]


def _number(value: object) -> int | None:
    """An id out of `other`, where it may stand as text."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    return whole_number(value) if isinstance(value, str) else None
