"""What rules would count otherwise of what a ledger has: in other units of a currency, or on other days of a period."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from typing import NamedTuple

from agent.errors import ConfigError
from agent.ledger.money import told
from agent.ledger.rules import periods

_GIVEN = "SELECT EXISTS (SELECT 1 FROM balance WHERE currency = ?)"
_COUNTED = "SELECT EXISTS (SELECT 1 FROM quota_use WHERE instr('|' || bucket || '|', '|' || ? || '|') > 0)"
"""A period alone is what limits count in; a scope can have it beside other parts."""


class Clash(NamedTuple):
    """What would be counted otherwise; ``path`` leads to it in the rules."""

    path: tuple[str, ...]
    message: str
    hint: str


class ClashError(ConfigError):
    """Rules that a ledger cannot go on with, with every reason."""

    def __init__(self, found: Iterable[Clash]) -> None:
        self.clashes = tuple(found)
        super().__init__(
            "\n".join(one.message for one in self.clashes), hint="\n  ".join(one.hint for one in self.clashes)
        )


def clashes(
    connection: sqlite3.Connection, decimals: Mapping[str, int], spans: Mapping[str, tuple[date, date]]
) -> tuple[Clash, ...]:
    """What keeps this ledger from rules with these currencies and these periods, of which limits and scopes count."""
    return (*_of_units(connection, decimals), *_of_periods(connection, spans))


def _of_units(connection: sqlite3.Connection, decimals: Mapping[str, int]) -> Iterator[Clash]:
    for name, before in sorted(told.currencies(connection).items()):
        was, now = before.decimals, decimals.get(name, before.decimals)
        if now != was and connection.execute(_GIVEN, (name,)).fetchone()[0]:
            yield Clash(
                ("currency", name, "decimals"),
                f"[currency.{name}] decimals was {was} when its entries were made, and is {now}: all that was given"
                f" would be {'more' if now < was else 'less'}",
                f"write decimals = {was} again, or declare a currency of another name",
            )


def _of_periods(connection: sqlite3.Connection, spans: Mapping[str, tuple[date, date]]) -> Iterator[Clash]:
    known = periods.kept(connection)
    for name, (first, last) in spans.items():
        before, after = known.get(name, (first, last))
        if (last < before or after < first) and connection.execute(_COUNTED, (name,)).fetchone()[0]:
            yield Clash(
                ("period", name),
                f"[period.{name}] was {before} to {after} and is {first} to {last}: what was counted in the one would"
                " count in the other, and who has reached a limit would get nothing",
                f"give the new one a name of its own, such as {name}-{first.year}, wherever the rules say {name}",
            )
