"""`rewards-agent measures cohorts`: what groups of learners were issued and what they spent."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent.cli.frame import ConfigOption, JsonOption, emit, emit_json, note
from agent.cli.measures.asked import (
    LEAST_USUAL,
    CsvOption,
    DaysOption,
    LeastOption,
    UntilDayOption,
    asked,
    last_days,
    number,
)
from agent.cli.measures.reading import COHORTS
from agent.cli.terms.inforce import amount_text

if TYPE_CHECKING:
    from agent.cli.measures.asked import Asked
    from agent.cli.measures.reading import Read
    from agent.ledger.tally.shares import Share

SHOWN = {
    "cohort": "cohort", "learners": "learners", "currency": "currency", "issued": "issued", "back": "taken_back",
    "spent": "spent", "expired": "expired", "spent_%": "spent_pct",
}  # fmt: skip
"""What the table shows, so that it fits a screen: heading → figure."""
COLUMNS = (
    "cohort", "learners", "currency", "issued", "taken_back", "spent", "redemptions", "refunded", "expired",
    "spent_pct",
)  # fmt: skip
AMOUNTS = ("issued", "taken_back", "spent", "refunded", "expired")
COHORT, ENROLLED = "cohort", "enrolled"
UNKNOWN = "(not known)"


def cohorts(
    *,
    by: Annotated[
        str,
        typer.Option("--by", metavar="WHAT", help="cohort, enrolled (the month), or a fact of [person]: department."),
    ] = COHORT,
    days: DaysOption = 28,
    until: UntilDayOption = None,
    least: LeastOption = LEAST_USUAL,
    csv: CsvOption = False,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Show what was issued to each cohort and what it spent, in the days of the span.

    Cohorts are Moodle's, as they were told with a learner's newest act; they are known where a rule looks at them.
    Whose cohort is not known stands under the month of their first enrolment, else of their first act. Who is in two
    cohorts counts in both. Groups of few learners are shown together. Amounts in --json and --csv are whole smallest
    units; what was spent and expired is as the catalogue told it.

    Example: rewards-agent measures cohorts --days 91 --until 2026-09-30 --by enrolled
    """
    with asked(config, last_days(days, until)) as found:
        found.read.require({by} - {COHORT, ENROLLED})
        rows = list(_rows(found, by, least))
        rulebook, span = found.rulebook, f"{found.first} to {found.last}"
    if json:
        emit_json(rows)
    elif csv:
        from agent.cli.terms.sheets import write_csv

        write_csv(rows, COLUMNS, sys.stdout.buffer)
    else:
        note(f"{span}; groups of fewer than {least} learners are shown together, or not at all")
        said = [
            {**row, **{name: amount_text(row["currency"], row[name], rulebook) for name in AMOUNTS}} for row in rows
        ]
        shown = [{head: row[name] for head, name in SHOWN.items()} for row in said]
        emit(shown, tuple(SHOWN), json=False, empty=f"no group of {least} learners or more")


def _rows(found: Asked, by: str, least: int) -> Iterator[dict[str, Any]]:
    from dataclasses import asdict

    from agent.ledger.merging import aliases
    from agent.ledger.tally import shares
    from agent.measures.figures import share
    from agent.measures.groups import shown

    merged = aliases.of_ledger(found.connection)
    moved = {
        currency: _of_whom(by_account, merged.learner)
        for currency, by_account in shares.of(found.connection, *found.seconds).items()
    }
    everybody = {*found.read.past.learners, *(learner for by_learner in moved.values() for learner in by_learner)}
    for name, learners in shown(_groups(found.read, everybody, by), least).items():
        for currency in sorted(moved):
            one = shares.together(moved[currency], learners)
            yield {
                "cohort": name,
                "learners": len(learners),
                "currency": currency,
                **asdict(one),
                "spent_pct": number(share(one.spent - one.refunded, one.issued - one.taken_back), 1),
            }


def _of_whom(by_account: Mapping[str, Share], learner_of: Any) -> dict[str, Share]:
    """The shares of accounts, those of one person together."""
    from agent.ledger.tally.shares import Share

    found: defaultdict[str, Share] = defaultdict(Share)
    for account, one in by_account.items():
        found[learner_of(account)] += one
    return found


def _groups(read: Read, everybody: set[str], by: str) -> dict[str, frozenset[str]]:
    """Who is in which group."""
    from agent.measures.groups import joined

    members: defaultdict[str, set[str]] = defaultdict(set)
    for learner in everybody:
        for name in _named(read, learner, by):
            members[name].add(learner)
    return joined(members)


def _named(read: Read, learner: str, by: str) -> tuple[str, ...]:
    if by not in {COHORT, ENROLLED}:
        return read.told.of(learner, by) or (UNKNOWN,)
    told = read.told.of(learner, COHORTS) if by == COHORT else ()
    mine = read.past.learners.get(learner)
    return told or (f"{ENROLLED} {date.fromordinal(mine.started):%Y-%m}" if mine else UNKNOWN,)
