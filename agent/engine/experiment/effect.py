"""What an experiment showed: two groups of learners, before it began and since, and whether they differ. Pure."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction

from agent.engine.experiment.groups import Experiment
from agent.engine.experiment.intervals import Interval, Sums, of_means, of_shares

GROUP_MIN = 20
"""So few learners of a group are told of as "fewer than 20", and of none of them anything else."""
_UNLIKELY = 9
"""The square of how many times the usual a group may be off its share: three times is one draw in 370."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Did:
    """So many acts (``times``) of one ``learner``, ``since`` the experiment began or before.

    ``counted`` is whether they are what the groups are compared by, ``value`` the fact in each, where one is looked at.
    """

    learner: str
    since: bool
    counted: bool
    times: int
    value: Fraction | int | None = None


class _Learner:
    """How many acts before and since, and the sum of what they had."""

    __slots__ = ("times", "total")

    def __init__(self) -> None:
        self.times = [0, 0]
        self.total = [Fraction(0), Fraction(0)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """One group: how many learners it has, what they come to ``before`` and ``since``, how many ``did`` it at all.

    ``paid`` is how many of them the rules paid for acts of that time.
    """

    learners: int
    before: Sums
    since: Sums
    did: int
    paid: int

    @property
    def told(self) -> bool:
        """Whether it is large enough to say anything of."""
        return self.since.count >= GROUP_MIN


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """Both groups, and how far those who could earn are from the held-out ones: None where a group is too small.

    ``difference`` is of what each comes to, ``did`` of the share that did it at all, ``before`` as they were before it
    began. ``lopsided`` is that chance alone does not part learners so unevenly.
    """

    free: Group
    held: Group
    difference: Interval | None
    did: Interval | None
    before: Interval | None
    lopsided: bool


def effect(one: Experiment, acts: Iterable[Did], paid: Container[str]) -> Effect:
    """What both groups came to. ``acts`` are of who takes part, in any order; ``paid`` whom its rules paid."""
    seen: dict[str, _Learner] = {}
    for act in acts:
        mine = seen.setdefault(act.learner, _Learner())
        if act.counted:
            _add(mine, act, mean=one.looked is not None and bool(one.looked.fact))
    groups = {held: _group(one, seen, paid, held=held) for held in (False, True)}
    free, held = groups[False], groups[True]
    told = free.told and held.told
    return Effect(
        free=free,
        held=held,
        difference=of_means(free.since, held.since) if told else None,
        did=of_shares((free.did, free.learners), (held.did, held.learners)) if told else None,
        before=of_means(free.before, held.before) if told and _enough(free.before, held.before) else None,
        lopsided=told and _lopsided(held.learners, free.learners + held.learners, one.share),
    )


def _enough(*sums: Sums) -> bool:
    return min(one.count for one in sums) >= GROUP_MIN


def _add(mine: _Learner, act: Did, *, mean: bool) -> None:
    """Where a mean is looked at, acts without the fact are none."""
    if not mean:
        mine.times[act.since] += act.times
    elif act.value is not None:
        mine.times[act.since] += act.times
        mine.total[act.since] += act.value * act.times


def _group(one: Experiment, seen: Mapping[str, _Learner], paid: Container[str], *, held: bool) -> Group:
    mean = one.looked is not None and bool(one.looked.fact)
    sums, did, count, were_paid = (Sums(), Sums()), 0, 0, 0
    for learner, mine in seen.items():
        if one.holds_out(learner) is not held:
            continue
        count += 1
        did += mine.times[True] > 0
        were_paid += learner in paid
        for part, (times, total) in enumerate(zip(mine.times, mine.total, strict=True)):
            if not mean:
                sums[part].add(times)
            elif times:
                sums[part].add(total / times)
    return Group(learners=count, before=sums[False], since=sums[True], did=did, paid=were_paid)


def _lopsided(held: int, of: int, share: Fraction) -> bool:
    off = held - of * share
    return off * off > _UNLIKELY * of * share * (1 - share)
