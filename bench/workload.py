"""A stream of observations of which every one is paid: classes at work, lesson after lesson; and its rules."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from agent.config.kinds import KindTable
from agent.config.rulefile import load_rules_text
from agent.engine.rulebook import Rulebook
from agent.engine.rules import compile_rules
from agent.model import Evidence, Observation, Page, SourceState

SOURCE = "moodle"
PAGE_ROWS = 1_000
LEARNERS = 20_000
CLASS, LESSONS_AT_A_TIME = 200, 3
_FIRST_AT, _EVENT_EVERY_S = 1_700_000_000, 5

RULES = """\
schema = 1
timezone = "Africa/Johannesburg"

[[rule]]
id = "lesson-completed"
on = "lesson.completed"
award = 10
once_per = "lesson"
limit = "60/day"
"""


def rulebook(text: str) -> Rulebook:
    """The rules ready to judge."""
    return compile_rules(load_rules_text(text), KindTable())


def observations(first: int, n: int) -> Iterator[Observation]:
    """Observations number ``first`` to ``first + n``: who does what depends on the number alone.

    Two hundred learners at a time, drawn from all, do three lessons each; so a page touches some two hundred people.
    """
    block_rows = CLASS * LESSONS_AT_A_TIME
    present: list[int] = []
    for number in range(first, first + n):
        block, within = divmod(number, block_rows)
        if not present or within == 0:
            present = Random(block).sample(range(LEARNERS), CLASS)
        user = str(present[within % CLASS] + 10)
        lesson = str(block * LESSONS_AT_A_TIME + within // CLASS)
        at = _FIRST_AT + number * _EVENT_EVERY_S
        yield Observation(
            source=SOURCE,
            site=SOURCE,
            position=number + 1,
            lms_event=r"\core\event\course_module_completion_updated",
            kind="lesson.completed",
            people={"subject": user, "actor": user},
            natural_key=(r"\core\event\course_module_completion_updated", user, user, "70", lesson, str(at), "1"),
            occurred_at=at,
            evidence=Evidence.database_row,
            object_table="course_modules_completion",
            object_id=lesson,
            course=str(block % 200),
            lesson=lesson,
            facts={"completion_state": 1},
        )


def pages(first: int, n: int, rules_version: str) -> Iterator[Page]:
    """``n`` observations from number ``first`` on, in pages of 1,000."""
    for start in range(first, first + n, PAGE_ROWS):
        seen = tuple(observations(start, min(PAGE_ROWS, first + n - start)))
        state = SourceState(position=seen[-1].position, high_water=seen[-1].occurred_at, start_at=0)
        yield Page(source=SOURCE, observations=seen, state=state, rules_version=rules_version, caught_up=False)
