"""Redemptions held against the ledger: who was charged has a voucher, waits for one, or has the points back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from catalogue import schema
from catalogue.redemption import desk, records, states
from catalogue.redemption.records import SPEND_PREFIX, Redemption
from catalogue.redemption.states import State
from catalogue.wallets import carried, purse

Fault = Callable[[str], None]
Paid = tuple[Counter[str], str]
"""(how much of whom, currency)."""


async def check(conn: AsyncConnection, campus: str, fault: Fault) -> None:
    """Tell what of a campus's redemptions its ledger does not say, and the other way round."""
    spent, back = await _booked(conn, campus)
    legs = await purse.all_legs(conn, campus)
    archived = await _archived(conn, campus)
    charged, counted = Counter[tuple[str, ...]](), await _counted(conn, campus)
    async for one in records.listed(conn, campus):
        where = f"{campus}: redemption {one.redemption}"
        if one.charge is not None and desk.is_charged(one):
            for scope, name in one.charge.scopes():
                charged[one.month, scope, name, one.cost_code] += one.cost_minor
        if one.state is State.fulfilled and not _has_voucher(one):
            fault(f"{where}: is fulfilled and has no voucher")
        if one.spend in archived:  # held against its files: archive verify
            legs.pop(one.spend, None)
            _returned(one, back.pop(one.spend, None), where, fault)
            continue
        paid = spent.pop(one.spend, None)
        wanted_of = legs.pop(one.spend, Counter({one.learner: one.amount}))
        if paid is None or paid != (wanted_of, one.currency) or paid[0].total() != one.amount:
            fault(f"{where}: costs {one.amount} {one.currency}, the ledger took {_told(paid)}")
        wanted = one.amount if one.state in states.GIVEN_BACK else 0
        returned = back.pop(one.spend, 0)
        if returned != wanted:
            fault(f"{where}: is {one.state}, the ledger gave {returned} back instead of {wanted}")
    _compare(campus, charged, counted, fault)
    for ref in sorted(spent.keys() | back.keys() | legs.keys()):
        fault(f"{campus}: the books have {ref}, which is no redemption")


def _compare(campus: str, charged: Counter[tuple[str, ...]], counted: Counter[tuple[str, ...]], fault: Fault) -> None:
    """What budgets count must be what redemptions cost."""
    for place in sorted(charged.keys() | counted.keys()):
        if charged[place] != counted[place]:
            told = f"counts {counted[place]} hundredths, its redemptions cost {charged[place]}"
            fault(f"{campus}: the budget of {' '.join(place)} {told}")


def _returned(one: Redemption, returned: int | None, where: str, fault: Fault) -> None:
    """A spend of before the ledger begins that is here: what came back since is all of it, or was back before."""
    wanted = one.amount if one.state in states.GIVEN_BACK else None
    if returned is not None and returned != wanted:
        fault(f"{where}: is {one.state}, the ledger gave {returned} back instead of {wanted or 0}")


async def _archived(conn: AsyncConnection, campus: str) -> set[str]:
    """The names of the spends that are in the archive."""
    start = (await carried.begins(conn, campus)).no
    if not start:
        return set()
    table = schema.movement_key.c
    mine = (table.campus == campus, table.no <= start, table.ref.startswith(SPEND_PREFIX))
    return set(await conn.scalars(select(table.ref).where(*mine)))


async def _booked(conn: AsyncConnection, campus: str) -> tuple[dict[str, Paid], dict[str, int]]:
    """What the ledger took for redemptions, and what it gave back of each."""
    table = schema.movement.c
    spent: dict[str, Paid] = {}
    back: dict[str, int] = {}
    columns = (table.kind, table.ref, table.about, table.learner, table.currency, table.amount)
    rows = await conn.stream(select(*columns).where(table.campus == campus, table.kind.in_(("spend", "refund"))))
    async for row in rows:
        if row.kind == "spend" and row.ref.startswith(SPEND_PREFIX):
            took, _ = spent.setdefault(row.ref.partition(purse.LEG)[0], (Counter(), row.currency))
            took[row.learner] -= row.amount
        elif row.kind == "refund" and row.about.startswith(SPEND_PREFIX):
            about = row.about.partition(purse.LEG)[0]
            back[about] = back.get(about, 0) + row.amount
    return spent, back


async def _counted(conn: AsyncConnection, campus: str) -> Counter[tuple[str, ...]]:
    """What was spent by (month, scope, name, code)."""
    table = schema.spending.c
    columns = (table.month, table.scope, table.name, table.code, table.spent)
    rows = await conn.execute(select(*columns).where(table.campus == campus, table.spent != 0))
    return Counter({(row.month, row.scope, row.name, row.code): row.spent for row in rows})


def _has_voucher(one: Redemption) -> bool:
    return one.voucher is not None or one.token_digest is not None


def _told(paid: Paid | None) -> str:
    if paid is None:
        return "nothing"
    return " and ".join(f"{amount} {paid[1]} of {learner}" for learner, amount in sorted(paid[0].items()))
