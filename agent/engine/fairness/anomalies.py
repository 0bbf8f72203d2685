"""Who earns unlike everybody else: robust statistics over the awards of recent days. Pure; a hint, never a verdict.

The median and the median distance from it (MAD) are not moved by the very few that are looked for, as a mean would be.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

OUTLYING = Fraction(7, 2)
"""From this score on something is unlike the rest: the usual bound for scores made from the MAD."""
PEERS_MIN = 8
"""Fewer values than this have no usual."""
ABOVE_MIN = 3
"""So many awards more than usual at least: where everybody has one, two are no wonder."""

_MAD_TO_SIGMA = Fraction(6745, 10_000)
_MEAN_TO_SIGMA = Fraction(10_000, 12_533)

Days = Mapping[tuple[str, str], Mapping[str, int]]
"""(rule, learner) → day → awards on that day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Anomaly:
    """A learner who was awarded ``count`` times under ``rule`` where ``usual`` is usual.

    ``among`` says of what: `learners` (the whole span, beside all others who earned from the rule) or `days` (``day``
    beside the learner's own other days). ``score`` is the distance from the median in robust standard deviations.
    """

    rule: str
    learner: str
    among: str
    day: str
    count: int
    usual: Fraction
    score: Fraction


def anomalies(days: Days) -> list[Anomaly]:
    """Everything that stands out, the furthest first."""
    found = [*_among_learners(days), *_among_days(days)]
    return sorted(found, key=lambda one: (-one.score, one.rule, one.learner, one.day))


def _among_learners(days: Days) -> Iterable[Anomaly]:
    totals: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for (rule, learner), counts in days.items():
        totals[rule][learner] = sum(counts.values())
    for rule, of_rule in totals.items():
        for learner, count, usual, score in _outlying(of_rule):
            yield Anomaly(rule=rule, learner=learner, among="learners", day="", count=count, usual=usual, score=score)


def _among_days(days: Days) -> Iterable[Anomaly]:
    for (rule, learner), counts in days.items():
        for day, count, usual, score in _outlying(counts):
            yield Anomaly(rule=rule, learner=learner, among="days", day=day, count=count, usual=usual, score=score)


def _outlying(counts: Mapping[str, int]) -> Iterable[tuple[str, int, Fraction, Fraction]]:
    """Who of them is far above the rest: name, count, median, score."""
    if len(counts) < PEERS_MIN:
        return
    usual = median([Fraction(count) for count in counts.values()])
    distances = [abs(count - usual) for count in counts.values()]
    spread = median(distances) / _MAD_TO_SIGMA
    if not spread:
        # More than half are alike: then the mean distance tells how far the others are.
        spread = sum(distances, Fraction()) / len(distances) / _MEAN_TO_SIGMA
    for name, count in counts.items():
        if count - usual >= ABOVE_MIN and (score := (count - usual) / spread) >= OUTLYING:
            yield name, count, usual, score


def median(values: Sequence[Fraction]) -> Fraction:
    """The middle one, or what lies between the two middle ones; there is at least one."""
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
