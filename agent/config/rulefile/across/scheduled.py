"""What is wrong, or probably not meant, with `[[scheduled]]` beside the rest of the files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from fractions import Fraction

from agent.config.cron import Cron
from agent.config.document import Fault, KeyPath, MisfitError
from agent.config.facts import FactTable
from agent.config.grammar import CALENDAR_WINDOWS, Limit, Number
from agent.config.kinds import KindTable
from agent.config.rulefile.check import nearest
from agent.config.rulefile.merged import Merged, Placed, RuleFile
from agent.config.rulefile.tables.scheduled import Among, Rank, Scheduled
from agent.config.rulefile.warn import free, unsupplied, untold
from agent.config.settings import Settings

_ANY_DAY = datetime(2026, 1, 1)  # noqa: DTZ001 - a wall clock, which has no zone


def faults(merged: Merged, kinds: KindTable) -> Iterator[Fault]:
    """Every fault of meaning."""
    for placed in merged.scheduled:
        yield from _id(placed, merged)
        yield from _times(placed, merged)
        yield from _kinds(placed, kinds)
        yield from _amounts(placed, merged)
        yield from _limits(placed, merged)
        for key, among in _compared(placed.it):
            yield from _measured(placed, among, key, merged)


def warnings(merged: Merged, kinds: KindTable, facts: FactTable) -> Iterator[Fault]:
    """What is allowed and worth a second look."""
    declared = {badge.it.id for badge in merged.badges}
    for placed in merged.scheduled:
        spec = placed.it
        for badge in sorted(set(spec.badges) - declared) if declared else ():
            yield placed.fault(f"no [[badge]] has the id {badge!r}", nearest(badge, declared))
        yield from _facts(placed, kinds, facts)
        if spec.ties != "share-place" and spec.rank is None:
            yield placed.fault("`ties` can never act", "only a ranking has ties", at=("ties",))
        if spec.draw is not None and spec.draw.seed == "chain":
            yield placed.fault(
                "this draw can be steered by whoever runs the agent",
                'with a catalogue leave seed out: its signature is then part of the seed; "chain" does without',
                at=("draw", "seed"),
            )
        if spec.among is not None and spec.among.by.how == "earned" and spec.conditions.model_fields_set:
            yield placed.fault("`conditions` can never act", "what was earned has no facts", at=("conditions",))
        if not merged.rules and spec.among is not None and spec.among.by.how == "earned":
            yield placed.fault("nobody earns anything that could be compared", "there is no [[rule]]")
        if spec.inactivity is not None and not (spec.award or spec.badge or spec.message):
            yield placed.fault("nobody is told anything", 'an `award`, a `badge` or a `message = "…"`')


def _facts(placed: Placed[Scheduled], kinds: KindTable, facts: FactTable) -> Iterator[Fault]:
    """Facts that are compared, added up or asked for, and that nobody supplies."""
    for _, among in _compared(placed.it):
        what = (among.by.what,)
        if among.by.fact and not (facts.suppliers(among.by.fact, *what) or free(what, kinds, facts)):
            known = {each.name for each in facts.for_kind(among.by.what)}
            told, who = unsupplied(among.by.fact, what, facts)
            yield placed.fault(told, who or nearest(among.by.fact, known))
    if stood_on := tuple(kind for kind, _ in _counted(placed.it)):
        yield from untold(placed, placed.it.conditions, stood_on, kinds, facts)


def hasty(rules: RuleFile, settings: Settings) -> Iterator[Fault]:
    """A `settle` that is shorter than what the sources may take to tell what happened."""
    for placed in rules.scheduled:
        settle = placed.it.settle
        for source in settings.log_sources:
            for key, patience in (
                ("gap_patience", source.gap_patience_s),
                ("backdated_after", source.backdated_after_s),
            ):
                if settle.seconds < patience:
                    yield placed.fault(
                        f"settle {settle.text} is shorter than {key} of source {source.name}",
                        "what comes in between is too late for it: settle longer",
                        at=("settle",),
                    )


def _compared(spec: Scheduled) -> Iterable[tuple[KeyPath, Rank | Among]]:
    if spec.rank is not None:
        yield ("rank",), spec.rank
    if spec.draw is not None:
        yield ("draw", "among"), spec.draw.among


def _id(placed: Placed[Scheduled], merged: Merged) -> Iterator[Fault]:
    others = [(rule.it.id, rule.where) for rule in merged.rules]
    others += [(made.it.id, made.where) for made in merged.challenges]
    others += [(other.it.id, other.where) for other in merged.scheduled if other is not placed]
    for name, where in others:
        if name == placed.it.id:
            hint = "every rule and every scheduled reward needs an id of its own"
            yield placed.fault(f"{name!r} stands in {where} already", hint, at=("id",))


def _times(placed: Placed[Scheduled], merged: Merged) -> Iterator[Fault]:
    spec = placed.it
    windows = (*CALENDAR_WINDOWS, *merged.names("period"))
    if spec.every is not None and spec.every not in windows:
        known = tuple(window for window in windows if window != "ever")
        yield placed.fault(f"unknown window {spec.every!r}", nearest(spec.every, known), at=("every",))
    if spec.over is not None and spec.over.kind == "period" and spec.over.name not in windows:
        yield placed.fault(f"unknown window {spec.over.name!r}", nearest(spec.over.name, windows), at=("over",))
    if spec.cron is not None:
        try:
            fires = Cron(spec.cron).after(_ANY_DAY) is not None
        except MisfitError as error:
            yield placed.fault(error.message, error.hint, at=("cron",))
        else:
            if not fires:
                yield placed.fault(f"{spec.cron!r} never fires", "no day fits all of its fields", at=("cron",))


def _kinds(placed: Placed[Scheduled], kinds: KindTable) -> Iterator[Fault]:
    known = kinds.kinds()
    for kind, at in _counted(placed.it):
        if kind not in known:
            yield placed.fault(f"unknown kind {kind!r}", nearest(kind, known), at=at)


def _counted(spec: Scheduled) -> list[tuple[str, KeyPath]]:
    """The kinds whose acts it looks at, each with its place."""
    named: list[tuple[str, KeyPath]] = []
    if spec.attendance is not None:
        named.append((spec.attendance.of, ("attendance", "of")))
    if spec.inactivity is not None and spec.inactivity.of is not None:
        named.append((spec.inactivity.of, ("inactivity", "of")))
    for key, among in _compared(spec):
        if among.by.how != "earned":
            named.append((among.by.what, key))
    return named


def _amounts(placed: Placed[Scheduled], merged: Merged) -> Iterator[Fault]:
    spec = placed.it
    given: list[tuple[str, Number, KeyPath]] = [(name, amount, ("award",)) for name, amount in spec.award]
    for number, prize in enumerate(spec.places):
        given.extend((name, amount, ("places", number)) for name, amount in prize.amounts)
    for name, amount, at in given:
        yield from _currency(placed, name, merged, at)
        found = merged.currencies.get(name)
        decimals = found.it.decimals if found is not None else 0
        if (Fraction(amount) * 10**decimals).denominator != 1:
            yield placed.fault(f"{name} has {decimals} decimals", "write a multiple of its smallest unit", at=at)


def _limits(placed: Placed[Scheduled], merged: Merged) -> Iterator[Fault]:
    for key in ("limit", "budget"):
        for number, limit in enumerate(getattr(placed.it, key)):
            yield from _limit(placed, limit, merged, (key, number))


def _limit(placed: Placed[Scheduled], limit: Limit, merged: Merged, at: KeyPath) -> Iterator[Fault]:
    windows = (*CALENDAR_WINDOWS, *merged.names("period"))
    if limit.window.kind == "period" and limit.window.name not in windows:
        yield placed.fault(f"unknown window {limit.window.name!r}", nearest(limit.window.name, windows), at=at)
    if limit.unit:
        yield from _currency(placed, limit.unit, merged, at)


def _measured(placed: Placed[Scheduled], among: Rank | Among, key: KeyPath, merged: Merged) -> Iterator[Fault]:
    if among.by.how == "earned":
        yield from _currency(placed, among.by.what, merged, key)
    elif among.group is not None:
        hint = 'a group narrows what was earned: by = "points earned"'
        yield placed.fault(f"{among.by.text} has no group", hint, at=(*key, "group"))
    groups = merged.groups()
    if among.group is not None and among.group not in groups:
        yield placed.fault(f"no rule is in group {among.group!r}", nearest(among.group, groups), at=(*key, "group"))


def _currency(placed: Placed[Scheduled], name: str, merged: Merged, at: KeyPath) -> Iterator[Fault]:
    if name not in merged.currency_names():
        yield placed.fault(f"unknown currency {name!r}", nearest(name, merged.currency_names()), at=at)
