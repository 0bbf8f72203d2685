"""How far a learner is in a challenge, from the set of what was done: rounds completed, the attempt under way. Pure.

What is counted never falls when an act is added, and rises by one at most: acts are gone through in the order of their
own time, and each round ends as early as it can. So a late act pays what it would have paid in time, and never twice.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from agent.engine.earning.challenge import slots
from agent.engine.earning.sets import Members

_EVER = 2**62


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a challenge asks for. ``codes`` and ``counts`` are those of its steps, in order.

    ``by_hand``: only what was done while enrolled counts. ``within`` (seconds, None: for ever) counts from the
    enrolment, or from the first act of an attempt; ``until`` is when it is over for all. ``window`` names what can hold
    one round each, ``repeat`` allows more than one round. ``leads_on``: when it was complete matters to another.
    ``later`` says of each step whether the act that completed the one before may be one of its own, and counts no more.
    """

    codes: tuple[int, ...]
    counts: tuple[int, ...]
    strict: bool
    by_hand: bool
    within: int | None
    until: int | None
    repeat: bool
    window: Callable[[int], str | None] | None
    leads_on: bool = False
    later: tuple[bool, ...] = ()

    @property
    def timeless(self) -> bool:
        """Whether it is the same when something was done."""
        bounded = self.within is not None or self.until is not None or self.window is not None
        return not (self.strict or self.by_hand or self.repeat or self.leads_on or bounded)


class Act(NamedTuple):
    """One act that a step counts, in the order in which acts are gone through."""

    at: int
    step: int
    slot: int
    thing: int


class Span(NamedTuple):
    """From when until when (excluded) acts count."""

    begin: int
    end: int


class Standing(NamedTuple):
    """Where somebody stands. ``finished`` are the times at which rounds were complete, in order.

    ``counts`` is what each step has in the attempt under way, ``began`` its first act (None: none yet), ``ends`` when
    it is over (None: never). ``enrolled`` is False where somebody withdrew last, or was never enrolled by hand.
    """

    finished: tuple[int, ...]
    counts: tuple[int, ...]
    began: int | None
    ends: int | None
    enrolled: bool


def standing(plan: Plan, members: Members, *, without: int | None = None) -> Standing:
    """Where these members lead; ``without`` leaves one slot out."""
    acts, marks = _read(plan, members, without)
    spans = _spans(plan, marks)
    enrolled = marks[-1][1] == slots.ENROLLED if marks else not plan.by_hand
    finished: list[int] = []
    free, used = 0, set[str | None]()
    for begin, end, bucket in _stretches(plan, acts, spans):
        at = max(begin, free)
        while bucket is None or bucket not in used:
            found = _round(plan, acts, at, end)
            if found is None:
                break
            finished.append(acts[found].at)
            free = at = found + 1
            used.add(bucket)
            if not plan.repeat or bucket is not None:
                break
        if finished and not plan.repeat:
            return Standing(tuple(finished), plan.counts, None, None, enrolled=True)
    under_way = _under_way(plan, acts, spans, free, used)
    return under_way._replace(finished=tuple(finished), enrolled=enrolled)


def _read(plan: Plan, members: Members, without: int | None) -> tuple[list[Act], list[tuple[int, int]]]:
    steps = {code: number for number, code in enumerate(plan.codes)}
    acts, marks = [], []
    for slot, at in members.items():
        if slot == without:
            continue
        code, thing = slots.parts(slot)
        if code == 0:
            marks.append((at, thing))
        elif code in steps:
            acts.append(Act(at, steps[code], slot, thing))
    return sorted(acts), sorted(marks)


def _spans(plan: Plan, marks: Sequence[tuple[int, int]]) -> list[Span]:
    """When acts count: from each enrolment until the withdrawal after it, or until its time is over."""
    last = plan.until if plan.until is not None else _EVER
    gone = [at for at, what in marks if what == slots.WITHDRAWN]
    begins = [(at, plan.by_hand) for at, what in marks if what == slots.ENROLLED]
    if not plan.by_hand:
        begins.insert(0, (-_EVER, False))
    found = []
    for begin, bounded in begins:
        end = min([last, *(at for at in gone if at >= begin)])
        if bounded and plan.within is not None:
            end = min(end, begin + plan.within)
        if begin < end:
            found.append(Span(begin, end))
    return found


def _stretches(plan: Plan, acts: Sequence[Act], spans: Iterable[Span]) -> Iterable[tuple[int, int, str | None]]:
    """(first, end, bucket) of the acts of each span; where a window holds one round each, of each window in it."""
    for span in spans:
        begin, end = bisect_left(acts, (span.begin,)), bisect_left(acts, (span.end,))
        if plan.window is None:
            yield begin, end, None
            continue
        while begin < end:
            bucket = plan.window(acts[begin].at)
            stop = begin
            while stop < end and plan.window(acts[stop].at) == bucket:
                stop += 1
            if bucket is not None:
                yield begin, stop, bucket
            begin = stop


def _round(plan: Plan, acts: Sequence[Act], begin: int, end: int) -> int | None:
    """The act that completes the earliest round among acts ``begin`` … ``end``."""
    while begin < end:
        if plan.strict and acts[begin].step:
            begin += 1
            continue
        last = _through(plan, acts, begin, end)[1]
        if last is None:
            return None
        if plan.within is None or plan.by_hand or acts[last].at - acts[begin].at < plan.within:
            return last
        begin += 1
    return None


def _through(plan: Plan, acts: Sequence[Act], begin: int, end: int) -> tuple[tuple[int, ...], int | None]:
    """What each step has after these acts, up to the one (if any) that completes all."""
    things: list[set[int]] = [set() for _ in plan.counts]
    missing = len(plan.counts)
    now, since = 0, -_EVER
    for number in range(begin, end):
        act = acts[number]
        had = things[act.step]
        if (plan.strict and act.step != now) or len(had) == plan.counts[act.step]:
            continue
        if plan.later and plan.later[act.step] and act.at <= since:
            continue
        had.add(act.thing)
        if len(had) == plan.counts[act.step]:
            missing -= 1
            now, since = now + 1, act.at
            if not missing:
                return plan.counts, number
    return tuple(len(had) for had in things), None


def _under_way(plan: Plan, acts: Sequence[Act], spans: Sequence[Span], free: int, used: set[str | None]) -> Standing:
    """The attempt that is not complete yet, in the last span."""
    nothing = Standing((), (0,) * len(plan.counts), None, None, enrolled=False)
    if not spans:
        return nothing
    span = spans[-1]
    begin, end = max(free, bisect_left(acts, (span.begin,))), bisect_left(acts, (span.end,))
    if plan.window is not None and begin < end:
        bucket = plan.window(acts[end - 1].at)
        if bucket is None or bucket in used:
            return nothing
        while plan.window(acts[begin].at) != bucket:
            begin += 1
    if plan.within is not None and not plan.by_hand:
        while begin < end and acts[end - 1].at - acts[begin].at >= plan.within:
            begin += 1
    while plan.strict and begin < end and acts[begin].step:
        begin += 1
    counts, _ = _through(plan, acts, begin, end)
    began = acts[begin].at if begin < end else None
    ends = _ends(plan, span, began)
    return nothing._replace(counts=counts, began=began, ends=ends)


def _ends(plan: Plan, span: Span, began: int | None) -> int | None:
    if plan.within is not None and not plan.by_hand and began is not None:
        return min(span.end, began + plan.within)
    return span.end if span.end < _EVER else None
