"""The options that measures share, and what they come to: a span of whole days, terms, and how figures are shown."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent.cli.access import ledger_of
from agent.cli.frame import note, settings_of
from agent.cli.measures.reading import Read, Reader, Terms
from agent.cli.terms.inforce import day_of, rules_in_force
from agent.errors import InvalidInputError
from agent.measures.groups import LEAST

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

    from agent.config.grammar import Number
    from agent.config.rulefile import RuleFile
    from agent.engine.rulebook import Rulebook

DAYS_MAX = 3_660
YEAR_MIN = 1970
"""Acts are counted in seconds since then; the days before it stay days that a calendar knows."""
WINDOW = "window"
DaysOption = Annotated[int, typer.Option("--days", min=1, max=DAYS_MAX, help="So many days: 28, or 91 for a quarter.")]
UntilDayOption = Annotated[
    str | None, typer.Option("--until", metavar="DAY", help="The last day; else today, as far as it is.")
]
LeastOption = Annotated[
    int, typer.Option("--least", metavar="N", min=1, help="Figures of fewer learners are not shown.")
]
CsvOption = Annotated[bool, typer.Option("--csv", help="CSV on standard output, for Power BI and others.")]
WindowOption = Annotated[
    str,
    typer.Option(
        "--window", metavar="TIME", help="In time is so long after enrolment: 14d, or the name of a [value.…] table."
    ),
]
PraiseOption = Annotated[
    str, typer.Option("--praise", metavar="WORD", help="The tag or rating that makes a post constructive.")
]
LEAST_USUAL = LEAST
PRAISE_USUAL = "constructive"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A ledger that was read for a span of days, both included."""

    connection: sqlite3.Connection
    rulebook: Rulebook
    first: date
    last: date
    read: Read

    @property
    def seconds(self) -> tuple[int, int]:
        """The span in seconds UTC, its end excluded."""
        return self.rulebook.calendar.starts(self.first), self.rulebook.calendar.over(self.last)

    def week_of(self, day: int) -> int:
        """The first day of a day's week, both as `date.toordinal`."""
        return self.rulebook.calendar.first("week", date.fromordinal(day)).toordinal()


Days = Callable[["Rulebook"], tuple[date, date]]


def last_days(days: int, until: str | None) -> Days:
    """The last ``days`` days up to ``until``."""

    def span(rulebook: Rulebook) -> tuple[date, date]:
        last = day_named(until, rulebook)
        return last - timedelta(days=days - 1), last

    return span


def day_named(text: str | None, rulebook: Rulebook) -> date:
    """A day that acts can be of; None is today.

    Raises:
        InvalidInputError: it is none.
    """
    day = day_of(text, rulebook, int(time.time()))
    if day.year < YEAR_MIN:
        raise InvalidInputError(f"nothing was recorded on {day}", hint="write a day such as 2026-09-30")
    return day


@contextmanager
def asked(config: Path | None, days: Days, *, window: str = "", praise: str = PRAISE_USUAL) -> Iterator[Asked]:
    """Read the ledger once for a span that the rules' calendar gives.

    Raises:
        InvalidInputError: a day or a window is none.
        RewardsError: what `access.ledger_of` raises.
    """
    from agent.cli.measures.whose import Whose
    from agent.cli.terms.who import sites_of
    from agent.cli.tuning.bar import bar

    settings = settings_of(config)
    with ledger_of(config) as connection:
        file, rulebook = rules_in_force(settings, connection)
        first, last = days(rulebook)
        terms = Terms(window=_window(window, file), praise=praise.casefold())
        reader = Reader(rulebook, Whose(connection, rulebook), terms, several_sites=len(sites_of(settings)) > 1)
        with bar("reading") as advance:
            read = reader.read(connection, (first, last), advance)
        yield Asked(connection=connection, rulebook=rulebook, first=first, last=last, read=read)


def _window(text: str, file: RuleFile) -> Mapping[str, Number]:
    """Seconds by course short name and `default`; without a word those of `[value.window]`, where the rules have it."""
    from agent.config.grammar import duration, is_duration

    if not text:
        return file.numbers.get(WINDOW, {})
    if text in file.numbers:
        return file.numbers[text]
    if not is_duration(text):
        named = ", ".join(sorted(file.numbers)) or "none"
        raise InvalidInputError(f"{text!r} is no window", hint=f"write 14d, or one of the rules' values: {named}")
    return {"default": duration(text)}


def remark_missing(read: Read, kinds: Collection[str]) -> list[str]:
    """Those of ``kinds`` that nothing told, with a remark: people must not take it for a nought."""
    missing = [kind for kind in kinds if kind not in read.past.kinds]
    if missing:
        note(f"never recorded: {', '.join(missing)}. What no rule looks at is not (docs/analytics/reports.md, 6)")
    return missing


def day_text(day: int) -> str:
    """`2026-09-07` of a `date.toordinal`."""
    return date.fromordinal(day).isoformat()


def number(value: Fraction | int | None, places: int = 4) -> float | None:
    """A figure as files have it, to so many places; the counts beside it are exact."""
    return None if value is None else float(round(Fraction(value), places))


def text(value: Fraction | None, places: int = 1) -> str:
    """A figure as a table shows it."""
    return "" if value is None else f"{float(round(value, places)):.{places}f}"


def hidden(row: Mapping[str, Any], count: str, least: int, figures: tuple[str, ...]) -> dict[str, Any]:
    """A row whose ``figures`` are left out, and ``count`` said only to be small, where it is of too few learners."""
    if row[count] == 0 or row[count] >= least:
        return dict(row)
    return {**row, **dict.fromkeys(figures), count: f"<{least}"}
