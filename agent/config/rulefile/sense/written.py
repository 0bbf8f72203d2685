"""Numbers and prices that read otherwise than they were meant, and budgets that hold every award."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from agent.config.document import Document, Fault, KeyPath
from agent.config.rulefile.award import Computed
from agent.config.rulefile.merged import Merged
from agent.config.rulefile.tables.currency import PRICE

_GROUPED = re.compile(r"(?<![\d.])([1-9]\d{0,2})\.(\d{3})(?![\d.])")
_AMOUNTS = frozenset({"award", "limit", "budget", "places", "floor", "adjust_max", "from", "at_least"})
"""Keys under which amounts stand."""
_FACTORS = frozenset({"times", "per"})
_AS_MANY_DECIMALS = 3


def warnings(merged: Merged) -> Iterator[Fault]:
    """Points between thousands, prices that no report can read, and budgets below one award."""
    if all(one.it.decimals < _AS_MANY_DECIMALS for one in merged.currencies.values()):
        for part in merged.parts:
            yield from _grouped(part.document, part.document.data, ())
    for name, currency in merged.currencies.items():
        worth = currency.it.worth.strip()
        if worth and not PRICE.fullmatch(worth):
            told = f"{worth!r} is no price: simulate and reports leave out what {name} cost"
            yield currency.fault(told, 'write worth = "0.01 GBP"', at=("worth",))
    yield from _always_held(merged)


def _grouped(document: Document, value: Any, path: KeyPath) -> Iterator[Fault]:
    """Each amount in which a point stands before three digits, as between thousands."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if key not in _FACTORS:
                yield from _grouped(document, inner, (*path, key))
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for number, inner in enumerate(value):
            yield from _grouped(document, inner, (*path, number))
    elif isinstance(value, str | Decimal) and not _AMOUNTS.isdisjoint(path):
        for found in _GROUPED.finditer(str(value)):
            read = found[0].rstrip("0").rstrip(".")
            yield document.fault(path, f"{found[0]} is read as {read}", f"write {found[1]}{found[2]}, or {read}")


def _always_held(merged: Merged) -> Iterator[Fault]:
    """Rules of which one award is more than the whole budget of its currency."""
    for rule in merged.rules:
        paid = [(name, amount) for part in rule.it.award for name, amount in part.amounts]
        for name, amount in paid:
            limits = merged.budgets[name].it if name in merged.budgets else ()
            for limit in limits:
                if not isinstance(amount, Computed) and amount > limit.maximum:
                    told = f"[budget] {limit.text} in {merged.budgets[name].where} is less than one award"
                    yield rule.fault(f"rule {rule.it.id} always waits for review", told, at=("award",))
