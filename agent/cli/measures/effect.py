"""`rewards-agent measures effect`: lessons before and after a date, of the same learners."""

from __future__ import annotations

import sys
from datetime import date, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent.cli.frame import ConfigOption, JsonOption, emit_json, emit_one, tell
from agent.cli.measures.asked import LEAST_USUAL, CsvOption, LeastOption, asked, day_named, number, remark_missing, text
from agent.errors import InvalidInputError
from agent.measures.act import LESSON
from agent.measures.effect import FEWEST

if TYPE_CHECKING:
    from agent.engine.rulebook import Rulebook
    from agent.measures.effect import Effect

WEEKS_MAX = 52
NO_PROOF = (
    "This is no proof of cause: whatever else changed at that date (a term, an exam, a course's plan) is in it too. "
    "The interval says how far chance alone may carry the mean of these learners, and nothing about that."
)


def effect(
    *,
    at: Annotated[
        str, typer.Option("--at", metavar="DAY", help="The first day after: when rewards, or a rule, began.")
    ],
    weeks: Annotated[
        int, typer.Option("--weeks", min=1, max=WEEKS_MAX, help="So many weeks before it, and as many from it on.")
    ] = 4,
    least: LeastOption = LEAST_USUAL,
    csv: CsvOption = False,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Compare how many lessons learners completed in the weeks before a day and in as many from that day on.

    Compared are those who were seen before all these weeks and did something in them: each with themselves. Change is
    lessons for each learner and week; the interval is where it lies nineteen times out of twenty by chance alone (a
    normal interval of the paired differences, of 20 learners or more); size is the change in standard deviations; up
    and down are learners, and by_chance how likely so uneven a split is where nothing changes (sign test, exact).

    It is no proof of cause: whatever else changed at that day is in it.

    Example: rewards-agent measures effect --at 2026-09-07 --weeks 6
    """

    def span(rulebook: Rulebook) -> tuple[date, date]:
        day = day_named(at, rulebook)
        first, last = day - timedelta(weeks=weeks), day + timedelta(weeks=weeks, days=-1)
        if last >= day_named(None, rulebook):
            raise InvalidInputError(
                f"{weeks} weeks from {day} on are not over", hint="choose fewer --weeks, or wait until they are"
            )
        return first, last

    with asked(config, span) as found:
        from agent.measures.effect import effect as compared

        one = compared(found.read.past, weeks)
        missing = remark_missing(found.read, (LESSON,))
        told = {
            "at": (found.first + timedelta(weeks=weeks)).isoformat(),
            "since": found.first.isoformat(),
            "until": found.last.isoformat(),
            **_told(one, least),
        }
    if json:
        emit_json({**told, "remark": NO_PROOF, "not_recorded": missing})
    elif csv:
        from agent.cli.terms.sheets import write_csv

        write_csv([told], tuple(told), sys.stdout.buffer)
    else:
        emit_one({name: value for name, value in told.items() if value is not None}, json=False)
        _say(one, least)


def _told(one: Effect, least: int) -> dict[str, Any]:
    """What a comparison came to; of too few learners nothing but that they are few."""
    if one.learners < least:
        few = f"<{least}" if one.learners else 0
        return {"weeks": one.weeks, "learners": few, **dict.fromkeys(_FIGURES)}
    low, high = one.interval or (None, None)
    figures = (
        one.newcomers if one.newcomers >= least else None, one.before, one.after, number(one.change), number(low),
        number(high), number(one.size), one.up, one.same, one.down, number(one.by_chance),
    )  # fmt: skip
    return {"weeks": one.weeks, "learners": one.learners, **dict(zip(_FIGURES, figures, strict=True))}


_FIGURES = (
    "newcomers", "lessons_before", "lessons_after", "change", "interval_from", "interval_to", "size", "up", "same",
    "down", "by_chance",
)  # fmt: skip


def _say(one: Effect, least: int) -> None:
    """The same as sentences."""
    if one.learners < least:
        told = f"fewer than {least} learners" if least > 1 else "nobody"
        tell(f"\nNothing is shown: {told} of before did something in these weeks. Try other --weeks.")
        return
    if one.interval is None:
        tell(f"\nOf fewer than {FEWEST} learners no interval is told: the figure may be chance alone.")
    else:
        low, high = one.interval
        sure = "does not contain 0" if low > 0 or high < 0 else "contains 0: it may be chance alone"
        between = f"{text(low, 2)} to {text(high, 2)}"
        tell(f"\nThe change is {text(one.change, 2)} lessons a week; its interval, {between}, {sure}.")
    tell(NO_PROOF)
