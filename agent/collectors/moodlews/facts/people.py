"""The people of an act: who is staff in its course, and the roles that audiences look at.

Web services tell the roles of whoever is enrolled, at the course. Who is not enrolled there may be a manager of its
category or of the site, so that their roles are unknown; acts without a course are nobody's as staff.
"""

from __future__ import annotations

from agent.collectors.moodlews.facts.batch import Batch, Look, number_of
from agent.collectors.systems.moodle import RATED, TAGGED, UNENROLLED, mark_of_id


async def people(batch: Batch) -> None:
    """Mark each person who never earns or is staff; add `roles:<id>` and `cohorts:<id>` where they are wanted."""
    for look in batch.looks:
        for person in dict.fromkeys(look.people.values()):
            number = number_of(person)
            mark = None if number is None else mark_of_id(number, batch.answers.service.options.site_admins)
            if mark is not None:
                look.person_marks.setdefault(person, mark)
    await _cohorts(batch)
    for look in batch.looks:
        if look.course is None:
            continue
        if look.seen.lms_event in {TAGGED, RATED} and batch.wants("by_staff"):
            await _by_staff(batch, look, look.course)
        if not batch.wants("staff", "roles"):
            continue
        for person in dict.fromkeys(look.people.values()):
            await _person(batch, look, look.course, person)


async def _cohorts(batch: Batch) -> None:
    """Add `cohorts:<id>` of everybody; where they are not told nothing is known of anybody's.

    Who is in a cohort of those that agreed has agreed.
    """
    agree = frozenset(batch.answers.service.options.agreed_cohorts)
    found = await batch.answers.cohorts() if agree or batch.wants("cohorts") else None
    if found is None:
        return
    for look in batch.looks:
        for person in dict.fromkeys(look.people.values()):
            number = number_of(person)
            if number is not None and agree:
                # They do not tell since when: it counts from when it is seen.
                look.agreed[person] = None if agree.isdisjoint(found.get(number, ())) else 0
            if number is not None and batch.wants("cohorts"):
                look.facts[f"cohorts:{person}"] = found.get(number, ())


async def _by_staff(batch: Batch, look: Look, course: int) -> None:
    """Whether whoever gave a tag or a rating is staff; unknown of those who are not enrolled."""
    actor = number_of(look.people.get("actor"))
    roles = await batch.answers.roles(course, actor) if actor is not None else None
    if roles is not None:
        look.facts["by_staff"] = not batch.answers.service.options.staff_roles.isdisjoint(roles)


async def _person(batch: Batch, look: Look, course: int, person: str) -> None:
    number = number_of(person)
    if number is None or person in look.person_marks:
        return
    roles = await batch.answers.roles(course, number)
    if roles is None:
        batch.owe(look)  # enrolled by the very act, perhaps
    elif batch.wants("roles"):
        look.facts[f"roles:{person}"] = roles
    if batch.wants("staff"):
        if roles is None and look.seen.lms_event != UNENROLLED:
            look.person_marks[person] = "roles_unknown"
        elif roles is not None and not batch.answers.service.options.staff_roles.isdisjoint(roles):
            look.person_marks[person] = "staff"
