"""The rules that a question is answered by, and what they make of days and amounts: zone, day's start, decimals."""

from __future__ import annotations

import getpass
import os
import re
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from agent.cli.frame import note
from agent.errors import ConfigError, InvalidInputError
from wire.entry import AMOUNT_MAX

if TYPE_CHECKING:
    from agent.config.rulefile import RuleFile
    from agent.config.settings import Settings
    from agent.engine.calendar import Calendar
    from agent.engine.rulebook import Rulebook

_AMOUNT = re.compile(r"[+-]?[0-9]{1,20}(?:\.[0-9]{1,20})?")
"""As people write an amount; not 1e3, not 1_000, no digits of other scripts."""
_GROUPED = re.compile(r"[+-]?[1-9][0-9]{0,2}\.[0-9]{3}")
"""An amount of which half the world reads the point as one between thousands."""
_AS_MANY_DECIMALS = 3
ByOption = Annotated[
    str, typer.Option("--by", metavar="NAME", help="Who decides this; without it, who is logged in. It is recorded.")
]
SinceOption = Annotated[
    str | None,
    typer.Option("--since", metavar="DAY", help="From this day or time on: 2026-09-01, 2026-09-01T08:00:00Z."),
]
UntilOption = Annotated[
    str | None, typer.Option("--until", metavar="DAY", help="Up to the end of this day, or up to this time.")
]


def whoever(by: str) -> str:
    """The name that is recorded: ``by``, else the person who is logged in (also behind sudo)."""
    if given := by.strip() or os.environ.get("SUDO_USER", ""):
        return given
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user need not have a name
        return f"user {os.getuid()}"


def rules_in_force(settings: Settings, connection: sqlite3.Connection | None = None) -> tuple[RuleFile, Rulebook]:
    """The configured rules; where they have faults, those of ``connection``'s ledger that decided last, with a remark.

    Raises:
        ConfigError: they have faults, and the ledger keeps none that do not.
    """
    from agent.config.kinds import KindTable
    from agent.config.rulefile import load_rules, load_rules_text
    from agent.engine.rules import compile_rules
    from agent.ledger import reading

    try:
        file = load_rules(settings.rule_files())
        return file, _with_gone(compile_rules(file, KindTable()), connection)
    except ConfigError:
        versions = [version for version, _, made in reading.rules_versions(connection) if made] if connection else []
        kept = reading.rules_text(connection, versions[-1]) if connection and versions else None
        if kept is None:
            raise
        note(f"the rules have faults (see: rewards-agent rules check); this is by version {kept[0][:12]}, kept before")
        file = load_rules_text(kept[1])
        return file, _with_gone(compile_rules(file, KindTable()), connection)


def _with_gone(rulebook: Rulebook, connection: sqlite3.Connection | None) -> Rulebook:
    """The rules, beside them currencies that they have no more and that people hold: amounts are written as before."""
    from agent.config.rulefile.tables.currency import Currency
    from agent.ledger.money import told

    known = told.currencies(connection) if connection is not None else {}
    gone = {
        name: Currency(title=one.title, decimals=one.decimals, spendable=one.spendable)
        for name, one in known.items()
        if name not in rulebook.currencies
    }
    return replace(rulebook, currencies={**gone, **rulebook.currencies}) if gone else rulebook


def day_of(text: str | None, rulebook: Rulebook, now: int) -> date:
    """A day as people write it: `2026-09-07`, `today`, `yesterday`; None is today, by the rules' own calendar.

    Raises:
        InvalidInputError: it is none.
    """
    today = rulebook.calendar.day(now)
    if text in {None, "", "today"}:
        return today
    if text == "yesterday":
        return today - timedelta(days=1)
    try:
        day = date.fromisoformat(str(text))
    except ValueError:
        day = date.max
    if not date.min.year < day.year < date.max.year:
        raise InvalidInputError(f"{text!r} is not a day", hint=f"write it as {today.isoformat()}")
    return day


