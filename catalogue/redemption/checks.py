"""Whether a learner may have a reward now, and if not, why. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from catalogue.funding.budgets import BUDGET_USED_UP, Budget
from catalogue.rewards import gates, times
from catalogue.rewards.gates import Standing
from catalogue.rewards.model import Label, Limit, Reward
from wire.money.amounts import amount, number
from wire.money.terms import BADGE_PREFIX


class Refusal(NamedTuple):
    """A no: a stable code, and a sentence."""

    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is asked for: ``cohorts`` and ``country`` are what the campus says of the learner, who is a pseudonym.

    ``key`` is the asker's own name for this wish; asked again it is the same redemption. ``currency`` may be empty
    where there is one price.
    """

    campus: str
    learner: str
    reward: str
    key: str
    currency: str = ""
    cohorts: frozenset[str] = frozenset()
    country: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known when it is asked. ``left`` of the stock (None: as many as are asked for).

    ``unspendable`` are the campus's currencies that buy nothing.
    ``paid_by`` are the budgets that would pay (None: it costs nobody anything); ``needs_a_budget``: one must.
    ``used`` are the redemptions that hold, by limit: the learner's own for ``per_learner``, everybody's for ``in_all``.
    """

    now: int
    approved: bool
    campus_state: str
    standing: Standing
    unspendable: Collection[str]
    labels: Mapping[tuple[str, str], Label]
    left: int | None
    used_by_learner: tuple[int, ...]
    used_in_all: tuple[int, ...]
    paid_by: Sequence[Budget] | None = ()
    needs_a_budget: bool = False
    partner_paused: bool = False


def price(wish: Wish, reward: Reward, standing: Standing) -> tuple[str, int] | Refusal:
    """(currency, amount) that a reward costs, or why that is not to be said."""
    if wish.currency:
        units = reward.price.get(wish.currency)
        if units is None:
            return Refusal("price", f"it is not to be had for {wish.currency}, but for {_or(reward, standing)}")
        return wish.currency, units
    if len(reward.price) > 1:
        return Refusal("price", f"say the currency: {_or(reward, standing)}")
    return next(iter(reward.price.items()))


def refusal(wish: Wish, reward: Reward, facts: Facts) -> Refusal | None:
    """The first thing that stands against it, but for the balance, which is looked at when it is taken."""
    return (
        _not_offered(reward, facts)
        or _not_for(wish, reward)
        or _not_now(reward, facts.now)
        or _not_reached(reward, facts)
        or _too_often(reward, facts)
        or _not_paid_for(reward, facts)
        or _not_there(wish, reward, facts)
    )


def stopping(reward: Reward, facts: Facts) -> Budget | None:
    """The budget that stops a reward because it does not reach for it."""
    cost = reward.cost.minor if reward.cost else 0
    return next((one for one in facts.paid_by or () if one.stop and cost > one.left), None)


def too_dear(costs: int, available: int, currency: str, standing: Standing) -> str:
    """Why somebody cannot pay for it, in the units of the currency."""
    there = number(available, standing.decimals.get(currency, 0))
    return f"it costs {amount(costs, currency, standing.decimals)}, and there are {there}"


def _not_offered(reward: Reward, facts: Facts) -> Refusal | None:
    if facts.campus_state != "active":
        return Refusal(facts.campus_state, f"this campus is {facts.campus_state} here")
    if reward.state != "active":
        return Refusal("inactive", f"it is {reward.state}")
    if not facts.approved:
        return Refusal("not-approved", "the institution has not approved it")
    return None


def _not_for(wish: Wish, reward: Reward) -> Refusal | None:
    if reward.cohorts and not wish.cohorts & set(reward.cohorts):
        return Refusal("not-visible", "it is not offered to this learner")
    if reward.countries and wish.country not in reward.countries:
        return Refusal("country", f"it is offered in {', '.join(reward.countries)} only, not in {wish.country or '?'}")
    return None


def _not_now(reward: Reward, now: int) -> Refusal | None:
    if reward.valid_from is not None and now < reward.valid_from:
        return Refusal("not-yet", "it is not offered yet")
    if reward.valid_until is not None and now >= reward.valid_until:
        return Refusal("over", "it is no longer offered")
    if not times.is_open(reward.window, now):
        return Refusal("window", f"it can be redeemed {_opening(reward)}")
    return None


def _not_reached(reward: Reward, facts: Facts) -> Refusal | None:
    tier = facts.labels.get(("tier", reward.tier)) if reward.tier else None
    if reward.tier and tier is None:
        return Refusal("tier", f"there is no tier {reward.tier}")
    needed = gates.of_tier(tier, facts.standing) if tier is not None else []
    if tier is not None and needed:
        return Refusal("tier", f"it is for {tier.title}: still needed: {', '.join(needed)}")
    needed = gates.missing(reward.gate, facts.standing)
    return Refusal("gate", f"still needed: {', '.join(needed)}") if needed else None


def _too_often(reward: Reward, facts: Facts) -> Refusal | None:
    for limit, used in zip(reward.per_learner, facts.used_by_learner, strict=True):
        if used >= limit.count:
            return Refusal("limit", f"a learner may have {_limit(limit)}")
    for limit, used in zip(reward.in_all, facts.used_in_all, strict=True):
        if used >= limit.count:
            return Refusal("limit-in-all", f"there are {_limit(limit)} for all learners together")
    return None


def _not_paid_for(reward: Reward, facts: Facts) -> Refusal | None:
    if facts.needs_a_budget and not facts.paid_by:
        return Refusal("not-funded", "the institution gives only what a budget of its own pays for")
    return None if stopping(reward, facts) is None else Refusal("budget", BUDGET_USED_UP)


def _not_there(wish: Wish, reward: Reward, facts: Facts) -> Refusal | None:
    if facts.partner_paused:
        return Refusal("partner-paused", "the partner takes no orders at the moment")
    if facts.left is not None and facts.left <= 0:
        return Refusal("stock", "there are none left")
    priced = price(wish, reward, facts.standing)
    if isinstance(priced, Refusal):
        return priced
    if priced[0].startswith(BADGE_PREFIX) or priced[0] in facts.unspendable:
        return Refusal("not-spendable", f"{priced[0]} cannot be spent")
    return None


def _opening(reward: Reward) -> str:
    window = reward.window
    days = f"on {', '.join(window.days)}" if window.days else "every day"
    return f"{days} {window.hours} ({window.timezone})".replace("  ", " ")


def _limit(limit: Limit) -> str:
    return f"{limit.count}" if limit.per == "ever" else f"{limit.count} a {limit.per}"


def _or(reward: Reward, standing: Standing) -> str:
    return " or ".join(amount(units, currency, standing.decimals) for currency, units in reward.price.items())
