"""Partners as the operator knows them, and how each is doing. Inside the caller's transaction."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from catalogue import schema
from catalogue.errors import CatalogueError
from catalogue.partners.breaker import Circuit
from catalogue.redemption.states import HELD, State
from catalogue.rewards.model import SHARED

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
TIMEOUT_S = 10
TIMEOUT_S_MAX = 120

_KEEP = text(
    "INSERT INTO partner (campus, partner, title, url, repeatable, timeout_s, state, failures, open_until)"
    " VALUES (:campus, :partner, :title, :url, :repeatable, :timeout_s, 'active', 0, 0)"
    " ON CONFLICT (campus, partner) DO UPDATE SET title = excluded.title, url = excluded.url,"
    " repeatable = excluded.repeatable, timeout_s = excluded.timeout_s"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Partner:
    """One partner. ``repeatable``: the same order again is the same order there, so asking again is safe."""

    owner: str
    partner: str
    title: str
    url: str
    repeatable: bool
    timeout_s: int
    state: str
    circuit: Circuit


async def put(conn: AsyncConnection, partner: Partner) -> None:
    """Keep a partner, in place of the owner's one of its name; how it is doing stays.

    Raises:
        CatalogueError: its name, address or time-out cannot be, or somebody else's partner has the name.
    """
    if not NAME.fullmatch(partner.partner):
        raise CatalogueError(f"{partner.partner!r} cannot be a partner", hint="small letters, digits, '.', '_' and '-'")
    if not re.fullmatch(r"https?://[^\s]{1,480}", partner.url):
        raise CatalogueError(
            f"{partner.url!r} is no address of a partner", hint="such as https://partner.example/orders"
        )
    if not 1 <= partner.timeout_s <= TIMEOUT_S_MAX:
        raise CatalogueError(f"a time-out of {partner.timeout_s} s", hint=f"from 1 to {TIMEOUT_S_MAX}")
    table = schema.partner.c
    others = select(table.campus).where(table.partner == partner.partner, table.campus != partner.owner)
    if (other := await conn.scalar(others.limit(1))) is not None:
        raise CatalogueError(f"there is a partner {partner.partner} of {other} already", hint="choose another name")
    row = {"campus": partner.owner, "partner": partner.partner, "title": partner.title, "url": partner.url}
    await conn.execute(_KEEP, row | {"repeatable": partner.repeatable, "timeout_s": partner.timeout_s})


async def find(conn: AsyncConnection, owner: str, name: str, *, lock: bool = False) -> Partner | None:
    """A partner that an owner's rewards name: its own, else the shared one."""
    table = schema.partner
    wanted = select(table).where(table.c.campus.in_({owner, SHARED}), table.c.partner == name)
    wanted = wanted.order_by(table.c.campus == SHARED).limit(1)
    row = (await conn.execute(wanted.with_for_update() if lock else wanted)).first()
    return None if row is None else _read(row)


async def listed(conn: AsyncConnection) -> list[dict[str, Any]]:
    """Every partner, with how many orders wait, are under way, and are unknown."""
    table, orders = schema.partner, schema.redemption.c
    rows = (await conn.execute(select(table).order_by(table.c.partner, table.c.campus))).all()
    held = [state.value for state in sorted(HELD - {State.fulfilled})]
    counted = select(orders.owner, orders.partner, orders.state, func.count().label("total"))
    counted = counted.where(orders.partner != "", orders.state.in_(held))
    counts: dict[tuple[str, str], int] = {}
    for row in await conn.execute(counted.group_by(orders.owner, orders.partner, orders.state)):
        counts[row.partner, row.state] = counts.get((row.partner, row.state), 0) + row.total
    return [dict(row._mapping) | {state: counts.get((row.partner, state), 0) for state in held} for row in rows]  # noqa: SLF001


async def set_state(conn: AsyncConnection, name: str, state: str) -> None:
    """Pause a partner, or let it go on: then its circuit is closed too.

    Raises:
        CatalogueError: there is none.
    """
    table = schema.partner
    changed = update(table).where(table.c.partner == name)
    if not (await conn.execute(changed.values(state=state, failures=0, open_until=0))).rowcount:
        raise CatalogueError(f"there is no partner {name}", hint="see: rewards-catalogue partner list")


async def set_circuit(conn: AsyncConnection, partner: Partner, circuit: Circuit) -> None:
    """Keep how a partner is doing; writes only what is new."""
    if circuit == partner.circuit:
        return
    table = schema.partner
    mine = (table.c.campus == partner.owner, table.c.partner == partner.partner)
    await conn.execute(update(table).where(*mine).values(**circuit._asdict()))


def _read(row: Row[Any]) -> Partner:
    return Partner(
        owner=row.campus,
        partner=row.partner,
        title=row.title,
        url=row.url,
        repeatable=bool(row.repeatable),
        timeout_s=row.timeout_s,
        state=row.state,
        circuit=Circuit(row.failures, row.open_until),
    )
