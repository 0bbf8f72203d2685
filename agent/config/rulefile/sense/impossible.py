"""Conditions that contradict each other: rules and denials that no event can ever meet, and branches that are dead."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from agent.config.comparison import Comparison
from agent.config.document import Fault, KeyPath
from agent.config.facts import FactTable
from agent.config.grammar import shown_number
from agent.config.rulefile.merged import Merged, Placed
from agent.config.rulefile.models import Deny, Rule
from agent.config.rulefile.sense.regions import excludes, implies
from agent.config.rulefile.tables.condition import Conditions

_Known = Mapping[str, tuple[Comparison, ...]]
"""What must hold of each fact where one looks."""


def warnings(merged: Merged, facts: FactTable) -> Iterator[Fault]:
    """A warning for each condition that can never be met beside the others."""
    several = frozenset(entry.name for entry in facts.entries if entry.type == "texts")
    for rule in merged.rules:
        known: dict[str, tuple[Comparison, ...]] = {}
        if rule.it.crosses is not None:
            fact, threshold = rule.it.crosses
            crossed = Comparison(text=f">={shown_number(threshold)} (crosses)", op=">=", operand=threshold)
            known[fact] = (crossed,)
        yield from _dead(rule, rule.it.conditions, known, several, ("conditions",))
    for deny in merged.denies:
        yield from _dead(deny, deny.it.conditions, {}, several, ("conditions",))


def _dead(
    placed: Placed[Rule] | Placed[Deny], conditions: Conditions, known: _Known, several: frozenset[str], at: KeyPath
) -> Iterator[Fault]:
    """``several`` are facts with more than one value at once: those contradict nothing."""
    for fact, test in conditions.facts().items():
        against = next((other for other in known.get(fact, ()) if excludes(test, other)), None)
        if against is not None and fact not in several:
            hint = f"{fact} {against.text} must hold too: no event meets both"
            yield placed.fault(f"{fact} {test.text} can never be met here", hint, at=(*at, fact))
    here = dict(known)
    for fact, test in conditions.facts().items():
        here[fact] = (*here.get(fact, ()), test)
    for number, inner in enumerate(conditions.any):
        yield from _dead(placed, inner, here, several, (*at, "any", number))
    for number, inner in enumerate(conditions.none):
        if inner.any or inner.none or not inner.facts():
            continue
        if all(
            any(implies(mine, test) for mine in here.get(fact, ())) and fact not in several
            for fact, test in inner.facts().items()
        ):
            hint = "whatever meets the conditions meets this too"
            yield placed.fault("this `none` is never met", hint, at=(*at, "none", number))
