"""Bare numbers beside facts that are lengths of time: they count seconds, and somebody meant days."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from fractions import Fraction

from agent.config.comparison import Comparison
from agent.config.document import Fault
from agent.config.facts import FactTable
from agent.config.grammar import UNIT_SECONDS, is_number, number, shown_duration, shown_number, toml_number
from agent.config.rulefile.across.challenges import steps
from agent.config.rulefile.merged import Merged, Placed
from agent.config.rulefile.tables.condition import Conditions
from agent.config.rulefile.warn import leaves

_BARE = re.compile(r"[<>=!]*\s*-?(\d+(?:\.\d+)?)")
_DAYS_MAX = 1_000
_NAMED_SECONDS = ("_s", "_sec")
"""Facts with such names are numbers of seconds, and say so."""


def warnings(merged: Merged, facts: FactTable) -> Iterator[Fault]:
    """A warning for each condition on a length of time, and for each `[value.…]` of one, without a unit."""
    named: dict[str, str] = {}
    for placed, conditions in _asking(merged):
        for fact, test, at in leaves(conditions, ("conditions",)):
            entry = facts.get(fact)
            if entry is None or entry.unit != "s" or fact.endswith(_NAMED_SECONDS):
                continue
            for bare in _bare(test):
                yield placed.fault(f"{fact} {test.text} counts seconds", _meant(bare), at=at)
            named.update(dict.fromkeys(test.refs(), fact))
    for name, fact in sorted(named.items()):
        if name in merged.values:
            yield from _values(merged.values[name], name, fact)


def _asking(merged: Merged) -> Iterator[tuple[Placed[object], Conditions]]:
    yield from ((rule, rule.it.conditions) for rule in merged.rules)
    yield from ((deny, deny.it.conditions) for deny in merged.denies)
    yield from ((step, step.it.conditions) for challenge in merged.challenges for step in steps(challenge))
    yield from ((timed, timed.it.conditions) for timed in merged.scheduled)


def _bare(test: Comparison) -> Iterator[Fraction]:
    """The numbers without a unit; 0 is the same in all of them."""
    for each in test.members or (test,):
        ends = (_BARE.fullmatch(part) for part in each.text.split(".."))
        yield from (bare for end in ends if end is not None and (bare := Fraction(end[1])))


def _values(placed: Placed[Mapping[str, object]], name: str, fact: str) -> Iterator[Fault]:
    written = placed.document.data["value"][name]
    for key, value in written.items():
        found = number(value) if isinstance(value, str) and is_number(value) else toml_number(value)
        if found:
            told = f"@{name} is compared with {fact}: {shown_number(found)} counts seconds"
            yield placed.fault(told, _meant(abs(Fraction(found))), at=(key,))


def _meant(said: Fraction) -> str:
    """What to write: so many days; a number that makes whole hours as seconds was meant so."""
    shown = shown_duration(int(said))
    if said % UNIT_SECONDS["h"] == 0 and " " not in shown:
        return f'write "{shown}": a length of time has a unit'
    hours = said * 24
    if said > _DAYS_MAX or hours.denominator != 1:
        return "a length of time has a unit, such as 30m, 12h or 7d"
    meant = f"{said}d" if said.denominator == 1 else f"{hours}h"
    return f'write "{meant}" for days, with h for hours or m for minutes'
