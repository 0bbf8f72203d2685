"""An effect in a sentence that a programme's owner can read aloud, with what must be known beside it. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from fractions import Fraction

from agent.config.grammar import shown_number, whole
from agent.engine.experiment.effect import GROUP_MIN, Effect
from agent.engine.experiment.groups import Experiment
from agent.engine.experiment.intervals import Interval
from agent.engine.experiment.telling import percent

METHOD = (
    "bounds are of 95 %: of means after Welch, of shares after Newcombe (by Wilson's scores); who was drawn into "
    "a group is compared in it, whether or not they earned"
)


def verdict(one: Experiment, found: Effect, *, today: date, forgotten: date | None) -> str:
    """What can be said. ``forgotten`` is the last day of which acts that earned nothing are no more known, or None."""
    if today < one.first:
        return f"It begins on {one.first.isoformat()}: there is nothing to compare yet."
    if forgotten is not None and forgotten >= one.first:
        told = f"Nobody can say: acts up to {forgotten.isoformat()} that earned nothing are forgotten, those of the"
        return f"{told} comparison group above all. [privacy] decisions_keep must be longer than an experiment."
    if found.difference is None:
        few = [name for name, group in (("comparison", found.held), ("other", found.free)) if not group.told]
        many = "groups have" if len(few) > 1 else "group has"
        return f"Too few learners to say: the {' and the '.join(few)} {many} fewer than {GROUP_MIN} to look at."
    if not found.free.paid:
        return "Its rules paid nobody in that time, so that both groups were alike: there is nothing to see."
    said = _difference(one, found.difference)
    if today > one.last:
        return said
    return f"So far: {said} It runs until {one.last.isoformat()}, and a look before that decides nothing."


def remarks(one: Experiment, found: Effect, *, today: date) -> Iterator[str]:
    """What must be known to believe it."""
    if found.before is not None and (found.before.above or found.before.below):
        yield (
            f"the groups differed before it began ({between(found.before)}), as one draw in twenty does: "
            "what they differ by now is not all its doing"
        )
    if found.lopsided:
        held, every = found.held.learners, found.held.learners + found.free.learners
        yield (
            f"{held} of {every} learners are in the comparison group, where {percent(one.share)} were meant: "
            "chance alone does not do that; did some of them opt out, or was the experiment edited while it ran?"
        )
    if found.held.told and found.held.paid:
        yield (
            f"{found.held.paid} of the comparison group were paid by these rules for acts of that time: afterwards, by "
            "hand, or before the experiment was in the rules"
        )
    elif one.pay_after and today > one.last:
        yield (
            "it is over: rewards-agent rules backfill pays the comparison group what it missed "
            f"(--since {one.first.isoformat()} --until {one.last.isoformat()}, for each rule)"
        )


def between(found: Interval) -> str:
    """`+0.82, between +0.2 and +1.44`."""
    return f"{signed(found.estimate)}, between {signed(found.low)} and {signed(found.high)}"


def signed(value: Fraction) -> str:
    """A difference to three digits after the point."""
    rounded = rounded_to_three(value)
    return f"+{rounded}" if value > 0 and rounded != "0" else rounded


def rounded_to_three(value: Fraction) -> str:
    """A number to three digits after the point."""
    return shown_number(whole(Fraction(round(value * 1000), 1000)))


def _difference(one: Experiment, found: Interval) -> str:
    looked = one.looked
    bounds = f"between {signed(found.low)} and {signed(found.high)}"
    if not (found.above or found.below):
        return f"No difference that so many learners could show: {signed(found.estimate)} each, {bounds}."
    size = rounded_to_three(abs(found.estimate))
    if looked is not None and looked.fact:
        word = "higher" if found.above else "lower"
        return f"Whoever could earn it has a {looked.fact} that is {size} {word} ({bounds}); chance rarely does that."
    word = "more" if found.above else "fewer"
    what = f"{word} {looked.kind} each" if looked is not None else f"{word} of what its rules stand on"
    return f"Whoever could earn it has {size} {what} ({bounds}); chance rarely does that."
