"""What must hold across the files: names that are used exist, ids are unique, amounts can be paid."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from fnmatch import fnmatchcase
from fractions import Fraction

from agent.config.document import Fault, KeyPath, quoted
from agent.config.factentry import PERSON
from agent.config.grammar import CALENDAR_WINDOWS, Limit, Number
from agent.config.kinds import KindTable
from agent.config.rulefile.award import Computed
from agent.config.rulefile.merged import Merged, Placed
from agent.config.rulefile.models import Rule
from agent.config.rulefile.tables.challenge import Challenge
from agent.config.rulefile.tables.condition import Conditions
from agent.config.rulefile.tables.currency import DECIMALS_MAX
from agent.config.rulefile.types import ONCE_PER


def faults(merged: Merged, kinds: KindTable, *, complete: bool) -> Iterator[Fault]:
    """Every fault of meaning; ``complete`` is False where a file could not be read, so that names may be missing."""
    yield from _settings(merged, complete=complete)
    yield from _unique_rules(merged)
    if not complete:
        return
    for rule in merged.rules:
        yield from on(rule, rule.it.on, kinds)
        yield from on(rule, rule.it.reverse_on, kinds, key="reverse_on")
        yield from _undoes_itself(rule, kinds)
        yield from amounts(rule, merged)
        yield from _windows(rule, merged)
        yield from _streak(rule, merged)
        yield from values(rule, rule.it.conditions, merged, ("conditions",))
    for deny in merged.denies:
        yield from on(deny, deny.it.on, kinds)
        yield from values(deny, deny.it.conditions, merged, ("conditions",))
    yield from _caps(merged)
    yield from _budgets(merged)
    for level in merged.levels:
        yield from _currency(level, level.it.currency, merged, ("currency",))
        yield from _scaled(level, level.it.from_, level.it.currency, merged, ("from",))
    for tier in merged.tiers:
        yield from _scaled(tier, tier.it.from_, tier.it.currency, merged, ("from",))
    for kind in merged.kinds:
        if not kind.it.lms_event.startswith("\\") and kind.it.lms_event:
            yield kind.fault(
                "an LMS event begins with a backslash", r"such as '\mod_x\event\y_done'", at=("lms_event",)
            )


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint with the nearest known name, or with all of them where none is near and they are few."""
    listed = sorted(known)
    near = get_close_matches(name, listed, n=1, cutoff=0.5)
    if near:
        return f"did you mean {near[0]!r}?"
    return f"there is {', '.join(listed)}" if listed and len(listed) <= 8 else ""  # noqa: PLR2004 - fits one line


def _settings(merged: Merged, *, complete: bool) -> Iterator[Fault]:
    given: dict[str, tuple[object, str]] = {}
    for key, value, placed in merged.settings():
        first, where = given.setdefault(key, (value, placed.where))
        if first != value:
            yield placed.fault(f"{key} differs from {where}", "say it in one file, or the same in each")
    for part in merged.parts[:1]:
        for key, meant in (("schema", "schema = 1"), ("timezone", 'timezone = "Africa/Johannesburg"')):
            written = any(key in each.written.data for each in merged.parts)
            if complete and not written:
                yield part.document.fault((), f"`{key}` is missing", f"write {meant}")


def _unique_rules(merged: Merged) -> Iterator[Fault]:
    first: dict[str, Placed[Mapping[str, object]]] = {}
    for rule in merged.written_rules():
        name = rule.it.get("id")
        if isinstance(name, str) and first.setdefault(name, rule) is not rule:
            hint = "every rule needs an id of its own"
            yield rule.fault(f"rule {name!r} stands in {first[name].where} already", hint, at=("id",))
            yield first[name].fault(f"rule {name!r} stands in {rule.where} again", hint, at=("id",))


def on(placed: Placed[object], patterns: Iterable[str], kinds: KindTable, *, key: str = "on") -> Iterator[Fault]:
    """Patterns that no kind fits."""
    for number, pattern in enumerate(patterns):
        if "\\" in pattern:
            continue
        known = kinds.kinds()
        if pattern not in known and not any(fnmatchcase(kind, pattern) for kind in known):
            what = "no kind fits" if "*" in pattern else "unknown kind"
            may_be = "." in pattern and "*" not in pattern
            own = f'one of your own is declared: [[kind]] with kind = "{pattern}"' if may_be else ""
            hint = "; ".join(each for each in (nearest(pattern, known), own) if each)
            yield placed.fault(f"{what} {pattern!r}", hint, at=(key, number))


def _undoes_itself(rule: Placed[Rule], kinds: KindTable) -> Iterator[Fault]:
    hint = "an event cannot both earn and undo: take it out of `on` or of `reverse_on`"
    for number, pattern in enumerate(rule.it.reverse_on):
        if pattern in rule.it.on:
            yield rule.fault(f"{quoted(pattern)} stands in `on` too", hint, at=("reverse_on", number))
        elif undone := next((earning for earning in rule.it.on if _takes_in(pattern, earning, kinds)), ""):
            told = f"{quoted(pattern)} takes in {quoted(undone)}, which stands in `on`"
            yield rule.fault(told, hint, at=("reverse_on", number))


