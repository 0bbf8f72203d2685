"""What there is to know when a learner asks for a reward. Inside the caller's transaction."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from catalogue import schema
from catalogue.funding import budgets, policy
from catalogue.funding.budgets import Budget, Charge
from catalogue.funding.months import month_of
from catalogue.funding.policy import Policy
from catalogue.redemption import checks, pool, records
from catalogue.redemption.checks import Facts, Wish
from catalogue.rewards import shelf, times
from catalogue.rewards.gates import Standing
from catalogue.rewards.model import SHARED, Label, Limit, Reward
from catalogue.rewards.shelf import Offered
from catalogue.wallets import currencies, purse
from wire.money.terms import Currency


@dataclass(frozen=True, slots=True, kw_only=True)
class Learner:
    """What holds for a learner whatever the reward is; ``pseudonyms`` are all of the person's, this one too."""

    campus: str
    learner: str
    pseudonyms: tuple[str, ...]
    campus_active: bool
    policy: Policy
    standing: Standing
    currencies: Mapping[str, Currency]
    labels: Mapping[tuple[str, str], Label]


async def about(conn: AsyncConnection, campus: str, learner: str, *, gated: bool = True) -> Learner:
    """What there is to know about a learner; where nothing is ``gated``, not what opens gates."""
    active, said = await _campus(conn, campus)
    return Learner(
        campus=campus,
        learner=learner,
        pseudonyms=await purse.names(conn, campus, learner),
        campus_active=active,
        policy=said,
        standing=await _standing(conn, campus, learner) if gated else Standing(balances={}, earned={}),
        currencies=await currencies.of_campus(conn, campus),
        labels=await shelf.labels(conn, campus) if gated else {},
    )


async def of(conn: AsyncConnection, who: Learner, offered: Offered, *, now: int) -> Facts:
    """What there is to know when a learner wants a reward."""
    reward, zone = offered.reward, offered.reward.window.timezone

    async def count(limit: Limit, learners: tuple[str, ...] | None) -> int:
        since = times.period_start(limit.per, zone, now)
        return await records.used(conn, who.campus, offered.owner, reward.id, since=since, learners=learners)

    paid = await _paid_by(conn, who, reward, now)
    left = None if reward.stock is None else reward.stock - offered.taken
    if reward.handing == "codes":
        left = await pool.free(conn, who.campus, offered.owner, reward.id, now=now)
    return Facts(
        now=now,
        approved=offered.approved,
        campus_active=who.campus_active,
        standing=who.standing,
        currencies=who.currencies,
        labels=who.labels,
        left=left,
        used_by_learner=tuple([await count(limit, who.pseudonyms) for limit in reward.per_learner]),
        used_in_all=tuple([await count(limit, None) for limit in reward.in_all]),
        paid_by=paid,
        needs_a_budget=who.policy.needs_a_budget(reward.type),
        partner_paused=bool(reward.partner) and await _paused(conn, offered.owner, reward.partner),
    )


def charge(who: Learner, reward: Reward, now: int) -> Charge | None:
    """What a reward would cost whoever pays for it, in the month that it is now; nothing where it costs nobody."""
    if reward.cost is None:
        return None
    month = month_of(now, who.policy.timezone)
    return Charge(campus=who.campus, month=month, category=reward.category, reward=reward.id, cost=reward.cost)


async def against(
    conn: AsyncConnection, who: Learner, one: Offered, cohorts: frozenset[str], country: str, *, now: int
) -> str:
    """What stands against a learner's having a reward now, in whatever currency; nothing where it can be had."""
    return (await seen(conn, who, one, cohorts, country, now=now))[0]


async def seen(
    conn: AsyncConnection, who: Learner, one: Offered, cohorts: frozenset[str], country: str, *, now: int
) -> tuple[str, int | None]:
    """(what stands against it, or nothing; how many are left, or None where as many as are asked for)."""
    reward = one.reward
    wish = Wish(campus=who.campus, learner=who.learner, reward=reward.id, key="", cohorts=cohorts, country=country)
    known = await of(conn, who, one, now=now)
    told = []
    for currency, amount in reward.price.items():
        refused = checks.refusal(dataclasses.replace(wish, currency=currency), reward, known)
        if refused is None and who.standing.balances.get(currency, 0) >= amount:
            return "", known.left
        told.append(f"it costs {amount} {currency}, and there is less" if refused is None else refused.message)
    return "; ".join(dict.fromkeys(told)), known.left


async def _standing(conn: AsyncConnection, campus: str, learner: str) -> Standing:
    """What a learner has, in all wallets of theirs."""
    sums = await purse.sums(conn, campus, learner)
    return Standing(
        balances={currency: balance for currency, (balance, _) in sums.items()},
        earned={currency: earned for currency, (_, earned) in sums.items()},
        levels=await currencies.levels(conn, campus),
    )


async def _campus(conn: AsyncConnection, campus: str) -> tuple[bool, Policy]:
    """(whether it is active, what it says of its money)."""
    table, said = schema.tenant, schema.policy
    joined = table.outerjoin(said, said.c.campus == table.c.campus)
    columns = select(table.c.state, said.c.timezone, said.c.funded_only).select_from(joined)
    row = (await conn.execute(columns.where(table.c.campus == campus))).first()
    return (False, Policy()) if row is None else (row.state == "active", policy.read(row.timezone, row.funded_only))


async def _paid_by(conn: AsyncConnection, who: Learner, reward: Reward, now: int) -> list[Budget] | None:
    """The budgets that would pay for a reward; None where it costs nobody anything."""
    wanted = charge(who, reward, now)
    return None if wanted is None else await budgets.covering(conn, wanted)


async def _paused(conn: AsyncConnection, owner: str, partner: str) -> bool:
    table = schema.partner.c
    found = select(table.state).where(table.campus.in_({owner, SHARED}), table.partner == partner)
    return await conn.scalar(found.order_by(table.campus == SHARED)) == "paused"
