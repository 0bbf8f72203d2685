"""Closing months: in order, once each, and for good. Inside the caller's transaction.

A month is the movements that the centre posted in it; dates of posting only rise, so it is a range of numbers. What
comes in late is dated when it comes in and falls into the open month.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Row, func, insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from catalogue import schema
from catalogue.errors import CatalogueError
from catalogue.finance import sums
from catalogue.finance.sums import Line, Lines
from catalogue.funding import months, policy
from catalogue.store.sums import KEPT_MAX, halves, whole
from catalogue.wallets import currencies, dates

# The campus's ledger is held until the transaction ends, and nothing is ever dated before the end of the month.
_HOLD = text(
    "UPDATE ledger SET posted_at = CASE WHEN posted_at < :ends_at THEN :ends_at ELSE posted_at END"
    " WHERE campus = :campus RETURNING no"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Month:
    """One month of a campus: its movements are those from ``first_no`` to ``last_no``.

    ``closed_at`` None is open. ``worth`` of one unit is what the campus said when it was closed, or says now.
    """

    campus: str
    month: str
    ends_at: int
    first_no: int
    last_no: int
    closed_at: int | None
    closed_by: str
    lines: Lines
    worth: Mapping[str, str]

    @property
    def state(self) -> str:
        """Closed or open."""
        return "open" if self.closed_at is None else "closed"


async def close(conn: AsyncConnection, campus: str, month: str = "", *, now: int, by: str) -> Month:
    """Close a month, by default the first that is open.

    Raises:
        CatalogueError: it is not over, is closed, is not the next, nothing was ever posted, or it came to more than
            can be kept.
    """
    zone = (await policy.of_campus(conn, campus)).timezone
    if month:
        ends(month, zone)
    wanted = await following(conn, campus)
    if month and month != wanted:
        raise _out_of_turn(campus, month, wanted)
    ends_at = months.end(wanted, zone)
    if now < ends_at:
        raise CatalogueError(f"{wanted} is not over", hint=f"it ends at midnight in {zone}")
    await conn.execute(_HOLD, {"campus": campus, "ends_at": ends_at})
    if await following(conn, campus) != wanted:
        raise _out_of_turn(campus, wanted, await following(conn, campus))
    made = await _worked_out(conn, campus, wanted, ends_at)
    _must_fit(made)
    place = {"campus": campus, "month": wanted}
    said = {"ends_at": ends_at, "first_no": made.first_no, "last_no": made.last_no}
    await conn.execute(insert(schema.closed_month), place | said | {"closed_at": now, "closed_by": by})
    rows = [
        place
        | {"currency": currency, "worth": made.worth.get(currency, ""), "closing": line.closing}
        | {name: getattr(line, name) for name in sums.SUMS}
        for currency, line in made.lines.items()
    ]
    if rows:
        await conn.execute(insert(schema.month_line), rows)
    return replace(made, closed_at=now, closed_by=by)


async def following(conn: AsyncConnection, campus: str) -> str:
    """The first month that is open.

    Raises:
        CatalogueError: nothing was ever posted.
    """
    found = await first_open(conn, campus)
    if found is None:
        raise CatalogueError(f"nothing was ever posted for {campus}", hint="there is no month to close")
    return found


async def first_open(conn: AsyncConnection, campus: str) -> str | None:
    """The month after the last closed one, else the one of the very first movement; None where there is none."""
    table = schema.closed_month.c
    last = await conn.scalar(select(func.max(table.month)).where(table.campus == campus))
    if last is not None:
        return months.after(last)
    zone = (await policy.of_campus(conn, campus)).timezone
    movements = schema.movement.c
    first = await conn.scalar(select(movements.posted_at).where(movements.campus == campus, movements.no == 1))
    return None if first is None else months.month_of(first, zone)


async def shown(conn: AsyncConnection, campus: str, month: str) -> Month:
    """A month, closed or open; an open one as it stands now.

    Raises:
        CatalogueError: there is no such month.
    """
    found = await known(conn, campus, month)
    if found is None:
        first = await following(conn, campus)
        raise CatalogueError(f"{campus} has nothing in {month}", hint=f"its first month is {first}")
    return found


async def known(conn: AsyncConnection, campus: str, month: str) -> Month | None:
    """As `shown`, and None of a month before the first movement, or where there is none.

    Raises:
        CatalogueError: it is no month.
    """
    closed = await _closed(conn, campus, month)
    if closed is not None:
        return closed
    ends_at = ends(month, (await policy.of_campus(conn, campus)).timezone)
    first = await first_open(conn, campus)
    return None if first is None or month < first else await _worked_out(conn, campus, month, ends_at)


async def listed(conn: AsyncConnection, campus: str) -> AsyncIterator[Month]:
    """The closed months of a campus, in order."""
    table = schema.closed_month.c
    for month in (await conn.scalars(select(table.month).where(table.campus == campus).order_by(table.month))).all():
        found = await _closed(conn, campus, month)
        if found is not None:
            yield found


async def _worked_out(conn: AsyncConnection, campus: str, month: str, ends_at: int) -> Month:
    """An open month from the ledger: what is closed last is where it opens, and open months before it lie between."""
    table = schema.closed_month
    last = (
        await conn.execute(select(table).where(table.c.campus == campus).order_by(table.c.month.desc()).limit(1))
    ).first()
    closed_no, opening = (0, {}) if last is None else (last.last_no, (await _lines(conn, campus, last.month))[0])
    zone = (await policy.of_campus(conn, campus)).timezone
    first_no = max(await dates.last_before(conn, campus, months.start(month, zone)), closed_no) + 1
    last_no = max(await dates.last_before(conn, campus, ends_at), first_no - 1)
    if first_no > closed_no + 1:
        opening = sums.fold(opening, await moved(conn, campus, closed_no + 1, first_no - 1))
    return Month(
        campus=campus,
        month=month,
        ends_at=ends_at,
        first_no=first_no,
        last_no=last_no,
        closed_at=None,
        closed_by="",
        worth={name: one.worth for name, one in (await currencies.of_campus(conn, campus)).items()},
        lines=sums.fold(opening, await moved(conn, campus, first_no, last_no)),
    )


async def moved(conn: AsyncConnection, campus: str, first_no: int, last_no: int) -> list[tuple[str, str, int]]:
    """(currency, kind, amounts and what was waived of them) of a range of movements."""
    table = schema.movement.c
    total = halves(table.amount + table.waived)
    mine = select(table.currency, table.kind, *total).where(table.campus == campus, table.no.between(first_no, last_no))
    rows = await conn.execute(mine.group_by(table.currency, table.kind).order_by(table.currency, table.kind))
    return [(currency, kind, whole(*amount)) for currency, kind, *amount in rows]


async def _closed(conn: AsyncConnection, campus: str, month: str) -> Month | None:
    table = schema.closed_month
    row: Row[Any] | None = (
        await conn.execute(select(table).where(table.c.campus == campus, table.c.month == month))
    ).first()
    if row is None:
        return None
    fields = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public name
    lines, worth = await _lines(conn, campus, month)
    return Month(**fields, lines=lines, worth=worth)


async def _lines(conn: AsyncConnection, campus: str, month: str) -> tuple[dict[str, Line], dict[str, str]]:
    """A closed month's lines, and what one unit was worth, by currency."""
    table = schema.month_line
    mine = select(table).where(table.c.campus == campus, table.c.month == month).order_by(table.c.currency)
    rows = (await conn.execute(mine)).all()
    lines = {row.currency: Line(**{name: getattr(row, name) for name in sums.SUMS}) for row in rows}
    return lines, {row.currency: row.worth for row in rows}


def _must_fit(made: Month) -> None:
    for currency, line in made.lines.items():
        for name in (*sums.SUMS, "closing"):
            if abs(amount := getattr(line, name)) > KEPT_MAX:
                found = f"{currency} of {made.campus} comes to {amount} {name} in {made.month}"
                looked = f"rewards-catalogue finance export {made.campus} {made.month} --movements"
                raise CatalogueError(
                    f"{found}, more than can be kept ({KEPT_MAX})",
                    hint=f"look whose entries these are ({looked}), and suspend the campus until they are explained",
                )


def ends(month: str, zone: str) -> int:
    """When a month is over, in seconds UTC.

    Raises:
        CatalogueError: it is none.
    """
    try:
        return months.end(month, zone)
    except ValueError as exc:
        raise CatalogueError(str(exc)) from None


def _out_of_turn(campus: str, month: str, wanted: str) -> CatalogueError:
    if month < wanted:
        return CatalogueError(f"{month} is closed, or before the first of {campus}", hint=f"{wanted} is the next")
    return CatalogueError(f"{wanted} comes before {month}", hint=f"close it first: finance close {campus} {wanted}")
