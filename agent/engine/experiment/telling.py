"""An experiment in plain sentences: `rules explain`. Pure."""

from __future__ import annotations

from fractions import Fraction

from agent.config.grammar import shown_number, whole
from agent.engine.experiment.groups import Experiment


def percent(share: Fraction) -> str:
    """A part of one as people write it: `10 %`."""
    return f"{shown_number(whole(share * 100))} %"


def compared_by(one: Experiment) -> str:
    """What the groups are compared by."""
    if one.looked is None:
        return "how often each did what the rules stand on"
    if one.looked.fact:
        return f"each one's mean of {one.looked.fact} in {one.looked.kind}"
    return f"how often each had {one.looked.kind}"


def kept_out(one: Experiment) -> str:
    """What an experiment does to a rule."""
    days = f"From {one.first.isoformat()} until {one.last.isoformat()}"
    return f"{days} {percent(one.share)} of the learners get nothing by it (the comparison group of {one.name})."


def sentences(one: Experiment) -> tuple[str, ...]:
    """What an experiment does, a sentence for each of its parts."""
    share, rules = percent(one.share), ", ".join(one.rules)
    paid = "Once it is over, rules backfill pays the comparison group what it missed."
    return (
        f"{one.title or one.name}: an experiment. {share} of the learners get nothing by {rules}.",
        f"From {one.first.isoformat()} until {one.last.isoformat()}, both days included.",
        f"Both groups are compared by {compared_by(one)}: rewards-agent rules effect {one.name}.",
        f"Held out is whose SHA-256 of {one.seed}:{one.name}:SITE:USER begins below {share}.",
        paid if one.pay_after else "What the comparison group missed is not paid later.",
    )
