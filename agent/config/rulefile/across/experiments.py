"""What is wrong across the files, or probably not meant, where rules are kept from a share of the learners."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from itertools import combinations

from agent.config.document import Fault
from agent.config.facts import FactTable
from agent.config.kinds import KindTable
from agent.config.rulefile import check, warn
from agent.config.rulefile.experiment.table import Experiment
from agent.config.rulefile.merged import Merged, Placed, RuleFile
from agent.config.settings import Settings

_DAY_S = 86_400
_DAYS_MIN = 7
"""Days; who looks at less sees the day of the week."""


def faults(merged: Merged, kinds: KindTable) -> Iterator[Fault]:
    """Rules that are not there or are decided by no act, kinds that are not there, and two experiments on one rule."""
    known = _ids(merged)
    timed = {str(written.it.get("id")) for written in merged.written("scheduled")}
    for placed in merged.experiments.values():
        for number, name in enumerate(placed.it.rules):
            if name in timed:
                hint = "somebody else would get the prize: name a [[rule]] or a [[challenge]]"
                yield placed.fault(f"{name} is a scheduled reward", hint, at=("rules", number))
            elif name not in known:
                message = f"there is no rule or challenge {name!r}"
                yield placed.fault(message, check.nearest(name, known), at=("rules", number))
        if placed.it.measure is not None:
            yield from check.on(placed, (placed.it.measure.kind,), kinds, key="measure")
    for (first, one), (second, two) in combinations(merged.experiments.items(), 2):
        both = [name for name in two.it.rules if name in one.it.rules]
        if both and one.it.from_ <= two.it.until and two.it.from_ <= one.it.until:
            hint = f"one would be seen in the figures of the other: let {second} begin when {first} is over"
            message = f"{both[0]} is in [experiment.{first}] ({one.where}) at the same time"
            yield two.fault(message, hint, at=("rules", two.it.rules.index(both[0])))


def warnings(merged: Merged, kinds: KindTable, facts: FactTable) -> Iterator[Fault]:
    """Experiments that can show nothing."""
    modes: dict[str, str] = {placed.it.id: placed.it.mode for placed in merged.rules}
    modes |= {placed.it.id: placed.it.mode for placed in merged.challenges}
    for placed in merged.experiments.values():
        spec = placed.it
        if spec.held_out in {0, 1}:
            who, other = ("nobody", "everybody") if not spec.held_out else ("everybody", "nobody")
            told = f"{who} is held out: there is nobody to compare with"
            yield placed.fault(told, f"{other} could earn otherwise: write a share between", at=("held_out",))
        if (spec.until - spec.from_).days + 1 < _DAYS_MIN:
            yield placed.fault("less than a week shows little", "let it run for some weeks", at=("until",))
        for number, name in enumerate(spec.rules):
            if modes.get(name, "live") != "live":
                told = f"{name} is in mode {modes[name]}: it pays nobody, so that both groups are alike"
                yield placed.fault(told, 'mode = "live" before the experiment begins', at=("rules", number))
        yield from _unsupplied(placed, kinds, facts)


def over(rules: RuleFile, today: date) -> Iterator[Fault]:
    """Experiments that ended before ``today``."""
    for name, placed in rules.experiments.items():
        if placed.it.until < today:
            paid = "; then pay what was missed: rewards-agent rules backfill" if placed.it.pay_after else ""
            hint = f"see what came of it: rewards-agent rules effect {name}{paid}"
            yield placed.fault(f"experiment {name} ended on {placed.it.until}", hint, at=("until",))


def forgetful(rules: RuleFile, settings: Settings) -> Iterator[Fault]:
    """Experiments whose first acts are forgotten before they are over: those of the comparison group alone."""
    keep = settings.privacy.decisions_keep_s // _DAY_S
    for placed in rules.experiments.values():
        days = (placed.it.until - placed.it.from_).days + 1
        if keep < days:
            told = f"it takes {days} days, and acts that earned nothing are forgotten after {keep}"
            yield placed.fault(told, f'in config.toml: [privacy] decisions_keep = "{2 * days}d"', at=("until",))


def _unsupplied(placed: Placed[Experiment], kinds: KindTable, facts: FactTable) -> Iterator[Fault]:
    """A mean of what nobody tells, or of what is no number."""
    looked = placed.it.measure
    if looked is None or not looked.fact:
        return
    stood_on = warn.kinds_of((looked.kind,), kinds)
    entry = facts.get(looked.fact)
    if entry is None or not any(facts.suppliers(looked.fact, kind) for kind in stood_on):
        known = {each.name for kind in stood_on for each in facts.for_kind(kind)}
        if not warn.free(stood_on, kinds, facts):
            told = f"no source supplies a fact {looked.fact!r} here"
            yield placed.fault(told, check.nearest(looked.fact, known), at=("measure",))
    elif entry.type not in {"int", "rational"}:
        yield placed.fault(f"{looked.fact} is no number", "a mean is one of numbers", at=("measure",))


def _ids(merged: Merged) -> set[str]:
    """The ids of rules and challenges, faulty ones included."""
    written = (*merged.written("rule"), *merged.written("challenge"))
    return {name for one in written if isinstance(name := one.it.get("id"), str)}
