"""Limits and cooldowns that never act, because another of the same rule always stops awards sooner."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from agent.config.document import Fault
from agent.config.grammar import UNIT_SECONDS, Limit, Number, Window
from agent.config.rulefile.earning import LONGEST
from agent.config.rulefile.merged import Merged, Placed
from agent.config.rulefile.models import Rule
from agent.config.rulefile.warn import paid, varies

_DAY_S, _HOUR_S = UNIT_SECONDS["d"], UNIT_SECONDS["h"]
_DAYS = {"day": 1, "week": 7, "month": 31, "year": 366}
"""How many a calendar window has at most."""


def warnings(merged: Merged) -> Iterator[Fault]:
    """What leaves another key of its rule nothing to do."""
    for rule in merged.rules:
        if rule.it.mode != "off":
            yield from _cooling(rule)
            yield from _limits(rule)


def _cooling(rule: Placed[Rule]) -> Iterator[Fault]:
    """A cooldown and a limit of which one leaves the other nothing to do."""
    cooldown = rule.it.cooldown
    if cooldown is None:
        return
    for number, limit in enumerate(rule.it.limit):
        most = _spans(limit.window, cooldown.seconds)
        uses = [] if varies(rule.it, limit.unit) else paid(rule.it, limit)
        if uses and 0 < most * max(uses) <= limit.maximum:
            told = f"cooldown {cooldown.text} allows {most}/{limit.window.name} anyway"
            yield rule.fault(f"{limit.text} can never act", told, at=("limit", number))
        elif _rests(limit, cooldown.seconds) and not rule.it.reverse_on and rule.it.reverse_when is None:
            yield rule.fault("this cooldown can never act", f"limit {limit.text} waits longer anyway", at=("cooldown",))


def _rests(limit: Limit, apart: int) -> bool:
    """Whether a limit alone leaves at least so many seconds between two awards."""
    every = not limit.unit and limit.for_role is None
    return every and limit.maximum == 1 and limit.window.kind == "rolling" and limit.window.seconds >= apart


def _limits(rule: Placed[Rule]) -> Iterator[Fault]:
    """Of two limits the one that never acts beside the other; of two that are equal the later."""
    limits = rule.it.limit
    for number, limit in enumerate(limits):
        earlier = (one for one in limits[:number] if _outdone(rule.it, limit, one))
        later = (
            one for one in limits[number + 1 :] if _outdone(rule.it, limit, one) and not _outdone(rule.it, one, limit)
        )
        other = next(chain(earlier, later), None)
        if other is not None:
            same = (other.window, other.unit, other.for_role) == (limit.window, limit.unit, limit.for_role)
            told = "a tighter one counts the same" if same else f"{other.text} allows no more anyway"
            yield rule.fault("this limit can never act", told, at=("limit", number))


def _outdone(rule: Rule, limit: Limit, other: Limit) -> bool:
    """Whether ``other`` alone always keeps what ``limit`` counts within its maximum."""
    if other.for_role not in {None, limit.for_role}:
        return False
    most = _most(rule, limit, other) * _times(other.window, limit.window)
    return 0 < most <= limit.maximum


def _most(rule: Rule, limit: Limit, other: Limit) -> Number:
    """What ``other`` lets through in one of its windows, in the unit of ``limit``; 0 where nobody can say."""
    if limit.unit == other.unit:
        return other.maximum
    if varies(rule, limit.unit) or varies(rule, other.unit) or other.over == "trim":
        return 0
    uses, takes = paid(rule, limit), paid(rule, other)
    if not uses or not takes or (other.unit and len(rule.award) > 1):  # some recipients may take nothing of the other
        return 0
    return other.maximum // min(takes) * max(uses)


def _times(inner: Window, outer: Window) -> int:
    """How many ``inner`` windows an ``outer`` one reaches into at most; 0 where nobody can say."""
    if inner == outer or inner.name == "ever":
        return 1
    if inner.kind == "rolling":
        return _spans(outer, inner.seconds)
    if outer.kind == "rolling":
        # The clocks may go on once in it, and the first and the last day are cut.
        return 1 - -(outer.seconds + _HOUR_S) // _DAY_S if inner.name == "day" else 0
    return LONGEST.get((inner.name, outer.name), 0)


def _spans(window: Window, length: int) -> int:
    """How many spans of ``length`` seconds a window reaches into at most; 0 where it has no length of its own."""
    seconds = window.seconds
    if window.kind == "calendar" and window.name in _DAYS:
        seconds = _DAYS[window.name] * _DAY_S + _HOUR_S  # the clocks may go back once in it
    return -(-seconds // length)
