"""What there is to know when a learner asks for a reward. Inside the caller's transaction."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import String, bindparam, cast, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from catalogue import schema
from catalogue.errors import RefusedError
from catalogue.funding import budgets, policy
from catalogue.funding.budgets import Budget, Charge
from catalogue.funding.months import month_of
from catalogue.funding.policy import Policy
from catalogue.redemption import checks, pool, records
from catalogue.redemption.checks import Facts, Wish
from catalogue.redemption.records import Redemption
from catalogue.rewards import shelf, times
from catalogue.rewards.gates import Standing
from catalogue.rewards.model import SHARED, Gate, Label, Limit, Reward
from catalogue.rewards.shelf import Offered
from catalogue.wallets import currencies, purse
from wire.money import amounts

_BETWEEN = "\x1f"
"""No name has it in it."""
_KNOWN = "known_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Learner:
    """What holds for a learner whatever the reward is; ``pseudonyms`` are all of the person's, this one too."""

    campus: str
    learner: str
    pseudonyms: tuple[str, ...]
    campus_state: str
    policy: Policy
    standing: Standing
    unspendable: frozenset[str]
    labels: Mapping[tuple[str, str], Label]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What one look tells when a learner asks: whether that was answered before, what is meant, and by whom."""

    known: Redemption | None
    refused: tuple[bytes, RefusedError] | None
    """The digest of what was refused under this key, and the answer."""
    offered: Offered | None
    who: Learner
    newest: int
    """The learner's newest movement: a wallet with a later one has moved since."""


async def asked(conn: AsyncConnection, wish: Wish) -> Asked | None:
    """What there is to know before anybody has to wait; None where there is no such campus."""
    named = {"campus": wish.campus, "learner": wish.learner, "reward": wish.reward, "key": wish.key}
    row = (await conn.execute(_ASKED, named)).first()
    if row is None:
        return None
    offered = None
    if row.body is not None:
        reward = shelf.read(row.body)
        offered = Offered(owner=row.owner, reward=reward, approved=bool(row.approved), taken=row.taken or 0)
    gated = offered is not None and (bool(offered.reward.tier) or offered.reward.gate != Gate())
    pseudonyms: tuple[str, ...] = (wish.learner,)
    if row.purse is not None:
        pseudonyms = await purse.names(conn, wish.campus, wish.learner)
    decimals = _counted(row.decimals)
    who = Learner(
        campus=wish.campus,
        learner=wish.learner,
        pseudonyms=pseudonyms,
        campus_state=row.campus_state,
        policy=policy.read(row.timezone, row.funded_only),
        standing=await _standing(conn, wish.campus, wish.learner, decimals)
        if gated
        else Standing(balances={}, earned={}, decimals=decimals),
        unspendable=_split(row.unspendable),
        labels=await shelf.labels(conn, wish.campus) if gated else {},
    )
    refused = None
    if row.wish_status is not None:
        refused = (row.wish_asked, RefusedError(row.wish_status, row.wish_code, row.wish_message))
    return Asked(known=records.read(row, _KNOWN), refused=refused, offered=offered, who=who, newest=row.newest or 0)


async def about(conn: AsyncConnection, campus: str, learner: str) -> Learner:
    """What there is to know about a learner."""
    state, said = await _campus(conn, campus)
    unspendable, decimals = (await conn.execute(select(_unspendable(campus), _decimals(campus)))).one()
    return Learner(
        campus=campus,
        learner=learner,
        pseudonyms=await purse.names(conn, campus, learner),
        campus_state=state,
        policy=said,
        standing=await _standing(conn, campus, learner, _counted(decimals)),
        unspendable=_split(unspendable),
        labels=await shelf.labels(conn, campus),
    )


def before(who: Learner, offered: Offered, *, now: int) -> Facts:
    """What needs no waiting: without limits, budgets, partners and codes, which `of` looks at."""
    reward = offered.reward
    return Facts(
        now=now,
        approved=offered.approved,
        campus_state=who.campus_state,
        standing=who.standing,
        unspendable=who.unspendable,
        labels=who.labels,
        left=None if reward.stock is None or reward.handing == "codes" else reward.stock - offered.taken,
        used_by_learner=(0,) * len(reward.per_learner),
        used_in_all=(0,) * len(reward.in_all),
    )


