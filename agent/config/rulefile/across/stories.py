"""`[[case]]`: kinds, rules, currencies and events that a story speaks of and that are not there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from agent.config.document import Fault
from agent.config.kinds import KindTable
from agent.config.rulefile.check import nearest
from agent.config.rulefile.merged import CURRENCIES, Merged, Placed, RuleFile
from agent.config.rulefile.tables.story import Case

_RULINGS = ("approve", "reject")
_BY_HAND = ("challenge.enrolled", "challenge.withdrawn")
"""What stories tell and no rule can stand on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """What a story may speak of: kinds of events, ids that decide (rules and badges among them), currencies."""

    kinds: frozenset[str]
    rules: frozenset[str]
    currencies: frozenset[str]

    @staticmethod
    def of(file: Merged | RuleFile, kinds: KindTable) -> Names:
        """The names of a file; ``kinds`` is the whole table, the file's own `[[kind]]` in it."""
        rules = [one.it.id for one in file.rules] + [one.it.id for one in file.challenges]
        badges = {one.it.id for one in file.badges} | {one.it.badge for one in file.rules if one.it.badge}
        return Names(
            kinds=frozenset((*kinds.kinds(), *_BY_HAND)),
            rules=frozenset(rules).union(
                (one.it.id for one in file.scheduled),
                (f"badge:{name}" for name in badges),
                (f"programme:{name}" for name in file.programmes),
            ),
            currencies=frozenset((*CURRENCIES, *file.currencies)),
        )


def slips(placed: Placed[Case], names: Names) -> Iterator[Fault]:
    """What a story names by mistake: `rules test` takes none of it, the agent itself runs all the same."""
    case = placed.it
    for number, said in enumerate(case.events):
        kind, rule = said.get("kind"), said.get("rule")
        if isinstance(kind, str) and kind not in names.kinds:
            hint = r"an LMS name is lms_event = '\…'" if "\\" in kind else nearest(kind, names.kinds)
            yield placed.fault(f"unknown kind {kind!r}", hint, at=("events", number, "kind"))
        if isinstance(rule, str) and not said.keys().isdisjoint(_RULINGS) and rule not in names.rules:
            yield placed.fault(f"no rule {rule!r}", nearest(rule, names.rules), at=("events", number, "rule"))
    for number, expected in enumerate(case.expect):
        if expected.rule is not None and expected.rule not in names.rules:
            hint = nearest(expected.rule, names.rules)
            yield placed.fault(f"no rule {expected.rule!r}", hint, at=("expect", number, "rule"))
        for currency in expected.amounts().keys() - names.currencies - {"badge"}:
            hint = nearest(currency, names.currencies)
            yield placed.fault(f"unknown currency {currency!r}", hint, at=("expect", number, currency))
    yield from _decided(placed, names)


def _decided(placed: Placed[Case], names: Names) -> Iterator[Fault]:
    told = len(placed.it.events)
    for key in ("refused", "held"):
        for number, one in enumerate(getattr(placed.it, key)):
            if one.rule not in names.rules:
                hint = nearest(one.rule, names.rules)
                yield placed.fault(f"no rule {one.rule!r}", hint, at=(key, number, "rule"))
            if one.event > told:
                hint = f"the story has {told} event{'' if told == 1 else 's'}"
                yield placed.fault(f"there is no event {one.event}", hint, at=(key, number, "event"))
