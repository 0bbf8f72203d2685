"""Who is where in a ranking, and what each place brings where several share it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from agent.config.grammar import Number
from agent.config.rulefile.tables.scheduled import Ties
from agent.engine.rulebook import BADGE
from agent.model import Posting


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranked:
    """A learner with a place (from 1) and the ``prizes`` (numbers of places, from 0) that it and its ties take."""

    learner: str
    value: Number
    place: int
    tied: int
    prizes: tuple[int, ...]


def in_order(learner: str) -> tuple[str, int, str]:
    """Sorts learners by site and by number, so that a run's entries have one order."""
    site, _, user = learner.partition(":")
    return site, int(user) if user.isdecimal() else 0, user


def reaches(value: Number, at_least: Number | None) -> bool:
    """Whether somebody who comes to ``value`` takes part at all."""
    return value > 0 if at_least is None else value >= at_least


def ranked(values: Mapping[str, Number], *, at_least: Number | None, places: int, ties: Ties) -> list[Ranked]:
    """Everybody who reaches ``at_least`` (more than nothing, where it is None), the best first.

    ``share-place``: who ties for a place gets all of its prize each, and as many places after it are passed over.
    ``split``: they divide the prizes of all the places they take between them. ``all``: each different value is the
    next place, so that nobody is passed over.
    """
    reached = [(who, value) for who, value in values.items() if reaches(value, at_least)]
    reached.sort(key=lambda pair: (-pair[1], in_order(pair[0])))
    found: list[Ranked] = []
    for number, (value, group) in enumerate(groupby(reached, key=lambda pair: pair[1])):
        tied = list(group)
        first = number if ties == "all" else len(found)
        taken = range(first, first + (len(tied) if ties == "split" else 1))
        prizes = tuple(prize for prize in taken if prize < places)
        found.extend(
            Ranked(learner=learner, value=value, place=first + 1, tied=len(tied), prizes=prizes) for learner, _ in tied
        )
    return found


def prize(of: Ranked, prizes: Sequence[Sequence[Posting]], *, ties: Ties) -> tuple[Posting, ...]:
    """What a place brings, in smallest units; of what is divided, the rest that does not divide is given to nobody.

    A badge is not divided: each of those who tie for a place has the badge of the best place they take.
    """
    if not of.prizes:
        return ()
    best = prizes[of.prizes[0]]
    if ties != "split" or of.tied == 1:
        return tuple(best)
    sums: dict[str, int] = {posting.currency: posting.amount for posting in best}
    for number in of.prizes[1:]:
        for posting in prizes[number]:
            if not posting.currency.startswith(BADGE):
                sums[posting.currency] = sums.get(posting.currency, 0) + posting.amount
    return tuple(
        Posting(currency=currency, amount=amount if currency.startswith(BADGE) else amount // of.tied)
        for currency, amount in sums.items()
    )
