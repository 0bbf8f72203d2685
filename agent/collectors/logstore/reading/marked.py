"""Quizzes that are marked later: the attempt was logged before it had a score, so it is read again when it gets one.

Marking logs a grade of the quiz, given by somebody else than the learner, unless the grade stays what it was; and each
question that was marked. Newer Moodles log of the attempt that it was marked, or graded by cron. Where rules look at
the scores of quizzes, such a row makes us find the rows of the attempts it is about; they are shown a second time, with
what is known now, right before the row that brought them: where the log is cut into pages changes no order.
"""

from __future__ import annotations

from collections.abc import Sequence

from agent.collectors.logstore.dialects.database import Database, Rows
from agent.collectors.logstore.draft import COLUMNS, Draft
from agent.collectors.logstore.lookups.base import rows_of
from agent.collectors.logstore.reading.stretch import Reader
from agent.collectors.systems.moodle import (
    CONTEXT_MODULE,
    GRADED,
    QUIZ_GRADED,
    QUIZ_MARKED,
    QUIZ_QUESTION_MARKED,
    QUIZ_SUBMITTED,
)
from agent.model import Demand

ATTEMPTS_MAX = 1_000
"""Attempts that one page shows again at most: what a whole course's regrade brings in one page of the log."""

CRON = 2
"""Who submits what was left open: cron acts as the main administrator, who is this one where nobody says otherwise."""

NOBODY = -1
"""Who grades the total of a course."""
_BY_PEOPLE = frozenset({"web", "ws"})
"""Origins of rows that a person caused."""

_ATTEMPTS = (
    "SELECT id FROM {quiz_attempts} WHERE quiz IN ([quizzes]) AND userid IN ([learners]) AND state = 'finished' "
    "AND preview = 0 AND sumgrades IS NOT NULL ORDER BY id DESC LIMIT [most]"
)
_SUBMITTED = (
    "SELECT [columns] FROM {log} WHERE userid IN ([people]) AND contextlevel = [level] "
    "AND contextinstanceid IN ([modules]) AND eventname = ? AND objectid IN ([attempts]) AND id <= ? ORDER BY id"
)


_OF_AN_ATTEMPT = frozenset({QUIZ_MARKED, QUIZ_QUESTION_MARKED, QUIZ_GRADED})
"""Events about an attempt that may have a score now."""


def prompts(demand: Demand) -> frozenset[str]:
    """Events that are read besides those that rules want, since they may complete what was read before."""
    return markings(demand) | told_of(demand)


def markings(demand: Demand) -> frozenset[str]:
    """Those of them that are only read where one person marked another."""
    everywhere = GRADED in demand.names and GRADED not in demand.placed
    return frozenset({GRADED}) if _scored(demand) and not everywhere else frozenset()


def told_of(demand: Demand) -> frozenset[str]:
    """Those of them that are read whoever caused them."""
    return _OF_AN_ATTEMPT if _scored(demand) else frozenset()


def _scored(demand: Demand) -> bool:
    return QUIZ_SUBMITTED in demand.names and "score_pct" in demand.facts


async def submissions(
    reader: Reader,
    state: Database,
    drafts: Sequence[Draft],
    demand: Demand,
    *,
    upto: int,
    admins: frozenset[int],
) -> Rows:
    """The rows of attempts that somebody marked, as these drafts of grades tell; ``state`` has the look-up tables.

    Only rows up to the id ``upto``, those that were read before, which are not among ``drafts``: what comes for the
    first time comes in its own turn. ``admins`` are those as whom cron may act.
    """
    if not _scored(demand):
        return []
    marked = [draft for draft in drafts if _is_marking(draft)]
    if not marked:
        return []
    learners = sorted({draft.learner for draft in marked if draft.learner is not None})
    attempts = {draft.object_id for draft in marked if draft.event in _OF_AN_ATTEMPT and draft.object_id is not None}
    quizzes = sorted({draft.instance for draft in marked if draft.event == GRADED and draft.instance is not None})
    if quizzes:
        query = state.schema.query(_ATTEMPTS, quizzes=quizzes, learners=learners, most=[ATTEMPTS_MAX])
        (answer,) = await state.fetch_all([query])
        attempts.update(row[0] for row in rows_of(answer))
    if not attempts:
        return []
    modules = sorted({draft.lesson for draft in marked if draft.lesson is not None})
    rows = await reader.ask(
        reader.database.schema.query(
            _SUBMITTED.replace("[columns]", COLUMNS.replace("[other]", "NULL")),
            QUIZ_SUBMITTED,
            upto,
            people=sorted({*learners, CRON, *admins}),
            level=[CONTEXT_MODULE],
            modules=modules,
            attempts=sorted(attempts),
        )
    )
    here = {draft.position for draft in drafts}
    return [row for row in rows if row[0] not in here]


def woven(drafts: Sequence[Draft], shown: Sequence[Draft]) -> list[Draft]:
    """``drafts`` in order, with each attempt of ``shown`` right before the first of them that marks it."""
    waiting: dict[tuple[int | None, int | None], list[Draft]] = {}
    for attempt in shown:
        waiting.setdefault((attempt.learner, attempt.lesson), []).append(attempt)
    together: list[Draft] = []
    for draft in drafts:
        if waiting and _is_marking(draft):
            together += waiting.pop((draft.learner, draft.lesson), ())
        together.append(draft)
    return together


def _is_marking(draft: Draft) -> bool:
    """Whether an attempt has its score now: it says so, or somebody else than the learner graded the quiz.

    What cron writes of a grade, nobody did.
    """
    if draft.event in _OF_AN_ATTEMPT:
        return True
    graded = draft.event == GRADED and draft.module == "quiz"
    return graded and draft.origin in _BY_PEOPLE and draft.user not in {draft.learner, NOBODY}
