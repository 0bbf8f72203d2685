"""Badges, tiers and what rules require: every name in them stands for something, and nothing waits for itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter

from agent.config.document import Fault, KeyPath, nearest
from agent.config.grammar import CALENDAR_WINDOWS
from agent.config.rulefile.merged import Merged, Placed
from agent.config.rulefile.tables.badge import Badge, Tier
from agent.config.rulefile.tables.criteria import Wish

_LISTED_MAX = 8


def faults(merged: Merged) -> Iterator[Fault]:
    """Every fault of badges, levels, tiers and of `requires`."""
    known = _Known(merged)
    for key, name in (("badge", "id"), ("tier", "name"), ("level", "name")):
        yield from _twice(merged, key, name)
    for badge in merged.badges:
        wanted = badge.it.wanted()
        if wanted is not None:
            yield from known.strangers(badge, wanted, ())
        yield from _limits(badge, merged)
    for tier in merged.tiers:
        if tier.it.currency not in known.of["balance"]:
            yield tier.fault(f"unknown currency {tier.it.currency!r}", known.hint("balance", tier.it.currency))
        if tier.it.requires is not None:
            yield from known.strangers(tier, tier.it.requires, ("requires",))
    yield from _asked_by_rules(merged, known)
    yield from _circles(merged)


def _asked_by_rules(merged: Merged, known: _Known) -> Iterator[Fault]:
    """What rules require and which badges they and challenges give."""
    for rule in merged.rules:
        if rule.it.requires is not None:
            yield from known.strangers(rule, rule.it.requires, ("requires",))
    given = [(rule.it.badge, rule.fault) for rule in merged.rules]
    given += [(challenge.it.badge, challenge.fault) for challenge in merged.challenges]
    for badge, fault in given:
        if badge is not None and known.declared and badge not in known.declared:
            hint = known.hint("badge", badge) or "declare it: [[badge]] and its id"
            yield fault(f"no [[badge]] has the id {badge!r}", hint, at=("badge",))


class _Known:
    """Every name that a criterion can speak of, by what it is asked as."""

    def __init__(self, merged: Merged) -> None:
        rules = [rule.it for key in ("rule", "challenge") for rule in merged.written(key)]
        self.declared = frozenset(_texts(badge.it.get("id") for badge in merged.written("badge")))
        given = frozenset(_texts(rule.get("badge") for rule in rules))
        tags = [tag for rule in rules for tag in _listed(rule.get("tags"))]
        self.of: Mapping[str, frozenset[str]] = {
            "rule": frozenset(_texts(rule.get("id") for rule in rules)),
            "badge": self.declared or given,
            "group": frozenset(_texts(rule.get("group") for rule in rules)),
            "tag": frozenset(_texts(tags)),
            "level": frozenset(_texts(level.it.get("name") for level in merged.written("level"))),
            "tier": frozenset(_texts(tier.it.get("name") for tier in merged.written("tier"))),
            "programme": merged.names("programme"),
            "balance": merged.currency_names(),
        }

    def hint(self, asked: str, name: str) -> str:
        """The nearest name, or all of them where they are few."""
        names = tuple(sorted(self.of[asked]))
        near = nearest(name, names)
        if near:
            return f"did you mean {near!r}?"
        return f"there is {', '.join(names)}" if 0 < len(names) <= _LISTED_MAX else ""

    def strangers(self, placed: Placed[object], wanted: Wish, at: KeyPath) -> Iterator[Fault]:
        """A fault for each name in a criterion that means nothing, or two things."""
        for leaf in wanted.leaves():
            where = (*at, *leaf.at)
            if leaf.asked == "named":
                yield from self._ambiguous(placed, leaf, where)
            elif leaf.name not in self.of[leaf.asked]:
                what = {"balance": "currency", "group": "group of rules", "tag": "tag of rules"}.get(
                    leaf.asked, leaf.asked
                )
                yield placed.fault(f"there is no {what} {leaf.name!r}", self.hint(leaf.asked, leaf.name), at=where)

    def _ambiguous(self, placed: Placed[object], leaf: Wish, where: KeyPath) -> Iterator[Fault]:
        rule, badge = leaf.name in self.of["rule"], leaf.name in self.of["badge"]
        if rule and badge:
            hint = f'write {{ rule = "{leaf.name}" }} or {{ badge = "{leaf.name}" }}'
            yield placed.fault(f"{leaf.name!r} is a rule and a badge", hint, at=where)
        elif not rule and not badge:
            near = nearest(leaf.name, tuple(sorted(self.of["rule"] | self.of["badge"])))
            hint = f"did you mean {near!r}?" if near else ""
            yield placed.fault(f"{leaf.name!r} is neither a rule nor a badge", hint, at=where)


def _texts(values: Iterable[object]) -> Iterator[str]:
    return (value for value in values if isinstance(value, str))


def _listed(value: object) -> Sequence[object]:
    return value if isinstance(value, list) else ()


def _twice(merged: Merged, key: str, name: str) -> Iterator[Fault]:
    first: dict[str, Placed[Mapping[str, object]]] = {}
    for one in merged.written(key):
        called = one.it.get(name)
        if isinstance(called, str) and first.setdefault(called, one) is not one:
            hint = f"every {key} needs {'an id' if name == 'id' else 'a name'} of its own"
            yield one.fault(f"{key} {called!r} stands in {first[called].where} already", hint, at=(name,))


def _limits(badge: Placed[Badge], merged: Merged) -> Iterator[Fault]:
    known = (*CALENDAR_WINDOWS, *merged.names("period"))
    for key in ("limit", "total"):
        for number, limit in enumerate(getattr(badge.it.assign, key)):
            where = ("assign", key, number)
            if limit.unit:
                hint = 'such as "5/month"'
                yield badge.fault("a badge that is given by hand is counted, not paid", hint, at=where)
            if limit.window.kind == "period" and limit.window.name not in known:
                near = nearest(limit.window.name, known)
                hint = f"did you mean {near!r}?" if near else ""
                yield badge.fault(f"unknown window {limit.window.name!r}", hint, at=where)


def _circles(merged: Merged) -> Iterator[Fault]:
    """A badge or tier that, by whatever way, waits for itself."""
    badges = {badge.it.id for badge in merged.badges}
    wanted: dict[str, list[str]] = {}
    placed: dict[str, Placed[Badge] | Placed[Tier]] = {}
    for badge in merged.badges:
        asked = badge.it.wanted()
        placed[f"badge {badge.it.id}"] = badge
        wanted[f"badge {badge.it.id}"] = _looks_at(asked, badges) if asked is not None else []
    for tier in merged.tiers:
        placed[f"tier {tier.it.name}"] = tier
        wanted[f"tier {tier.it.name}"] = _looks_at(tier.it.requires, badges) if tier.it.requires is not None else []
    try:
        TopologicalSorter(wanted).prepare()
    except CycleError as error:
        circle = [name for name in reversed(error.args[1]) if name in placed]
        told = " → ".join(circle)
        yield placed[circle[0]].fault(f"this waits for itself: {told}", "take one of them out of the circle")


def _looks_at(wanted: Wish, badges: set[str]) -> list[str]:
    found = []
    for leaf in wanted.leaves():
        if leaf.asked in {"badge", "tier"}:
            found.append(f"{leaf.asked} {leaf.name}")
        elif leaf.asked == "named" and leaf.name in badges:
            found.append(f"badge {leaf.name}")
    return found
