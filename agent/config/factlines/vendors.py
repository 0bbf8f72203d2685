"""The facts that systems other than Moodle tell in their posts."""

from __future__ import annotations

from agent.config.factentry import GENERIC, LEARNWORLDS, THINKIFIC, FactEntry

VENDORS: tuple[FactEntry, ...] = (
    FactEntry(
        name="progress_pct",
        kinds=("course.progressed", "course.completed"),
        type="rational",
        unit="%",
        sample="50",
        suppliers=(GENERIC, THINKIFIC),
        meaning="how much of it the learner had completed by then, as the sending system counts",
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
