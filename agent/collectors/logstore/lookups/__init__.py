"""What the rows do not carry, read in bulk for a page: each look-up is a generator of queries that takes answers.

All look-ups go forward together, so that a page costs as many round trips as the longest chain, not one per question.
They see the current state, inside the page's transaction. A table that cannot be read costs the facts it feeds.
"""

from __future__ import annotations

from collections.abc import Sequence

from agent.collectors.logstore.dialects.database import Database, Unreadable
from agent.collectors.logstore.draft import Draft, Kinds
from agent.collectors.logstore.lookups.activities import activities, forums_going
from agent.collectors.logstore.lookups.agreement import agreement
from agent.collectors.logstore.lookups.base import Batch, LookUp
from agent.collectors.logstore.lookups.courses import courses, enrolments
from agent.collectors.logstore.lookups.dates.due import due_dates
from agent.collectors.logstore.lookups.forums import forums, ratings
from agent.collectors.logstore.lookups.grades import grades
from agent.collectors.logstore.lookups.people import identities, people
from agent.collectors.logstore.lookups.profiles import profiles
from agent.collectors.logstore.lookups.progress import progress
from agent.collectors.logstore.lookups.quizzes import quizzes
from agent.collectors.logstore.lookups.whose import whose
from agent.collectors.logstore.lookups.writing import writing
from agent.collectors.logstore.names import BY_NUMBER, Several
from agent.collectors.logstore.options import LogstoreOptions
from agent.model import Demand

__all__ = ["look_up"]


async def look_up(
    database: Database,
    drafts: Sequence[Draft],
    demand: Demand,
    kinds: Kinds,
    options: LogstoreOptions,
    *,
    now: int,
    several: Several = frozenset(),
) -> dict[str, Unreadable]:
    """Fill in the drafts; which tables could not be read. What means ``several`` things is nobody's and nowhere's.

    ``now`` is when is looked, in seconds UTC: what learners may see hangs on it.

    Raises:
        TransientError: connection lost, time-out.
    """
    if not drafts:
        return {}
    batch = Batch(drafts, demand, database.schema, kinds, options, now)
    lost = await _together(database, [whose(batch)])
    # In this order: what one learns from its first answers (section, module), later ones use for their second question.
    looks = [
        look(batch)
        for look in (
            activities,
            forums_going,
            quizzes,
            grades,
            forums,
            ratings,
            writing,
            courses,
            enrolments,
            profiles,
            people,
            identities,
            agreement,
            due_dates,
            progress,
        )
    ]
    lost |= await _together(database, looks)
    for draft in drafts if several else ():
        _without(several, draft)
    return lost


def _without(several: Several, draft: Draft) -> None:
    """Take out of a draft the names that cannot be told apart."""
    facts = draft.facts
    for name, value in [*facts.items()]:
        by = "categories" if name == "course_categories" else name.partition(":")[0]
        if by in {"categories", "cohorts"} and isinstance(value, tuple):
            facts[name] = tuple(one for one in value if (by, one) not in several)
    for name, before in (("course_shortname", ""), ("course_idnumber", BY_NUMBER)):
        if ("courses", f"{before}{facts.get(name)}") in several:
            del facts[name]


async def _together(database: Database, looks: Sequence[LookUp]) -> dict[str, Unreadable]:
    lost: dict[str, Unreadable] = {}
    waiting = []
    for look in looks:
        first = next(look, None)
        if first is not None:
            waiting.append((look, first))
    while waiting:
        answers = await database.fetch_all([query for _, queries in waiting for query in queries])
        lost.update({answer.table: answer for answer in answers if isinstance(answer, Unreadable)})
        going_on, at = [], 0
        for look, queries in waiting:
            mine = answers[at : at + len(queries)]
            at += len(queries)
            try:
                going_on.append((look, look.send(mine)))
            except StopIteration:
                continue
        waiting = going_on
    return lost
