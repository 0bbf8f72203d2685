"""From a rule to the form that decides from a set: streaks, and the smaller forms, each a few lines."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import date
from itertools import pairwise

from agent.config.grammar import Number, shown_number
from agent.config.rulefile.earning import Momentum, Spaced
from agent.config.rulefile.models import Rule
from agent.engine.calendar import Calendar, Moment
from agent.engine.conditions import shown
from agent.engine.earning import streaks
from agent.engine.earning.amounts import number_of
from agent.engine.earning.sets import Due, Form, Members
from agent.engine.earning.streaks import Days
from agent.model import Observation

_LESSON_BITS = 38
_TIME_BITS = 25
"""Seconds of more than a year: no two of its acts at one time of two days are one."""


def compiled(rule: Rule, calendar: Calendar, closed: Days) -> Form | None:
    """The form of a rule; None where it does not decide from a set."""
    if rule.streak is not None:
        weekdays = frozenset(rule.active.days) if rule.active is not None and rule.active.days is not None else None
        return streaks.form(rule.streak, rule.id, calendar, closed, weekdays)
    if rule.crosses is not None:
        return _crossing(rule.id, *rule.crosses)
    if rule.momentum is not None:
        return _momentum(rule.id, rule.momentum, calendar)
    if rule.spaced is not None:
        return _spaced(rule.id, rule.spaced)
    if rule.first:
        return _once("first", rule.id, "not the first", "Only the first time.", scope=("ever",))
    return None if rule.comeback is None else _comeback(rule.id, rule.comeback, closed)


def _there(_members: Members, _slot: int) -> Due:
    return Due(1, "")


def _nothing(_seen: Observation, _moment: Moment) -> int:
    return 0


def _once(name: str, rule_id: str, lifts: str, said: str, *, scope: tuple[str, ...] | None) -> Form:
    """What happens once in its scope, whether or not it was paid."""
    return Form(meter=f"{name}:{rule_id}", slot=_nothing, due=_there, said=said, scope=scope, lifts=lifts)


def _crossing(rule_id: str, fact: str, threshold: Number) -> Form:
    text = f"{fact} {shown_number(threshold)}"

    def slot(seen: Observation, _moment: Moment) -> int | str:
        written = seen.facts.get(fact)
        value = number_of(written)
        if value is None:
            return f"no {fact}"
        return 0 if value >= threshold else f"crosses {text} (seen {shown(value)})"

    about = fact.partition("_")[0]
    once = _once(
        "crossed",
        f"{rule_id}:{text}",
        f"crossed {text} already",
        f"Only the act that lifts {fact} to {shown_number(threshold)}.",
        scope=(about,) if about in {"section", "course"} else None,
    )
    return replace(once, slot=slot, facts=frozenset({fact}))


def _momentum(rule_id: str, spec: Momentum, calendar: Calendar) -> Form:
    """The set of a year: which lesson when. Bursts that share no time are counted, greedily by their end.

    Without ``repeat`` no two of them end on one day. That is the largest number that there can be, and an act that
    makes it larger is in one of them: no other act is worth anything.
    """

    def slot(seen: Observation, _moment: Moment) -> int | str:
        if seen.lesson is None:
            return "no lesson"
        digest = hashlib.blake2b(f"{seen.site}:{seen.lesson}".encode(), digest_size=8).digest()
        lesson = int.from_bytes(digest, "big") % (1 << _LESSON_BITS)
        return (seen.occurred_at % (1 << _TIME_BITS)) << _LESSON_BITS | lesson

    def day(at: int) -> int:
        return calendar.moment(at).date.toordinal()

    def due(members: Members, own: int) -> Due:
        acts = sorted((at, slot) for slot, at in members.items())
        count, inside, told = _bursts(acts, own, spec, None if spec.repeat else day)
        return Due(count if inside else 0, f"momentum {told}")

    return Form(
        meter=f"acts:{rule_id}",
        slot=slot,
        due=due,
        said=f"Needs {spec.lessons} different lessons within {spec.within.text}.",
        scope=("year",),
        often="Pays each time." if spec.repeat else "Pays once a day.",
        repeats=True,
    )


def _bursts(
    acts: Iterable[tuple[int, int]], own: int, spec: Momentum, day: Callable[[int], int] | None
) -> tuple[int, bool, str]:
    """How many bursts there are at most, whether ``own`` is in one, and how far it had come with that act.

    ``acts`` are times with slots, in order; with ``day`` each burst ends on a day of its own.
    """
    count, inside, told, ended = 0, False, "", -1
    latest: dict[int, tuple[int, int]] = {}
    for at, slot in acts:
        latest[slot % (1 << _LESSON_BITS)] = at, slot
        latest = {lesson: act for lesson, act in latest.items() if at - act[0] < spec.within.seconds}
        if slot == own:
            told = f"{min(len(latest), spec.lessons)} of {spec.lessons} lessons"
        if len(latest) < spec.lessons:
            continue
        if day is not None and (today := day(at)) == ended:
            told = "once a day" if slot == own else told
            continue
        ended = today if day is not None else ended
        count, inside = count + 1, inside or any(act[1] == own for act in latest.values())
        latest = {}
    return count, inside, told


def _spaced(rule_id: str, spec: Spaced) -> Form:
    def due(members: Members, _slot: int) -> Due:
        count, last = 0, -spec.apart
        for day in sorted(members):
            if day - last >= spec.apart:
                count, last = count + 1, day
        return Due(int(count >= spec.days), f"spaced {count} of {spec.days} days")

    apart = f", each at least {spec.apart} days after the one before" if spec.apart > 1 else ""
    return Form(
        meter=f"spaced:{rule_id}",
        slot=_day,
        due=due,
        said=f"Needs the same {spec.of} on {spec.days} days{apart}.",
        scope=(spec.of,),
        facts=frozenset({spec.of} & {"section", "post"}),
    )


def _day(_seen: Observation, moment: Moment) -> int:
    return moment.date.toordinal()


def _comeback(rule_id: str, days: int, closed: Days) -> Form:
    """Absences between the days of the set. Only the day that ends one is paid, or begins one that is known to end."""

    def away(before: int, after: int) -> int:
        shut = sum(any(a <= date.fromordinal(n) <= b for a, b in closed) for n in range(before + 1, after))
        return after - before - 1 - shut

    def due(members: Members, slot: int) -> Due:
        listed = sorted(members)
        gaps = [away(before, after) for before, after in pairwise(listed)]
        at = listed.index(slot)
        own = gaps[at - 1] if at else 0
        if own < days:
            return Due(0, f"comeback after {own} of {days} days away")
        return Due(sum(gap >= days for gap in gaps), "comeback already")

    return Form(
        meter=f"days:{rule_id}",
        slot=_day,
        due=due,
        said=f"Only after {days} days without.",
        often="Pays each time.",
        scope=("ever",),
        repeats=True,
    )
