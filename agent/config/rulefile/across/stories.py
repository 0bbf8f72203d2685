"""`[[case]]`: kinds, rules, currencies and events that a story speaks of and that are not there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from agent.config.document import Fault
from agent.config.facts import FactTable
from agent.config.kinds import BRING_FACTS_OF_THEIR_OWN, KindTable
from agent.config.rulefile.award import Computed
from agent.config.rulefile.check import nearest
from agent.config.rulefile.merged import CURRENCIES, Merged, Placed, RuleFile
from agent.config.rulefile.tables.story import Case
from agent.model import ROLES

WORDS = frozenset({"kind", "text", "lms_event", "at", "trust", "learner", "source", "staff", "object_id"}).union(
    ("lesson", "section", "course", "post"), ROLES
)
"""What an event of a story says besides its facts."""

_RULINGS = ("approve", "reject")
_NOT_ACTS = frozenset({*_RULINGS, "run", "assign"})
_BY_HAND = ("challenge.enrolled", "challenge.withdrawn")
"""What stories tell and no rule can stand on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """What a story may speak of: kinds of events, ids that decide (rules and badges among them), currencies.

    ``scheduled`` are those of ``rules`` that are carried out at a time, ``facts`` those that the file looks at.
    """

    kinds: frozenset[str]
    rules: frozenset[str]
    scheduled: frozenset[str]
    facts: frozenset[str]
    currencies: frozenset[str]

    @staticmethod
    def of(file: Merged | RuleFile, kinds: KindTable) -> Names:
        """The names of a file; ``kinds`` is the whole table, the file's own `[[kind]]` in it."""
        rules = [one.it.id for one in file.rules] + [one.it.id for one in file.challenges]
        badges = {one.it.id for one in file.badges} | {one.it.badge for one in file.rules if one.it.badge}
        badges.update(one.it.badge for one in file.challenges if one.it.badge)
        badges.update(badge for one in file.scheduled for badge in one.it.badges)
        return Names(
            kinds=frozenset((*kinds.kinds(), *_BY_HAND)),
            rules=frozenset(rules).union(
                (one.it.id for one in file.scheduled),
                (f"badge:{name}" for name in badges),
                (f"programme:{name}" for name in file.programmes),
            ),
            facts=frozenset(_looked_at(file)),
            scheduled=frozenset(one.it.id for one in file.scheduled),
            currencies=frozenset((*CURRENCIES, *file.currencies)),
        )


def _looked_at(file: Merged | RuleFile) -> Iterator[str]:
    """What is asked of acts: a fact that no source supplies is warned of there, and not where a story tells it."""
    steps = (step for placed in file.challenges for step in placed.it.step)
    rules, denies = (one.it.conditions for one in file.rules), (one.it.conditions for one in file.denies)
    timed = (one.it.conditions for one in file.scheduled)
    for conditions in (*rules, *denies, *timed, *(step.conditions for step in steps)):
        yield from conditions.names()
    for reward in file.scheduled:
        among = reward.it.among
        yield from (among.by.fact,) if among is not None and among.by.fact else ()
    for rule in file.rules:
        yield from (rule.it.crosses[0],) if rule.it.crosses is not None else ()
        computed = (amount for part in rule.it.award for _, amount in part.amounts if isinstance(amount, Computed))
        yield from (fact for amount in computed for fact, _ in amount.terms)


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
        yield from _untold(placed, number, said, names)
        run = said.get("run")
        if isinstance(run, str) and run not in names.scheduled:
            hint = nearest(run, names.scheduled)
            yield placed.fault(f"nothing scheduled is called {run!r}", hint, at=("events", number, "run"))
        badge = said.get("assign")
        if isinstance(badge, str) and f"badge:{badge}" not in names.rules:
            badges = [name.removeprefix("badge:") for name in names.rules if name.startswith("badge:")]
            yield placed.fault(f"no badge {badge!r}", nearest(badge, badges), at=("events", number, "assign"))
    for number, expected in enumerate(case.expect):
        if expected.rule is not None and expected.rule not in names.rules:
            hint = nearest(expected.rule, names.rules)
            yield placed.fault(f"no rule {expected.rule!r}", hint, at=("expect", number, "rule"))
        for currency in expected.amounts().keys() - names.currencies - {"badge"}:
            hint = nearest(currency, names.currencies)
            yield placed.fault(f"unknown currency {currency!r}", hint, at=("expect", number, currency))
    yield from _decided(placed, names)


def _untold(placed: Placed[Case], number: int, said: Mapping[str, Any], names: Names) -> Iterator[Fault]:
    """Facts that nothing knows, and that a slip of the pen made of one that is there."""
    kind, table = said.get("kind"), FactTable()
    if not _NOT_ACTS.isdisjoint(said) or kind in (*BRING_FACTS_OF_THEIR_OWN, *_BY_HAND):
        return
    for name in said.keys() - WORDS - names.facts:
        if table.get(name) is None:
            known = {entry.name for entry in table.for_kind(kind)} if isinstance(kind, str) else table.names()
            hint = nearest(name, known | WORDS | names.facts)
            yield placed.fault(f"no source supplies a fact {name!r}", hint, at=("events", number, name))


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
