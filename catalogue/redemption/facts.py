"""What there is to know when a learner asks for a reward. Inside the caller's transaction."""

from __future__ import annotations

import dataclasses

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from catalogue import schema
from catalogue.redemption import checks, pool, records
from catalogue.redemption.checks import Facts, Wish
from catalogue.rewards import shelf, times
from catalogue.rewards.gates import Standing
from catalogue.rewards.model import SHARED, Limit
from catalogue.rewards.shelf import Offered
from catalogue.wallets import currencies


async def of(conn: AsyncConnection, wish: Wish, offered: Offered, *, now: int) -> Facts:
    """What there is to know about a wish."""
    reward, zone = offered.reward, offered.reward.window.timezone

    async def count(limit: Limit, learner: str | None) -> int:
        since = times.period_start(limit.per, zone, now)
        return await records.used(conn, wish.campus, offered.owner, reward.id, since=since, learner=learner)

    left = None if reward.stock is None else reward.stock - offered.taken
    if reward.handing == "codes":
        left = await pool.free(conn, wish.campus, offered.owner, reward.id, now=now)
    return Facts(
        now=now,
        approved=offered.approved,
        campus_active=await _campus_active(conn, wish.campus),
        standing=await standing(conn, wish.campus, wish.learner),
        currencies=await currencies.of_campus(conn, wish.campus),
        labels=await shelf.labels(conn, wish.campus),
        left=left,
        used_by_learner=tuple([await count(limit, wish.learner) for limit in reward.per_learner]),
        used_in_all=tuple([await count(limit, None) for limit in reward.in_all]),
        partner_paused=bool(reward.partner) and await _paused(conn, offered.owner, reward.partner),
    )


async def against(
    conn: AsyncConnection, campus: str, learner: str, one: Offered, cohorts: frozenset[str], country: str, *, now: int
) -> str:
    """What stands against a learner's having a reward now, or nothing."""
    reward = one.reward
    wish = Wish(campus=campus, learner=learner, reward=reward.id, key="", cohorts=cohorts, country=country)
    known = await of(conn, wish, one, now=now)
    for currency in reward.price:
        paying = dataclasses.replace(wish, currency=currency)
        refused = checks.refusal(paying, reward, known)
        if refused is None and known.standing.balances.get(currency, 0) >= reward.price[currency]:
            return ""
        if refused is not None:
            return refused.message
    prices = " or ".join(f"{amount} {currency}" for currency, amount in reward.price.items())
    return f"it costs {prices}, and there is less"


async def standing(conn: AsyncConnection, campus: str, learner: str) -> Standing:
    """What a learner has."""
    table = schema.wallet.c
    mine = select(table.currency, table.balance, table.earned).where(table.campus == campus, table.learner == learner)
    rows = (await conn.execute(mine)).all()
    return Standing(
        balances={row.currency: row.balance for row in rows},
        earned={row.currency: row.earned for row in rows},
        levels=await currencies.levels(conn, campus),
    )


async def _campus_active(conn: AsyncConnection, campus: str) -> bool:
    table = schema.tenant.c
    return await conn.scalar(select(table.state).where(table.campus == campus)) == "active"


async def _paused(conn: AsyncConnection, owner: str, partner: str) -> bool:
    table = schema.partner.c
    found = select(table.state).where(table.campus.in_({owner, SHARED}), table.partner == partner)
    return await conn.scalar(found.order_by(table.campus == SHARED)) == "paused"
