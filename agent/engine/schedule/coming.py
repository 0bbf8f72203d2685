"""Runs to come, and what could still change them: other runs, and decisions that wait for somebody. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from agent.engine.rulebook import Rulebook, Timed
from agent.engine.timing.timetable import Span, run_name


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """A run to come: its nominal time, what it looks at, and from when on it may be decided (seconds UTC)."""

    timed: Timed
    nominal: int
    span: Span

    @property
    def at(self) -> int:
        """When `settle` is over."""
        return self.nominal + self.timed.spec.settle.seconds

    @property
    def name(self) -> str:
        """`week-champion@2026-09-13T22:00:00Z`."""
        return run_name(self.timed.spec.id, self.nominal)


def due_at(timed: Timed, nominal: int) -> Due:
    """The run of a nominal time."""
    return Due(timed=timed, nominal=nominal, span=timed.timetable.span(nominal))


def settled_by_nothing(timed: Timed) -> bool:
    """Whether a time without any act settles it; not where absence counts: who is absent did nothing either."""
    return timed.spec.anniversary is None and timed.spec.inactivity is None


def first_of_all(each: Due, coming: Sequence[Due]) -> list[str]:
    """Runs whose prizes count into this one and are not decided yet."""
    among = each.timed.spec.among
    if among is None or among.by.how != "earned":
        return []
    return [
        f"{other.name} is not decided yet, and its prizes count"
        for other in coming
        if other.timed is not each.timed
        and other.timed.spec.counts
        and each.span.begin <= other.nominal < each.span.end
    ]


def matters(timed: Timed, rule_id: str, currencies: Collection[str], rulebook: Rulebook) -> bool:
    """Whether what a rule holds, of these currencies, could still change what a run compares."""
    among = timed.spec.among
    if among is None or among.by.how != "earned":
        return _about(rulebook, rule_id, timed)
    return among.by.what in currencies and (among.group is None or _in_group(rulebook, rule_id, among.group))


def _in_group(rulebook: Rulebook, rule_id: str, group: str) -> bool:
    rule = rulebook.paying(rule_id)
    return rule is None or rule.spec.group == group


def _about(rulebook: Rulebook, rule_id: str, timed: Timed) -> bool:
    """Whether a rule is about the acts that are counted; a rule that is gone might have been."""
    needs = rulebook.needs.get(rule_id)
    return needs is None or not timed.kinds or not timed.kinds.isdisjoint(needs.kinds)