def _takes_in(pattern: str, other: str, kinds: KindTable) -> bool:
    """Whether each event that fits ``other`` fits ``pattern``, as far as kinds tell it."""
    if "\\" in other:
        meant = [entry.kind for entry in kinds.entries if entry.lms_event == other]
    else:
        meant = [kind for kind in kinds.kinds() if fnmatchcase(kind, other)]
    return bool(meant) and all(fnmatchcase(kind, pattern) for kind in meant)


def _currency(placed: Placed[object], name: str, merged: Merged, at: KeyPath) -> Iterator[Fault]:
    if name not in merged.currency_names():
        yield placed.fault(f"unknown currency {name!r}", nearest(name, merged.currency_names()), at=at)


def _decimals(name: str, merged: Merged) -> int:
    found = merged.currencies.get(name)
    return found.it.decimals if found is not None else 0


def _scaled(placed: Placed[object], amount: Number, name: str, merged: Merged, at: KeyPath) -> Iterator[Fault]:
    decimals = _decimals(name, merged)
    if name in merged.currency_names() and (Fraction(amount) * 10**decimals).denominator != 1:
        told = f"has {decimals} decimals" if decimals else "has no decimals"
        needed = next((more for more in range(DECIMALS_MAX + 1) if (Fraction(amount) * 10**more).denominator == 1), 0)
        kept = f"write a {'shorter' if decimals else 'whole'} number"
        hint = f"{kept}, or [currency.{name}] decimals = {needed}" if needed else kept
        yield placed.fault(f"{name} {told}", hint, at=at)


def amounts(rule: Placed[Rule] | Placed[Challenge], merged: Merged) -> Iterator[Fault]:
    """Awards in currencies that are not there, or finer than these are."""
    for part in rule.it.award:
        for name, amount in part.amounts:
            at: KeyPath = ("award", *part.at, name)
            yield from _currency(rule, name, merged, at)
            most = (amount.maximum or 0) if isinstance(amount, Computed) else amount
            yield from _scaled(rule, most, name, merged, at)


def _windows(rule: Placed[Rule], merged: Merged) -> Iterator[Fault]:
    yield from limits(rule, merged)
    for number, scope in enumerate(rule.it.once_per or ()):
        if scope not in ONCE_PER and scope not in merged.names("period"):
            hint = nearest(scope, (*ONCE_PER, *merged.names("period"))) or f"one of {', '.join(ONCE_PER)}, or a period"
            yield rule.fault(
                f"once_per {scope!r} is neither a scope nor a [period.{scope}]", hint, at=("once_per", number)
            )


def limits(rule: Placed[Rule] | Placed[Challenge], merged: Merged) -> Iterator[Fault]:
    """Limits and budgets over windows or of currencies that are not there."""
    for key in ("limit", "budget"):
        for number, limit in enumerate(getattr(rule.it, key, ())):
            yield from _limit(rule, limit, merged, (key, number))


def _streak(rule: Placed[Rule], merged: Merged) -> Iterator[Fault]:
    """Windows and periods that a streak names."""
    streak = rule.it.streak
    if streak is None:
        return
    known = (*CALENDAR_WINDOWS, *merged.names("period"))
    named = [(streak.in_, "in"), (streak.forgive.per if streak.forgive else None, "forgive")]
    for name, key in named:
        if name is not None and name not in known:
            yield rule.fault(f"unknown window {name!r}", nearest(name, known), at=("streak", key))


def _limit(placed: Placed[object], limit: Limit, merged: Merged, at: KeyPath) -> Iterator[Fault]:
    if limit.window.kind == "period" and limit.window.name not in merged.names("period"):
        known = ("day", "week", "month", "year", "ever", *merged.names("period"))
        yield placed.fault(f"unknown window {limit.window.name!r}", nearest(limit.window.name, known), at=at)
    if limit.unit:
        yield from _currency(placed, limit.unit, merged, at)
        yield from _scaled(placed, limit.maximum, limit.unit, merged, at)


def values(placed: Placed[object], conditions: Conditions, merged: Merged, at: KeyPath) -> Iterator[Fault]:
    """References to `[value.…]` that is not there."""
    for fact, comparison in conditions.facts().items():
        for ref in sorted(comparison.refs()):
            if ref.startswith(PERSON):
                continue
            if ref not in merged.names("value"):
                yield placed.fault(
                    f"unknown value @{ref}",
                    nearest(ref, merged.names("value")) or f"write [value.{ref}]",
                    at=(*at, fact),
                )
    for key in ("any", "none"):
        for number, inner in enumerate(getattr(conditions, key)):
            yield from values(placed, inner, merged, (*at, key, number))


def _caps(merged: Merged) -> Iterator[Fault]:
    groups = merged.groups()
    for cap in merged.caps:
        if cap.it.group is not None and cap.it.group not in groups:
            yield cap.fault(f"no rule is in group {cap.it.group!r}", nearest(cap.it.group, groups), at=("group",))
        for number, limit in enumerate(cap.it.limit):
            yield from _limit(cap, limit, merged, ("limit", number))


def _budgets(merged: Merged) -> Iterator[Fault]:
    for name, budget in merged.budgets.items():
        yield from _currency(budget, name, merged, ())
        for limit in budget.it:
            yield from _limit(budget, limit, merged, ())
