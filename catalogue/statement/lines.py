"""The lines of one agent's statement, worked out from the central ledger: the same ledger gives the same lines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, and_, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from catalogue.schema import accepted_entry, ledger, movement
from catalogue.wallets import carried
from catalogue.wallets.carried import NOBODY, Whose
from catalogue.wallets.moves import author
from wire.statement import ACCEPTED, LINES_MAX, WAIVER, Line

CENTRAL = ("spend", "expiry", "refund")
"""The kinds that the centre itself writes."""
SCANNED_MAX = 2000
"""Movements of a campus that are looked at for one page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """An agent's lines up to movement ``upto``; ``more`` of the ledger lies beyond."""

    lines: tuple[Line, ...]
    upto: int
    more: bool


async def newest(conn: AsyncConnection, campus: str) -> int:
    """The number of the campus's newest movement; 0 where there is none."""
    return await conn.scalar(select(ledger.c.no).where(ledger.c.campus == campus)) or 0


async def after(conn: AsyncConnection, campus: str, agent: str, no: int, upto: int) -> Found:
    """The agent's next lines after movement ``no``, up to ``upto`` or to what one page holds.

    Numbers become visible in their order and without gaps, so what was looked at once is never looked at again.
    """
    late = await accepted_later(conn, campus)
    rows = await _movements(conn, campus, late, no, upto)
    reached = rows[-1].no if len(rows) == SCANNED_MAX else upto
    before = await _before(conn, campus, late, rows)
    ends = {one.prev_no for one in (*rows, *before.values())} - {0, *before}
    archived = await carried.whose(conn, campus, ends)
    lines: list[Line] = []
    for row in rows:
        newest_entry, owner = _whose(row, before, archived, late)
        if owner != agent:
            continue
        lines.append(_line(row, newest_entry, late=row.no in late))
        if len(lines) == LINES_MAX:
            reached = row.no
            break
    return Found(lines=tuple(lines), upto=reached, more=reached < upto)


async def accepted_later(conn: AsyncConnection, campus: str) -> frozenset[int]:
    """The movements of entries that were set aside and accepted later: they stand where they were accepted."""
    table = accepted_entry.c
    rows = await conn.scalars(select(table.no).where(table.campus == campus, table.no.is_not(None)))
    return frozenset(rows)


async def _movements(conn: AsyncConnection, campus: str, late: Iterable[int], no: int, upto: int) -> list[Row[Any]]:
    """The campus's next movements that no receipt tells, in order, at most `SCANNED_MAX`."""
    table = movement.c
    told = or_(table.kind.in_(CENTRAL), table.waived != 0)
    mine = (table.campus == campus, table.no > no, table.no <= upto)
    # Two short questions, each with an index of its own.
    rows = (await conn.execute(select(movement).where(*mine, told).order_by(table.no).limit(SCANNED_MAX))).all()
    found: dict[int, Row[Any]] = {row.no: row for row in rows}
    wanted = [each for each in late if no < each <= upto and each not in found]
    if wanted:
        found |= {row.no: row for row in await conn.execute(select(movement).where(*mine, table.no.in_(wanted)))}
    return [found[each] for each in sorted(found)][:SCANNED_MAX]


async def _before(
    conn: AsyncConnection, campus: str, late: frozenset[int], rows: Iterable[Row[Any]]
) -> Mapping[int, Row[Any]]:
    """By number: of each wallet the movements before these, back to an entry that came in its turn."""
    wanted = {row.prev_no: row.prev_at for row in rows if row.prev_no}
    if not wanted:
        return {}
    table = movement
    columns = (table.c.no, table.c.kind, table.c.ref, table.c.prev_no, table.c.prev_at)
    newest = (table.c.no.in_(wanted), table.c.posted_at.in_({*wanted.values()}))
    chain = select(*columns).where(table.c.campus == campus, *newest).cte("chain", recursive=True)
    further = or_(chain.c.kind.in_(CENTRAL), chain.c.no.in_(late))
    link = (table.c.no == chain.c.prev_no, table.c.posted_at == chain.c.prev_at)
    before = select(*columns).where(and_(table.c.campus == campus, *link, further))
    found = await conn.execute(select(chain.union(before)))
    return {row.no: row for row in found}


def _whose(
    row: Row[Any], before: Mapping[int, Row[Any]], archived: Mapping[int, Whose], late: frozenset[int]
) -> tuple[str, str]:
    """(the wallet's newest entry before, or nothing; the agent whose learner it is)."""
    owner = "" if row.kind in CENTRAL else author(row.ref)
    no = row.prev_no
    while (each := before.get(no)) is not None and (each.kind in CENTRAL or each.no in late):
        owner = owner or ("" if each.kind in CENTRAL else author(each.ref))
        no = each.prev_no
    if each is not None:
        return each.ref, owner or author(each.ref)
    known = archived.get(no, NOBODY)
    return known.entry, owner or known.agent


def _line(row: Row[Any], newest_entry: str, *, late: bool) -> Line:
    central = row.kind in CENTRAL
    return Line(
        no=row.no,
        posted_at=row.posted_at,
        learner=row.learner,
        currency=row.currency,
        kind=row.kind if central else ACCEPTED if late else WAIVER,
        amount=row.amount if central else 0,  # else the agent has it in an entry of its own
        waived=row.waived,
        ref=row.ref,
        about=row.about,
        after=newest_entry,
        occurred_at=row.occurred_at,
    )
