"""What must hold of challenges across the files: ids, names that are used, steps that can be reached, no cycle."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from agent.config.document import Fault
from agent.config.facts import FactTable
from agent.config.grammar import CALENDAR_WINDOWS, Duration
from agent.config.kinds import KindTable
from agent.config.rulefile import check, warn
from agent.config.rulefile.merged import Merged, Placed
from agent.config.rulefile.tables.challenge import Challenge, Step
from agent.config.rulefile.types import ONCE_PER

_DAYS: Mapping[str, int] = {"day": 1, "week": 7, "month": 31, "year": 366}
_DAY_S = 86_400


def steps(placed: Placed[Challenge]) -> Iterator[Placed[Step]]:
    """The steps of a challenge, each with its place."""
    for number, step in enumerate(placed.it.step):
        yield Placed(it=step, document=placed.document, path=(*placed.path, "step", number))


def faults(merged: Merged, kinds: KindTable) -> Iterator[Fault]:
    """Every fault of meaning in the challenges."""
    yield from _unique(merged)
    for challenge in merged.challenges:
        yield from check.amounts(challenge, merged)
        yield from check.limits(challenge, merged)
        yield from _badge(challenge, merged)
        yield from _repeat(challenge, merged)
        yield from _step_ids(challenge)
        for step in steps(challenge):
            yield from check.on(step, step.it.on, kinds)
            yield from check.values(step, step.it.conditions, merged, ("conditions",))
            yield from _per(step, merged)
            yield from _reachable(step, challenge.it)
    yield from _next(merged)


def warnings(merged: Merged, kinds: KindTable, facts: FactTable) -> Iterator[Fault]:
    """What is worth a second look: conditions that nothing can meet, challenges that nobody can be enrolled in."""
    by_id = {placed.it.id: placed for placed in merged.challenges}
    for challenge in merged.challenges:
        for step in steps(challenge):
            yield from warn.facts_of(step, kinds, facts)
        following = by_id.get(challenge.it.next or "")
        if following is not None and following.it.mode == "off" != challenge.it.mode:
            yield challenge.fault(f"{following.it.id} is switched off", f"it stands in {following.where}", at=("next",))


def _unique(merged: Merged) -> Iterator[Fault]:
    first: dict[str, str] = {placed.it.id: f"rule {placed.it.id!r} in {placed.where}" for placed in merged.rules}
    for placed in merged.challenges:
        name = placed.it.id
        if name in first:
            hint = f"that is {first[name]}: rules and challenges share their ids"
            yield placed.fault(f"the id {name!r} is taken", hint, at=("id",))
        first.setdefault(name, f"challenge {name!r} in {placed.where}")


def _badge(challenge: Placed[Challenge], merged: Merged) -> Iterator[Fault]:
    """Where badges are declared at all, it must be one of them."""
    known = {
        str(badge.get("id"))
        for part in merged.parts
        for badge in part.written.data.get("badge") or ()
        if isinstance(badge, dict)
    }
    if challenge.it.badge is not None and known and challenge.it.badge not in known:
        yield challenge.fault(
            f"unknown badge {challenge.it.badge!r}", check.nearest(challenge.it.badge, known), at=("badge",)
        )


def _repeat(challenge: Placed[Challenge], merged: Merged) -> Iterator[Fault]:
    name = challenge.it.repeat
    known = (*(window for window in CALENDAR_WINDOWS if window != "ever"), *merged.names("period"))
    if isinstance(name, str) and name not in known:
        yield challenge.fault(f"unknown window {name!r}", check.nearest(name, known), at=("repeat",))


def _step_ids(challenge: Placed[Challenge]) -> Iterator[Fault]:
    first: dict[str, int] = {}
    for number, step in enumerate(steps(challenge)):
        name = step.it.id
        if name is not None and first.setdefault(name, number) != number:
            yield step.fault(f"step {name!r} is there already", f"it is step {first[name] + 1}", at=("id",))


def _per(step: Placed[Step], merged: Merged) -> Iterator[Fault]:
    for number, scope in enumerate(step.it.per or ()):
        if scope not in ONCE_PER and scope not in merged.names("period"):
            hint = check.nearest(scope, (*ONCE_PER, *merged.names("period")))
            yield step.fault(f"per {scope!r} is neither a thing nor a [period.{scope}]", hint, at=("per", number))


def _reachable(step: Placed[Step], challenge: Challenge) -> Iterator[Fault]:
    """A step that no learner can ever complete."""
    per, count = step.it.per, step.it.count
    if per is None or len(per) != 1 or count == 1:
        return
    (scope,) = per
    if scope not in _DAYS and (scope == "ever" or scope not in ONCE_PER):
        told = f'per = "{scope}" gives one act at most' if scope == "ever" else f"[period.{scope}] is there once"
        yield step.fault(f"this step can never be completed: {count} are wanted, and {told}", at=("count",))
    if scope not in _DAYS:
        return
    least = (count - 1) * _DAYS[scope] * _DAY_S if scope in {"day", "week"} else (count - 1) * 28 * _DAY_S
    room, told = _room(challenge)
    if room is not None and least >= room:
        yield step.fault(f"this step can never be completed: {count} {scope}s do not fit into {told}", at=("count",))


def _room(challenge: Challenge) -> tuple[int | None, str]:
    """How long somebody has, in seconds, and how that is told."""
    if isinstance(challenge.deadline, Duration):
        return challenge.deadline.seconds + _DAY_S, f"the deadline {challenge.deadline.text}"
    if isinstance(challenge.repeat, str) and challenge.repeat in _DAYS:
        return _DAYS[challenge.repeat] * _DAY_S, f"a {challenge.repeat}"
    return None, ""


def _next(merged: Merged) -> Iterator[Fault]:
    by_id = {placed.it.id: placed for placed in merged.challenges}
    told_before: set[str] = set()
    for challenge in merged.challenges:
        name = challenge.it.next
        if name is None:
            continue
        following = by_id.get(name)
        if following is None:
            yield challenge.fault(f"unknown challenge {name!r}", check.nearest(name, by_id), at=("next",))
            continue
        if following.it.recipient != challenge.it.recipient:
            told = f"{name} is for the {following.it.recipient}, this one for the {challenge.it.recipient}"
            yield challenge.fault("what comes next is for somebody else", told, at=("next",))
        circle = _circle(challenge.it.id, by_id)
        if circle and told_before.isdisjoint(circle):
            told_before.update(circle)
            told = " → ".join(f"{one} ({by_id[one].where})" for one in circle)
            yield challenge.fault("the challenges go in a circle", f"{told} → {circle[0]}", at=("next",))


def _circle(start: str, by_id: Mapping[str, Placed[Challenge]]) -> Sequence[str]:
    """The challenges from ``start`` round to it again; nothing where they never come back."""
    way = [start]
    while (name := by_id[way[-1]].it.next) is not None and name in by_id:
        if name == start:
            return way
        if name in way:
            return ()
        way.append(name)
    return ()
