"""The purse of one person: the wallets of all pseudonyms that are linked, which are counted and spent as one.

Each wallet stays what its own agent's entries made of it, with lots, debts and expiries of its own; nothing is moved
when wallets are linked or taken apart. A spend takes the lots that expire first, whoever's they are.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence

from sqlalchemy import bindparam, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from catalogue.schema import link, link_head, spend_leg, wallet
from catalogue.store import Store
from catalogue.store.rows import WalletKey
from catalogue.store.sums import halves, kept, whole
from catalogue.wallets import book
from catalogue.wallets.book import Back, InsufficientError, Prepared
from catalogue.wallets.moves import Move
from wire.money.lots import Account

_LINKED = select(link_head.c.no).where(link_head.c.campus == bindparam("campus")).with_for_update(read=True)
"""Whoever changes links waits until those who look so have ended, and they wait for it."""

LEG = "+"
"""Between the name of a spend and the number of its second and further part."""


class OthersError(Exception):
    """Whose wallets are one person's was changed since it was looked at."""


async def names(conn: AsyncConnection, campus: str, learner: str) -> tuple[str, ...]:
    """All pseudonyms of the person who has this one, in order; the one alone where it is not linked."""
    mine = select(link.c.purse).where(link.c.campus == campus, link.c.name == learner).scalar_subquery()
    found = await conn.scalars(select(link.c.name).where(link.c.campus == campus, link.c.purse == mine))
    return tuple(sorted(found)) or (learner,)


async def sums(conn: AsyncConnection, campus: str, learner: str) -> dict[str, tuple[int, int]]:
    """What the person has, by currency in order: (balance, earned) of all wallets together, as a column keeps it."""
    mine = wallet.c.learner.in_(await names(conn, campus, learner))
    columns = (wallet.c.currency, *halves(wallet.c.balance), *halves(wallet.c.earned))
    grouped = select(*columns).where(wallet.c.campus == campus, mine).group_by(wallet.c.currency)
    rows = await conn.execute(grouped.order_by(wallet.c.currency))
    return {currency: (kept(whole(*sums[:2])), kept(whole(*sums[2:]))) for currency, *sums in rows}


async def spending(
    store: Store,
    conn: AsyncConnection,
    campus: str,
    key: WalletKey,
    amount: int,
    *,
    owners: Sequence[str],
    ref: str,
    now: int,
) -> Prepared:
    """Hold the wallets of all ``owners``, who are one person, and get ready to take ``amount`` from what expires first.

    ``ref`` names it, once. Nobody takes them apart until the transaction ends.

    Raises:
        InsufficientError: there is less than that in all of them together.
        OthersError: they are not one person any more, or somebody else is too.
    """
    learner, currency = key
    if tuple(owners) == (learner,):
        return await book.spending(store, conn, campus, key, amount, ref=ref, now=now)
    found = await book.hold(store, conn, campus, [(owner, currency) for owner in owners], opening=False)
    await conn.execute(_LINKED, {"campus": campus})
    if await names(conn, campus, learner) != tuple(owners):
        raise OthersError
    gone, held, accounts = await book.opened(conn, campus, found, now)
    available = max(sum(account.balance for account in accounts.values()), 0)
    if amount > available:
        raise InsufficientError(available)
    taken = parts(accounts, amount, first=learner)
    legs = [(owner, part, leg_ref(ref, no)) for no, (owner, part) in enumerate(taken, start=1)]
    wanted = [Move(owner, currency, "spend", -part, leg, now) for owner, part, leg in legs]
    if [owner for owner, _, _ in legs] != [learner]:
        common = {"campus": campus, "spend": ref}
        rows = [{"no": no, "learner": owner, "amount": part} for no, (owner, part, _) in enumerate(legs, start=1)]
        await conn.execute(insert(spend_leg), [common | row for row in rows])
    return Prepared([*gone, *wanted], held)


async def refunding(
    store: Store, conn: AsyncConnection, campus: str, key: WalletKey, amount: int, *, ref: str, about: str, now: int
) -> Prepared:
    """Hold the wallets that the spend ``about`` was taken from and get ready to give all of it back to them.

    ``ref`` names it, once.

    Raises:
        OverspentError: it was given back already.
    """
    legs = await legs_of(conn, campus, about) or [(key[0], amount)]
    backs = [
        Back((owner, key[1]), part, leg_ref(ref, no), leg_ref(about, no))
        for no, (owner, part) in enumerate(legs, start=1)
    ]
    return await book.refunding(store, conn, campus, backs, now=now)


async def legs_of(conn: AsyncConnection, campus: str, spent: str) -> list[tuple[str, int]]:
    """(learner, amount) of each part of a spend in order; none where it is of the asker's wallet alone."""
    table = spend_leg.c
    wanted = select(table.learner, table.amount).where(table.campus == campus, table.spend == spent)
    return [(row.learner, row.amount) for row in await conn.execute(wanted.order_by(table.no))]


async def all_legs(conn: AsyncConnection, campus: str) -> dict[str, Counter[str]]:
    """By spend: what it took from whom, of those that are told apart."""
    table = spend_leg.c
    found: dict[str, Counter[str]] = {}
    for row in await conn.execute(select(table.spend, table.learner, table.amount).where(table.campus == campus)):
        found.setdefault(row.spend, Counter())[row.learner] += row.amount
    return found


def leg_ref(ref: str, no: int) -> str:
    """What the ledger calls the part ``no`` of a spend or its refund: the first is called like the whole."""
    return ref if no == 1 else f"{ref}{LEG}{no}"


def parts(accounts: Mapping[WalletKey, Account], amount: int, *, first: str) -> Sequence[tuple[str, int]]:
    """From whom how much is taken, in the order of their names: what expires first; at the same time, ``first``'s."""
    lots = [
        (math.inf if lot.expires_at is None else lot.expires_at, owner != first, owner, lot.left)
        for (owner, _), account in accounts.items()
        for lot in account.lots
    ]
    taken: Counter[str] = Counter()
    for _, _, owner, left in sorted(lots, key=lambda lot: lot[:3]):
        part = min(left, amount - taken.total())
        if part:
            taken[owner] += part
    return sorted(taken.items())