async def of(conn: AsyncConnection, who: Learner, offered: Offered, *, now: int, but: str = "") -> Facts:
    """What there is to know when a learner wants a reward; the redemption ``but`` counts for nothing."""
    reward, zone = offered.reward, offered.reward.window.timezone

    async def count(limit: Limit, learners: tuple[str, ...] | None) -> int:
        since = times.period_start(limit.per, zone, now)
        asked = (conn, who.campus, offered.owner, reward.id)
        return await records.used(*asked, since=since, learners=learners, but=but)

    known = before(who, offered, now=now)
    left = known.left
    if reward.handing == "codes":
        left = await pool.free(conn, who.campus, offered.owner, reward.id, now=now)
    return dataclasses.replace(
        known,
        left=left,
        used_by_learner=tuple([await count(limit, who.pseudonyms) for limit in reward.per_learner]),
        used_in_all=tuple([await count(limit, None) for limit in reward.in_all]),
        paid_by=await _paid_by(conn, who, reward, now),
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
        costs = amounts.amount(amount, currency, who.standing.decimals)
        told.append(f"it costs {costs}, and there is less" if refused is None else refused.message)
    return "; ".join(dict.fromkeys(told)), known.left


async def _standing(conn: AsyncConnection, campus: str, learner: str, decimals: Mapping[str, int]) -> Standing:
    """What a learner has, in all wallets of theirs."""
    sums = await purse.sums(conn, campus, learner)
    return Standing(
        balances={currency: balance for currency, (balance, _) in sums.items()},
        earned={currency: earned for currency, (_, earned) in sums.items()},
        levels=await currencies.levels(conn, campus),
        decimals=decimals,
    )


async def _campus(conn: AsyncConnection, campus: str) -> tuple[str, Policy]:
    """(its state, what it says of its money)."""
    table, said = schema.tenant, schema.policy
    joined = table.outerjoin(said, said.c.campus == table.c.campus)
    columns = select(table.c.state, said.c.timezone, said.c.funded_only).select_from(joined)
    row = (await conn.execute(columns.where(table.c.campus == campus))).first()
    return ("suspended", Policy()) if row is None else (row.state, policy.read(row.timezone, row.funded_only))


async def _paid_by(conn: AsyncConnection, who: Learner, reward: Reward, now: int) -> list[Budget] | None:
    """The budgets that would pay for a reward; None where it costs nobody anything."""
    wanted = charge(who, reward, now)
    return None if wanted is None else await budgets.covering(conn, wanted)


async def _paused(conn: AsyncConnection, owner: str, partner: str) -> bool:
    table = schema.partner.c
    found = select(table.state).where(table.campus.in_({owner, SHARED}), table.partner == partner)
    return await conn.scalar(found.order_by(table.campus == SHARED)) == "paused"


def _unspendable(campus: Any) -> Any:
    """The campus's currencies that buy nothing, in one text."""
    table = schema.currency.c
    named = select(func.aggregate_strings(table.currency, _BETWEEN))
    return named.where(table.campus == campus, table.spendable.is_(False)).scalar_subquery()


def _split(names: str | None) -> frozenset[str]:
    return frozenset(names.split(_BETWEEN)) if names else frozenset()


def _decimals(campus: Any) -> Any:
    """The decimals of the campus's currencies that have any, in one text: `2credit`."""
    table = schema.currency.c
    each = cast(table.decimals, String).concat(table.currency)  # of one digit: there are 6 at most
    named = select(func.aggregate_strings(each, _BETWEEN))
    return named.where(table.campus == campus, table.decimals > 0).scalar_subquery()


def _counted(told: str | None) -> dict[str, int]:
    return {each[1:]: int(each[0]) for each in _split(told)}


def _asked() -> Any:
    """All that is asked for before anything is held, at once: the more often somebody waits, the longer all do."""
    campus: Any = bindparam("campus")
    tenant, said, meant, offer = schema.tenant, schema.policy, schema.reward, schema.offer
    known, link, wallet, wish = schema.redemption, schema.link, schema.wallet, schema.wish
    whose = select(link.c.purse).where(link.c.campus == campus, link.c.name == bindparam("learner")).scalar_subquery()
    mine = (wallet.c.campus == campus, wallet.c.learner == bindparam("learner"))
    columns = (
        tenant.c.state.label("campus_state"),
        said.c.timezone,
        said.c.funded_only,
        meant.c.campus.label("owner"),
        meant.c.body,
        offer.c.approved,
        offer.c.taken,
        whose.label("purse"),
        select(func.max(wallet.c.last_no)).where(*mine).scalar_subquery().label("newest"),
        _unspendable(campus).label("unspendable"),
        _decimals(campus).label("decimals"),
        *(column.label(f"{_KNOWN}{column.name}") for column in known.c),
        *(column.label(f"wish_{column.name}") for column in (wish.c.asked, wish.c.status, wish.c.code, wish.c.message)),
    )
    same = (offer.c.campus == tenant.c.campus) & (offer.c.owner == meant.c.campus) & (offer.c.reward == meant.c.reward)
    joined = (
        tenant.outerjoin(said, said.c.campus == tenant.c.campus)
        .outerjoin(meant, meant.c.campus.in_((tenant.c.campus, SHARED)) & (meant.c.reward == bindparam("reward")))
        .outerjoin(offer, same)
        .outerjoin(known, (known.c.campus == tenant.c.campus) & (known.c.key == bindparam("key")))
        .outerjoin(wish, (wish.c.campus == tenant.c.campus) & (wish.c.key == bindparam("key")))
    )
    asked = select(*columns).select_from(joined).where(tenant.c.campus == campus)
    return asked.order_by(meant.c.campus == SHARED).limit(1)


_ASKED = _asked()
