"""What an agent's persons have in wallets at other agents of the campus: all of it, or what changed since.

An agent asks after (movement, change of a link). Movements become visible in the order of their numbers, and links are
changed one transaction after another, so what was heard once is never missed.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from sqlalchemy import and_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from catalogue.schema import ledger, link, link_change, link_head, link_held, movement, wallet
from catalogue.store.sums import kept
from catalogue.tenants import Sender
from wire.people.known import FIRST, Elsewhere, Page, Place

NAMES_MAX = 300
"""Most persons of one page."""
SCANNED_MAX = 5_000
"""Movements of a campus that are looked at for one page."""


class Found(NamedTuple):
    """Whom a page is about, up to where, and whether there is more."""

    names: list[str]
    upto: Place
    more: bool


async def page(conn: AsyncConnection, sender: Sender, since: Place, after: str, *, now: int) -> Page:
    """What changed ``since``; from nothing, everybody after the name ``after``. A place beyond ours begins anew."""
    place = await _place(conn, sender.campus)
    if since[0] > place[0] or since[1] > place[1]:
        since, after = (0, 0), FIRST
    found = await (_all(conn, sender, after, place) if since == (0, 0) else _changed(conn, sender, since, place))
    return Page(
        campus=sender.campus,
        agent=sender.agent,
        since=since,
        upto=found.upto,
        after=after,
        at=now,
        more=found.more,
        people=tuple(await _told(conn, sender, found.names)),
    )


async def _place(conn: AsyncConnection, campus: str) -> Place:
    """Where the campus stands: read before anything else, so that what comes meanwhile is heard the next time."""
    moved = await conn.scalar(select(ledger.c.no).where(ledger.c.campus == campus))
    linked = await conn.scalar(select(link_head.c.no).where(link_head.c.campus == campus))
    return moved or 0, linked or 0


async def _all(conn: AsyncConnection, sender: Sender, after: str, place: Place) -> Found:
    table = link_change.c
    mine = select(table.name).where(table.campus == sender.campus, table.agent == sender.agent)
    if after != FIRST:
        mine = mine.where(table.name > after)
    names = list(await conn.scalars(mine.order_by(table.name).limit(NAMES_MAX + 1)))
    return Found(names[:NAMES_MAX], place, len(names) > NAMES_MAX)


async def _changed(conn: AsyncConnection, sender: Sender, since: Place, place: Place) -> Found:
    moved, linked = since
    table = link_change.c
    mine = (table.campus == sender.campus, table.agent == sender.agent, table.no > linked)
    numbers = list(await conn.scalars(select(table.no).where(*mine).order_by(table.no).limit(NAMES_MAX + 1)))
    # All that one change touched is of one page: those of one message of an agent.
    last = numbers[NAMES_MAX - 1] if len(numbers) > NAMES_MAX else place[1]
    names = list(await conn.scalars(select(table.name).where(*mine, table.no <= last)))
    upto = min(moved + SCANNED_MAX, place[0])
    names += await _moved(conn, sender, moved, upto)
    return Found(sorted(set(names)), (upto, last), (upto, last) != place)


async def _moved(conn: AsyncConnection, sender: Sender, after: int, upto: int) -> list[str]:
    """Those of this agent whose other wallets were moved."""
    theirs, ours = link.alias("theirs"), link.alias("ours")
    wallets = and_(theirs.c.campus == movement.c.campus, theirs.c.name == movement.c.learner)
    purse = and_(ours.c.campus == theirs.c.campus, ours.c.purse == theirs.c.purse, ours.c.name != theirs.c.name)
    wanted = select(ours.c.name).select_from(movement.join(theirs, wallets).join(ours, purse))
    within = (movement.c.campus == sender.campus, movement.c.no > after, movement.c.no <= upto)
    return list(await conn.scalars(wanted.where(*within, ours.c.agent == sender.agent).distinct()))


async def _told(conn: AsyncConnection, sender: Sender, names: Collection[str]) -> list[Elsewhere]:
    """All that holds of these now; of who is linked no more, that there is nothing."""
    mates: dict[str, list[tuple[str, str]]] = {name: [] for name in names}
    wallets: dict[str, dict[str, tuple[int, int]]] = {name: {} for name in names}
    ours, theirs = link.alias("ours"), link.alias("theirs")
    purse = and_(theirs.c.campus == ours.c.campus, theirs.c.purse == ours.c.purse, theirs.c.name != ours.c.name)
    mine = (ours.c.campus == sender.campus, ours.c.agent == sender.agent, ours.c.name.in_(names))
    joined = select(ours.c.name, theirs.c.agent, theirs.c.name.label("mate")).select_from(ours.join(theirs, purse))
    for row in await conn.execute(joined.where(*mine).order_by(ours.c.name, theirs.c.agent, theirs.c.name)):
        mates[row.name].append((row.agent, row.mate))
    account = and_(wallet.c.campus == theirs.c.campus, wallet.c.learner == theirs.c.name)
    columns = (ours.c.name, wallet.c.currency, wallet.c.balance, wallet.c.earned)
    accounts = select(*columns).select_from(ours.join(theirs, purse).join(wallet, account)).where(*mine)
    for one in await conn.execute(accounts):
        balance, earned = wallets[one.name].get(one.currency, (0, 0))
        wallets[one.name][one.currency] = (kept(balance + one.balance), kept(earned + one.earned))
    table = link_held.c
    mine = (table.campus == sender.campus, table.agent == sender.agent, table.name.in_(names))
    rows = await conn.execute(select(table.name, table.reason).where(*mine))
    held = {row.name: row.reason for row in rows}
    return [
        Elsewhere(name=name, mates=tuple(mates[name]), wallets=wallets[name], held=held.get(name, ""))
        for name in sorted(names)
    ]