def span_of(since: str | None, until: str | None, rulebook: Rulebook) -> tuple[int, int]:
    """Seconds UTC from ``since`` up to ``until`` (excluded); days are those of the rules and counted whole.

    Raises:
        InvalidInputError: one of them is neither a day nor a time, or nothing lies between them.
    """
    begin = _instant(since, rulebook.calendar, end=False) if since else 0
    end = _instant(until, rulebook.calendar, end=True) if until else 2**62
    if since and until and end <= begin:
        raise InvalidInputError(f"{until} is over before {since} begins", hint="until is the later of the two")
    return begin, end


def require_instant(text: str) -> None:
    """See that a text is a day or a time, whatever the rules' calendar will make of it.

    Raises:
        InvalidInputError: it is neither.
    """
    from agent.engine.calendar import Calendar

    _instant(text, Calendar(ZoneInfo("UTC")), end=False)


def _instant(text: str, calendar: Calendar, *, end: bool) -> int:
    try:
        if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
            day = date.fromisoformat(text)
            return calendar.over(day) if end else calendar.starts(day)
        return calendar.at(datetime.fromisoformat(text))
    except (ValueError, OverflowError):
        message = f"{text!r} is neither a day nor a time"
        raise InvalidInputError(message, hint="write 2026-09-01, or 2026-09-01T08:00:00Z") from None


def local(at: int, rulebook: Rulebook) -> str:
    """A time by the rules' clock, to the second: `2026-09-07 09:15:00`."""
    return rulebook.calendar.wall(at).strftime("%Y-%m-%d %H:%M:%S")


def zone_of(file: RuleFile) -> str:
    """The rules' time zone by its name."""
    return file.timezone.key


def amount_text(currency: str, amount: int, rulebook: Rulebook) -> str:
    """An amount as people write it: `10`, `-2.50`."""
    terms = rulebook.currencies.get(currency)
    decimals = terms.decimals if terms is not None else 0
    return f"{Decimal(amount).scaleb(-decimals):.{decimals}f}"


def amounts_text(amounts: Mapping[str, int], rulebook: Rulebook) -> str:
    """Amounts by account, in words: `10 points, the badge quiz-ace`; `nothing` where there are none."""
    from agent.engine import words

    return words.amounts(amounts.items(), rulebook.currencies)


def amount_said(settings: Settings, connection: sqlite3.Connection) -> Callable[[str, int], str]:
    """How so many smallest units of a currency are said by the rules in force: `10 points`, `2.50 credit`.

    Raises:
        ConfigError: the rules have faults, and the ledger keeps none that do not.
    """
    from agent.engine import words

    _, rulebook = rules_in_force(settings, connection)
    return lambda currency, units: words.amount(currency, units, rulebook.currencies)


def called(currency: str, units: int, rulebook: Rulebook) -> str:
    """What so many smallest units of a currency are called."""
    from agent.engine import words

    return words.name(currency, units, rulebook.currencies)


def smallest_units(text: str, currency: str, rulebook: Rulebook) -> int:
    """An amount as people write it, in the currency's smallest unit.

    Raises:
        InvalidInputError: it is no number, nothing, too much or finer than the currency; or there is no such currency.
    """
    known = rulebook.decimals
    if currency not in known:
        raise InvalidInputError(
            f"there is no currency {currency!r}", hint=f"the rules know: {', '.join(sorted(known))}"
        )
    if not _AMOUNT.fullmatch(text):
        from agent.config.document import meant

        plain = meant.number(text)
        hint = f"write {plain}" if plain else "write a number such as 10 or -2.50"
        raise InvalidInputError(f"{text!r} is not an amount", hint=hint)
    if known[currency] < _AS_MANY_DECIMALS and _GROUPED.fullmatch(text):
        hint = f"write {text.replace('.', '')}, or {text.partition('.')[0]} with fewer decimals"
        raise InvalidInputError(f"{text!r} may be meant with a point between its thousands", hint=hint)
    units, finest = Fraction(text) * 10 ** known[currency], Decimal(1).scaleb(-known[currency])
    if units.denominator != 1:
        raise InvalidInputError(f"{text} {currency} is finer than the currency", hint=f"its smallest unit is {finest}")
    if not 0 < abs(units) <= AMOUNT_MAX:
        hint = f"from {finest} to {amount_text(currency, AMOUNT_MAX, rulebook)}, or below zero to take"
        raise InvalidInputError(f"{text} {currency} is no amount that an entry can have", hint=hint)
    return int(units)
