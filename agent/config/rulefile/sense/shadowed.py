"""Rules that others make pointless: denied in every case, capped below one award, written twice; and dead checks."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from agent.config.document import Fault
from agent.config.kinds import KindTable
from agent.config.rulefile.award import Computed
from agent.config.rulefile.merged import Merged, Placed
from agent.config.rulefile.models import Deny, Rule
from agent.config.rulefile.sense.regions import implies
from agent.config.rulefile.warn import kinds_of

_SAYS_NOTHING = frozenset({"id", "title", "description", "example", "message", "tags", "group"})
"""Keys in which two rules may differ and still pay for the same acts."""
_SAYS_WHAT = frozenset({"id", "title", "description", "example", "message", "award"})
"""Keys in which two rules may differ and still ask the same, of the same people and within the same bounds."""


def warnings(merged: Merged, kinds: KindTable) -> Iterator[Fault]:
    """Everything that can never make a difference, or always makes the same."""
    about = {rule.it.id: _about(rule.it.on, kinds) for rule in merged.rules}
    denies = [(deny, _about(deny.it.on, kinds)) for deny in merged.denies]
    for rule in merged.rules:
        yield from _denied(rule, about[rule.it.id], denies)
        yield from _capped(rule, merged)
        yield from _twice(rule)
    yield from _same(merged.rules)
    yield from _both(merged.rules)
    yield from _alike(merged.rules)
    for check in merged.checks:
        it = check.it
        concerned = [
            rule
            for rule in merged.rules
            if (it.rules is None or rule.it.id in it.rules) and it.group in {None, rule.it.group}
        ]
        seen = _about(it.events, kinds)
        if "*" not in it.events and not any(seen & about[rule.it.id] for rule in concerned):
            hint = "no rule that it stands before is about its events"
            yield check.fault(f"check {it.id} never looks at anything", hint, at=("id",))


def _about(patterns: Sequence[str], kinds: KindTable) -> frozenset[str]:
    return frozenset((*kinds_of(patterns, kinds), *(pattern for pattern in patterns if "\\" in pattern)))


def _denied(
    rule: Placed[Rule], about: frozenset[str], denies: Sequence[tuple[Placed[Deny], frozenset[str]]]
) -> Iterator[Fault]:
    mine = rule.it.conditions.facts()
    for deny, seen in denies:
        inner = deny.it.conditions
        if not about or not about <= seen or inner.any or inner.none:
            continue
        if all(fact in mine and implies(mine[fact], test) for fact, test in inner.facts().items()):
            hint = f"[[deny]] in {deny.where} refuses all of it: {deny.it.reason}"
            yield rule.fault(f"rule {rule.it.id} can never pay", hint, at=("on",))


def _capped(rule: Placed[Rule], merged: Merged) -> Iterator[Fault]:
    paid: dict[str, Any] = {}
    for part in rule.it.award:
        for name, amount in part.amounts:
            if not isinstance(amount, Computed):
                paid[name] = max(paid.get(name, 0), amount)
    for cap in merged.caps:
        if cap.it.group in {None, rule.it.group} and cap.it.source is None:
            for limit in cap.it.limit:
                if limit.over == "refuse" and limit.unit and paid.get(limit.unit, 0) > limit.maximum:
                    hint = f"[[cap]] {limit.text} in {cap.where} is less than one award"
                    yield rule.fault(f"rule {rule.it.id} can never pay", hint, at=("award",))


def _twice(rule: Placed[Rule]) -> Iterator[Fault]:
    audience = rule.it.audience
    for key in ("courses", "categories", "cohorts", "except_roles") if audience is not None else ():
        named: Sequence[str] = getattr(audience, key) or ()
        for number, name in enumerate(named):
            if name in named[:number]:
                yield rule.fault(f"{name!r} is named twice", "once is enough", at=("audience", key, number))


def _same(rules: Sequence[Placed[Rule]]) -> Iterator[Fault]:
    first: dict[str, Placed[Rule]] = {}
    for rule in rules:
        written = rule.document.value(rule.path)
        meant = repr(sorted((key, value) for key, value in written.items() if key not in _SAYS_NOTHING))
        other = first.setdefault(meant, rule)
        if other is not rule:
            hint = f"rule {other.it.id} in {other.where} says the same: every act is paid twice"
            yield rule.fault(f"rule {rule.it.id} repeats another", hint, at=("id",))


def _both(rules: Sequence[Placed[Rule]]) -> Iterator[Fault]:
    """Rules that differ in what they pay alone, of a currency that both pay."""
    first: dict[str, Placed[Rule]] = {}
    for rule in rules:
        asked = {key: value for key, value in rule.document.value(rule.path).items() if key not in _SAYS_WHAT}
        other = first.setdefault(repr(sorted(asked.items())), rule)
        if other is not rule and rule.it.award != other.it.award and _currencies(rule.it) & _currencies(other.it):
            hint = f"as rule {other.it.id} in {other.where}, which asks the same; one award says it more plainly"
            yield rule.fault(f"rule {rule.it.id} pays for the same acts again", hint, at=("id",))


def _currencies(rule: Rule) -> frozenset[str]:
    return frozenset(name for part in rule.award for name, _ in part.amounts)


def _alike(rules: Sequence[Placed[Rule]]) -> Iterator[Fault]:
    first: dict[str, Placed[Rule]] = {}
    for rule in rules:
        other = first.setdefault(_bare(rule.it.id), rule)
        if other.it.id != rule.it.id:
            hint = f"rule {other.it.id} in {other.where} is easily taken for it"
            yield rule.fault(f"the id {rule.it.id} looks like another", hint, at=("id",))


def _bare(name: str) -> str:
    """An id without what is overlooked: capitals, what is between its words, how they end (`complete`, `completed`)."""
    return "".join(_ENDING.sub("", word) for word in _MARKS.split(name.lower()))


_MARKS = re.compile("[._-]")
_ENDING = re.compile(r"(?<=[a-z]{4})(?:e|s|es|ed|d)$")
