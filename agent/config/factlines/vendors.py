"""The facts that systems other than Moodle tell in their posts."""

from __future__ import annotations

from agent.config.factentry import CANVAS, GENERIC, LEARNWORLDS, THINKIFIC, XAPI, FactEntry

RESULTS = (
    "lesson.passed",
    "lesson.failed",
    "lesson.scored",
    "course.passed",
    "course.failed",
    "course.scored",
)
"""Kinds of xAPI statements that tell a result."""

_TIMED = ("lesson.*", "course.*", "quiz.submitted")

VENDORS: tuple[FactEntry, ...] = (
    FactEntry(
        name="progress_pct",
        kinds=("course.progressed", "course.completed", "lesson.progressed"),
        type="rational",
        unit="%",
        sample="50",
        suppliers=(CANVAS, GENERIC, THINKIFIC, XAPI),
        meaning="how much of it the learner had completed by then, as the sending system counts",
    ),
    FactEntry(
        name="time_on_task_sec",
        kinds=_TIMED,
        type="rational",
        unit="s",
        sample="1800",
        suppliers=(GENERIC, XAPI),
        meaning="how long the learner was at it, as the sending system counts",
    ),
    FactEntry(
        name="success",
        kinds=("quiz.submitted", "lesson.completed", "course.completed", *RESULTS),
        type="bool",
        unit="",
        sample="true",
        suppliers=(XAPI,),
        meaning="the statement's result says that the learner mastered it",
    ),
    FactEntry(
        name="product",
        kinds=("order.*",),
        type="text",
        unit="",
        sample="12",
        suppliers=(GENERIC, LEARNWORLDS, THINKIFIC),
        meaning="the number of what was bought",
    ),
    FactEntry(
        name="amount",
        kinds=("order.*",),
        type="rational",
        unit="of money",
        sample="49.5",
        suppliers=(GENERIC, LEARNWORLDS, THINKIFIC),
        meaning="what was paid, in the school's currency",
    ),
)
